"""A day of a town, under two versions of its playbook, as a bounded run over files tells it."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from pipelines.demo import PLAYBOOK
from pipelines.simulate import simulate
from schemas.playbook_file import load_playbook

UNTIL = "2026-03-03T00:00:00Z"
"""The end of a day of segments' statistics, too: of a window that is cut short a bounded run tells what there is."""
PATIENCE = 900
"""Seconds until a stream must have ended."""
KEY = "a key of nobody's, for tests"
WHOLE = ("decisions", "offers", "transitions", "segment_stats", "segment_profiles", "alerts", "receipts", "rejected")
"""Outputs that a stream gives as a bounded run does; that has contexts as of its end besides."""


@dataclass(frozen=True)
class TownDay:
    """Signals of a day, and what comes of them.

    Attributes:
        playbooks: The directory of versions: another takes over at noon, and a feed is silent for hours.
        files: The file of each signal type that is read, JSON Lines.
        rows: Of each output, how often each row comes, as JSON.
    """

    playbooks: Path
    files: dict[str, Path]
    rows: dict[str, Counter[str]]


def town_day(folder: Path) -> TownDay:
    """Simulate a day and run it from files."""
    book = load_playbook(PLAYBOOK)
    made = simulate(folder / "town", subscribers=100, days=1, file_format="jsonl")
    files = {name: made.files[name] for name in book.signals}
    playbooks = _versions(folder / "playbooks")
    signals = [f"{name}={path}" for name, path in files.items()]
    run(playbooks, signals, folder / "bounded")
    rows = {name: rows_of([folder / "bounded" / f"{name}.parquet"]) for name in WHOLE}
    return TownDay(playbooks, files, rows)


def _versions(folder: Path) -> Path:
    """Write two versions of the town's playbook beside its table."""
    folder.mkdir()
    text = PLAYBOOK.read_text("utf-8") + "\nfeed_timeout: {web: 3h}\n"
    noon = text.replace("version: 7\n", "version: 8\neffective_from: 2026-03-02T12:00:00+02:00\n")
    (folder / "town-v7.yaml").write_text(text, "utf-8")
    (folder / "town-v8.yaml").write_text(noon.replace("low_mb: 300", "low_mb: 500"), "utf-8")
    (folder / "tariffs.csv").write_bytes((PLAYBOOK.parent / "tariffs.csv").read_bytes())
    return folder


def run(playbooks: Path, signals: Iterable[str], out: Path, *options: str, until: str = UNTIL) -> str:
    """Call `segone run` as its users do; return what it printed."""
    given = [text for signal in signals for text in ("--signals", signal)]
    times = ["--until", until, "--as-of", UNTIL, "--mode", "simulated", "--format", "parquet"]
    command = [sys.executable, "-m", "pipelines", "run", str(playbooks), *given, "--out", str(out), *times, *options]
    environment = {**os.environ, "SEGONE_PSEUDONYM_KEY": KEY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def rows_of(files: Iterable[Path]) -> Counter[str]:
    """Return how often each row of some Parquet files comes, without raw payloads."""
    rows: Counter[str] = Counter()
    for file in files:
        frame = pl.read_parquet(file)
        if frame.height:
            rows.update(frame.select(pl.struct(~cs.binary()).struct.json_encode()).to_series().to_list())
    return rows


def stream_rows(out: Path, output: str) -> Counter[str]:
    """Return how often each row of an output of a stream comes."""
    return rows_of(sorted((out / output).glob("*.parquet")))


def without_waiting(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt without how many rows waited, which had been read ahead: no stream promises that."""
    return {**receipt, "removed": [one for one in receipt["removed"] if one["table"] != "waiting"]}


def promised(receipts: Counter[str]) -> Counter[str]:
    """Return receipts, as JSON, as far as a stream promises them."""
    return Counter(json.dumps(without_waiting(json.loads(row))) for row in receipts.elements())


def ids(messages: Iterable[bytes]) -> Counter[tuple[str, str]]:
    """Return how often each event comes, by type and id."""
    events = [json.loads(message) for message in messages]
    return Counter((event["type"], event["id"]) for event in events)
