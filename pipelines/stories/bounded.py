"""Stories as Beam runs over files, on FnApiRunner."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq

from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.stories.signals import AHEAD, json_lines, salted
from pipelines.stories.story import OUTPUTS, Expect, Story
from pipelines.stories.told import Told, by_expect


def play_bounded(story: Story) -> Iterator[tuple[Told, Sequence[Expect]]]:
    """Play a story as one run up to its last watermark; all its signals are there from the start."""
    with salted(), TemporaryDirectory() as directory:
        folder, until = Path(directory), story.until
        playbook, feeds = _write_playbook(story, folder), _write_signals(story, folder)
        times: dict[str, Any] = {"until": until, "as_of": until, "max_ahead": AHEAD, "decide_from": story.decide_from}
        report = run(RunSettings(playbook=playbook, signals=feeds, out=directory, **times))
        rows = {output: pq.read_table(folder / f"{output}.parquet").to_pylist() for output in OUTPUTS}
    counts = Counter(report.signals)
    counts["rejected"] += counts["too_late"]
    yield from by_expect(story, rows, counts)


def _write_playbook(story: Story, folder: Path) -> str:
    """Return where a story's playbook is, written if the story holds it, with the files that it names."""
    beside, directory = Path(story.source.file).parent, folder / "playbook"
    directory.mkdir()
    for data, book in zip(story.inline, story.versions.playbooks, strict=False):
        (directory / f"v{book.version}.yaml").write_text(json.dumps(data), "utf-8")  # JSON is YAML
        named = [*(one.file for one in book.tables.values()), *(one.file for one in book.models.values())]
        for file in (*named, *filter(None, book.signals.values())):
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(beside / file, directory / file)
    return str(directory) if story.inline else story.playbook.file


def _write_signals(story: Story, folder: Path) -> tuple[tuple[str, str], ...]:
    """Write a story's signals as JSON Lines, a file for each type, and return what `--signals` says of them."""
    lines = json_lines(story.signals)
    for name, mine in lines.items():
        (folder / f"{name}.jsonl").write_bytes(mine)
    return tuple((name, str(folder / f"{name}.jsonl")) for name in lines)
