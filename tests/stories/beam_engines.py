"""Stories as Beam pipelines: whole runs over files, and streams whose watermark the story moves."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from pipelines.run import run
from pipelines.runner_options import beam_arguments
from pipelines.settings import RunSettings
from tests.reference.kernel import batches, transition
from tests.reference.records import Signal, ms
from tests.stories.story import Story, Told
from transforms.context.plan import load_plan
from transforms.decide_offers import DecideOffers
from transforms.parcel import Parcel
from transforms.ticking import STAGES
from transforms.track_contexts import TrackContexts

_HEARD: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
"""What streams told, by story and output: the runner works in this process."""


def play_bounded(story: Story, folder: Path) -> Told:
    """Play a story as one run over files, up to its last watermark; all its signals are there from the start."""
    (folder / "playbook.yaml").write_text(story.playbook_text, "utf-8")
    feeds = _write_signals(story, folder)
    settings = RunSettings(
        playbook=str(folder / "playbook.yaml"), signals=feeds, out=str(folder), until=story.until, as_of=story.until
    )
    report = run(settings)
    rows = {
        name: pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("transitions", "decisions", "offers")
    }
    counts = Counter(report.signals)
    counts["rejected"] += counts["too_late"]
    return _told(story, rows, counts)


def play_stream(story: Story) -> Told:
    """Play a story as a stream on one shard."""
    for name in ("transitions", "decisions", "offers"):
        _HEARD[story.name, name].clear()
    with beam.Pipeline(options=PipelineOptions(beam_arguments("BundleBasedDirectRunner", []))) as pipeline:
        signals = pipeline | "Signals" >> _stream(story)
        tracked = signals | "TrackContexts" >> TrackContexts(playbook=story.playbook, bounded=False)
        decided = tracked["triggers"] | "DecideOffers" >> DecideOffers(playbook=story.playbook, bounded=False)
        for name, batch in {"transitions": tracked["transitions"], **decided}.items():
            batch | f"Hear {name}" >> beam.Map(_hear, (story.name, name))
    rows = {name: _HEARD[story.name, name] for name in ("transitions", "decisions", "offers")}
    return _told(story, rows, Counter())


def _write_signals(story: Story, folder: Path) -> tuple[tuple[str, str], ...]:
    """Write a story's signals as JSON Lines, a file for each type, and return what `--signals` says of them."""
    lines: dict[str, list[str]] = defaultdict(list)
    for row in _signals(story):
        envelope = {"id": row.id, "source": row.source, "time": row.time, "subject": row.subject}
        lines[row.signal].append(json.dumps({**envelope, **row.payload}))
    for name, mine in lines.items():
        (folder / f"{name}.jsonl").write_text("\n".join(mine), "utf-8")
    return tuple((name, str(folder / f"{name}.jsonl")) for name in lines)


def _signals(story: Story) -> Iterable[Signal]:
    return (row for kind, what in story.events if kind == "signals" for row in what)


def _stream(story: Story) -> TestStream:
    """Return the story's signals and watermarks as a stream of (shard, parcel).

    The watermark goes in half ticks: this runner holds it for no timer, so what one stage makes at a tick would
    otherwise come to the next stage after later ticks.
    """
    plan, stream, step = load_plan(story.playbook), TestStream(), story.playbook.tick // 2
    now = min(row.time for row in _signals(story))
    for kind, what in story.events:
        if kind == "signals":
            elements = [(0, Parcel.of(one)) for one in batches(plan, what)]
            stream.add_elements(TimestampedValue(one, _timestamp(one[1].earliest)) for one in elements)
        elif kind == "watermark":
            for watermark in (*range(now + step, what, step), what):
                stream.advance_watermark_to(_timestamp(watermark + len(STAGES)))  # each stage wakes a little later
            now = max(now, what)
    return stream.advance_watermark_to_infinity()


def _timestamp(time: int) -> Timestamp:
    return Timestamp(micros=time * 1000)


def _hear(batch: pa.RecordBatch, where: tuple[str, str]) -> None:
    _HEARD[where] += batch.to_pylist()


def _told(story: Story, rows: dict[str, list[dict[str, Any]]], counts: Counter[str]) -> Told:
    """Return rows of outputs as sentences, up to the last watermark of the story."""
    until = story.until
    return Told(
        [story.transition(transition(row)) for row in rows["transitions"] if ms(row["tick"]) <= until],
        [story.decision(row) for row in rows["decisions"] if ms(row["tick"]) <= until],
        [story.offer(row) for row in rows["offers"] if ms(row["time"]) <= until],
        counts,
    )
