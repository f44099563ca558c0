"""A day whose watermark moves while it is fed: in slices, at whose end each partition says what time it is."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from schemas.durations import HOUR, MINUTE, parse_instant
from tests.streams.towns import rows_of, run, without_waiting

SLICE = 15 * MINUTE
"""Event time that is sent at once."""

SUBSCRIBERS, MIDNIGHT = 60, parse_instant("2026-03-02T00:00:00Z")

TOLD_AGAIN = ("segment_stats", "segment_profiles", "alerts", "rejected")
"""Outputs of which each life may tell a row again, the same, if its cut was before all of it was there."""

GRACE = 35 * MINUTE
"""Of the playbook: more than two slices, since a service may give these in any order."""

PUBLISHED = ("decisions", "offers", "transitions")
"""Outputs that go to topics."""

FILES = ("segment_stats", "segment_profiles", "alerts", "receipts", "rejected")
"""Outputs that go to files."""

Line = tuple[int, str, bytes]
"""When, milliseconds, which signal type, and the JSON of a signal."""


@dataclass(frozen=True)
class Day:
    """Signals in slices, and what a run over them as files tells.

    Attributes:
        playbooks: The directory of versions.
        until: The last tick.
        signals: The signal types that are there.
        slices: By their order, the signals of each.
        ends: The end of each slice, milliseconds.
        messages: Of each output of `PUBLISHED`, its lines.
        rows: Of each output of `FILES`, how often each row comes.
    """

    playbooks: Path
    until: str
    signals: tuple[str, ...]
    slices: tuple[tuple[Line, ...], ...]
    ends: tuple[int, ...]
    messages: dict[str, Counter[bytes]]
    rows: dict[str, Counter[str]]

    @property
    def sent(self) -> int:
        """Number of signals."""
        return sum(map(len, self.slices))


def day(folder: Path, until: str = "2026-03-02T09:00:00Z") -> Day:
    """Draw signals from midnight up to a tick, and run them from files."""
    playbooks, end = _versions(folder / "playbooks"), parse_instant(until)
    lines = [(at, name, json.dumps(row | {"time": at}).encode()) for at, name, row in _drawn(MIDNIGHT, end)]
    lines = sorted([*lines, *_clocks(lines, end)])
    signals = tuple(sorted({name for _, name, _ in lines}))
    files = []
    for name in signals:
        (folder / f"{name}.jsonl").write_bytes(b"".join(text + b"\n" for _, of, text in lines if of == name))
        files.append(f"{name}={folder / name}.jsonl")
    run(playbooks, files, folder / "bounded", "--format", "jsonl", until=until)
    ends = tuple(range(MIDNIGHT + SLICE, end + 1, SLICE))
    slices = tuple(tuple(line for line in lines if at - SLICE <= line[0] < at) for at in ends)
    messages = {name: _lines(folder / "bounded" / f"{name}.jsonl") for name in PUBLISHED}
    rows = {name: comparable(name, rows_of([folder / "bounded" / f"{name}.parquet"]), until) for name in FILES}
    return Day(playbooks, until, signals, slices, ends, messages, rows)


def comparable(output: str, rows: Counter[str], until: str, lives: int = 1) -> Counter[str]:
    """Leave out what is another in a stream: windows after its last tick, what waited at an erasure, where records are.

    What comes once in each of several lives at the most counts once where that may be.
    """
    end = parse_instant(until)
    found: Counter[str] = Counter()
    for text, times in rows.items():
        row = json.loads(text)
        if "end" in row and parse_instant(row["end"]) > end:
            continue
        if output == "receipts":
            row = without_waiting(row)
        if output == "rejected":
            row = {name: row[name] for name in ("reason", "payload_hash")}
        found[json.dumps(row, sort_keys=True)] += 1 if output in TOLD_AGAIN and times <= lives else times
    return found


def _versions(folder: Path) -> Path:
    """Write two versions of the playbook: the second takes over at three."""
    folder.mkdir()
    text = (Path(__file__).parent / "town.yaml").read_text("utf-8")
    later = text.replace("version: 1", "version: 2\neffective_from: 2026-03-02T03:00:00Z").replace("500}", "700}", 1)
    (folder / "town-v1.yaml").write_text(text, "utf-8")
    (folder / "town-v2.yaml").write_text(later, "utf-8")
    return folder


def _drawn(start: int, end: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Draw when what is told of the subscribers."""
    draw, numbers = Random(7), count()

    def told(name: str, at: int, who: int, **payload: Any) -> tuple[int, str, dict[str, Any]]:
        whose = {"id": f"{name}-{next(numbers)}", "subject_kind": "subscriber", "subject": f"s{who}", "source": "town"}
        return at, name, whose | payload

    for who in range(SUBSCRIBERS):
        home = {"group_kind": "household", "role": "primary" if who % 4 == 0 else "member"}
        yield told("membership", start + who, who, **home, group=f"h{who // 4}", state="joined")
        if who % 10 == 3:
            moved = draw.randrange(start + HOUR, end)
            yield told("membership", moved, who, **home, group=f"h{who // 4}", state="left")
            yield told("membership", moved + MINUTE, who, **home, group=f"h{(who + 4) // 4}", state="joined")
        if who % 15 == 7:
            yield told("erasure", draw.randrange(start + HOUR, end), who, reference=f"request-{who}")
        for _ in range(12):
            yield told("usage", draw.randrange(start, end), who, mb=float(draw.randrange(1_500)), kind="data")
        yield told("usage", draw.randrange(start, end), who, mb="many", kind="data")
        for _ in range(5):
            yield told("balance", draw.randrange(start, end), who, remaining_mb=float(draw.randrange(1_200)))
        for number in range(2):
            at, order = draw.randrange(start, end - HOUR), f"order-{who}-{number}"
            yield told("order", at, who, order_id=order, state="started")
            if draw.random() < 0.5:
                yield told("order", at + draw.randrange(HOUR), who, order_id=order, state="completed")


def _clocks(lines: Sequence[Line], end: int) -> Iterator[Line]:
    """Yield a signal of each type at the end of each slice, of somebody of its own."""
    first = {name: (at, text) for at, name, text in reversed(lines)}
    for name, (_, text) in first.items():
        for at in range(MIDNIGHT + SLICE - 1, end, SLICE):
            like = json.loads(text)
            like |= {"id": f"clock-{name}-{at}", "time": at, "subject": f"clock-of-{name}", "source": "clock"}
            yield at, name, json.dumps(like).encode()


def _lines(file: Path) -> Counter[bytes]:
    return Counter(file.read_bytes().splitlines())
