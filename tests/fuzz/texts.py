"""CSV and JSON Lines, packed or not, sound and damaged."""

import csv
import gzip
import io
import json
from random import Random
from typing import Any

from tests.fuzz.case import Case, config, damaged, rows

_NASTY = (
    "",
    "a",
    '"',
    '""',
    "\n",
    "\r",
    "\r\n",
    ",",
    ";",
    "\x00",
    "\ufeff",
    "é",
    "\\",
    "null",
    "NaN",
    "1e999",
    "{",
    "[" * 9,
)


def lines(rng: Random) -> Case:
    """Return sound lines, then perhaps damage: those before it must be read."""
    made = rows(rng, rng.randrange(1, 20))
    ending, data, ends = _csv(rng, made) if rng.random() < 0.5 else _jsonl(rng, made)
    bad, at = damaged(rng, data) if rng.random() < 0.7 else (data, len(data))
    if at <= ends[0]:  # the header
        return Case(f"a{ending}", bad, config(rng))
    sure = frozenset(row["id"] for row, end in zip(made, ends[1:], strict=True) if end < at)
    return Case(f"a{ending}", bad, {}, sure)


def nasty_lines(rng: Random) -> Case:
    """Return lines of what parsers fear, perhaps packed, perhaps damaged."""
    pieces = [rng.choice((*_NASTY, "id", "time", "subject", '{"id": "1"}', "1,2,s")) for _ in range(rng.randrange(40))]
    data = rng.choice(("", ",", "\n")).join(pieces).encode()
    data = rng.choice((b"id,time,subject\n", b"", b"\xef\xbb\xbfid,time,subject\r\n")) + data
    return _packed(rng, rng.choice((".csv", ".jsonl")), damaged(rng, data)[0])


def packed_lines(rng: Random) -> Case:
    """Return sound lines in a packed file, which may be damaged."""
    made = rows(rng, rng.randrange(1, 20))
    ending, data, _ = _csv(rng, made) if rng.random() < 0.5 else _jsonl(rng, made)
    return _packed(rng, ending, data)


def _packed(rng: Random, ending: str, data: bytes) -> Case:
    if rng.random() < 0.5:
        return Case(f"a{ending}", data, config(rng))
    whole = gzip.compress(data)
    return Case(f"a{ending}.gz", damaged(rng, whole)[0] if rng.random() < 0.8 else whole, config(rng))


def _csv(rng: Random, made: list[dict[str, Any]]) -> tuple[str, bytes, list[int]]:
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(made[0]), lineterminator=rng.choice(("\n", "\r\n")))
    writer.writeheader()
    ends = [len(sink.getvalue())]
    for row in made:
        writer.writerow(row)
        ends.append(len(sink.getvalue()))
    return ".csv", sink.getvalue().encode(), ends


def _jsonl(rng: Random, made: list[dict[str, Any]]) -> tuple[str, bytes, list[int]]:
    data, ends = b"", [-1]
    for row in made:
        data += json.dumps(row).encode() + rng.choice((b"\n", b"\r\n", b"\n\n"))
        ends.append(len(data))
    return ".jsonl", data, ends
