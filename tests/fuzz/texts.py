"""CSV and JSON Lines, packed or not, sound and damaged."""

import csv
import gzip
import io
import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pyarrow as pa

from tests.fuzz.case import NAMES, Case, config, damaged, rows

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
_SOUND = ('{"id": "1", "time": 5, "subject": "s"}', "1,5,s", "\n1,5,s\n", '\n{"id": "1", "time": 5, "subject": "s"}\n')


def lines(rng: Random) -> Case:
    """Return sound lines, then perhaps damage: those before it must be read."""
    chosen = config(rng)
    made = rows(rng, rng.randrange(1, 12), chosen)
    ending, data, ends = text_file(rng, made, chosen, rng.choice((".csv", ".jsonl")))
    bad, at = damaged(rng, data) if rng.random() < 0.7 else (data, len(data))
    if at <= ends[0]:  # the header
        return Case(f"a{ending}", bad, chosen)
    sure = frozenset(row["id"] for row, end in zip(made, ends[1:], strict=True) if end < at)
    return Case(f"a{ending}", bad, chosen, sure)


def nasty_lines(rng: Random) -> Case:
    """Return lines of what parsers fear, perhaps packed, perhaps damaged."""
    pieces = [rng.choice((*_NASTY, *_SOUND, "id", "time", "subject")) for _ in range(rng.randrange(40))]
    data = rng.choice(("", ",", "\n")).join(pieces).encode()
    header = ",".join(rng.choice((*NAMES, *_NASTY)) for _ in range(rng.randrange(9)))
    data = rng.choice((b"id,time,subject\n", b"", b"\xef\xbb\xbfid,time,subject\r\n", f"{header}\n".encode())) + data
    return _packed(rng, rng.choice((".csv", ".jsonl")), damaged(rng, data)[0], config(rng))


def packed_lines(rng: Random) -> Case:
    """Return sound lines in a packed file, which may be damaged."""
    chosen = config(rng)
    made = rows(rng, rng.randrange(1, 12), chosen)
    ending, data, _ = text_file(rng, made, chosen, rng.choice((".csv", ".jsonl")))
    return _packed(rng, ending, data, chosen, frozenset(row["id"] for row in made))


def text_file(
    rng: Random, made: list[dict[str, Any]], config: Mapping[str, Any], ending: str
) -> tuple[str, bytes, list[int]]:
    """Return the ending and the bytes of a file of records, and where its header and each record end."""
    return (ending, *(_csv(rng, made, config) if ending == ".csv" else _jsonl(rng, made)))


def _packed(
    rng: Random, ending: str, data: bytes, config: Mapping[str, Any], sure: frozenset[str] = frozenset()
) -> Case:
    """Return a file that may be packed, and then be damaged: if it is not, all that is sure must be read."""
    if rng.random() < 0.3:
        return Case(f"a{ending}", data, config, sure)
    name, whole = rng.choice(((f"a{ending}.gz", gzip.compress(data, mtime=0)), (f"a{ending}.zst", _zstd(data))))
    return Case(name, whole, config, sure) if rng.random() < 0.2 else Case(name, damaged(rng, whole)[0], config)


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packer:
        packer.write(data)
    return bytes(sink.getvalue())


def _csv(rng: Random, made: list[dict[str, Any]], config: Mapping[str, Any]) -> tuple[bytes, list[int]]:
    sink = io.StringIO(newline="")
    ending, delimiter = rng.choice(("\n", "\r\n")), config.get("delimiter", ",")
    writer = csv.DictWriter(sink, list(made[0]), delimiter=delimiter, lineterminator=ending)
    if "header" not in config:
        writer.writeheader()
    ends = [len(sink.getvalue()) - (not sink.getvalue())]
    for row in made:
        writer.writerow(row)
        ends.append(len(sink.getvalue()))
    return sink.getvalue().encode(), ends


def _jsonl(rng: Random, made: list[dict[str, Any]]) -> tuple[bytes, list[int]]:
    data, ends = b"", [-1]
    for row in made:
        data += json.dumps(row).encode() + rng.choice((b"\n", b"\r\n", b"\n\n"))
        ends.append(len(data))
    return data, ends
