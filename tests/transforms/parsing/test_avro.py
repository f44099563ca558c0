"""Avro: every codec and type, any range, and payloads that are built to explode."""

import io
import itertools
import time
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.parsing.avro_files import MARKER, SCHEMA, block, header, long, packed, records, row
from transforms.parsing.avro import avro_fields, read_avro
from transforms.parsing.avro_codecs import MAX_BLOCK
from transforms.parsing.raw import POSITION, Unreadable

NAMES = [str(field["name"]) for field in SCHEMA["fields"]]  # type: ignore[index]


def _read(data: bytes, start: int = 0, stop: int | None = None) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return rows and, of each rejection, position and reason."""
    rows: list[dict[str, Any]] = []
    rejections: list[tuple[str, str]] = []
    for found, rejected in read_avro(io.BytesIO(data), start, len(data) if stop is None else stop, NAMES):
        rows += found.to_pylist()
        rejections += [(item.position, item.reason) for item in rejected]
    return rows, rejections


def _ids(data: bytes) -> list[str]:
    return [found["id"].decode() for found in _read(data)[0]]


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "snappy", "zstandard"])
def test_every_codec_and_type(codec: str) -> None:
    data = header(codec=codec) + b"".join(
        block(3, packed(codec, records([row(i) for i in range(first, first + 3)]))) for first in (0, 3)
    )
    rows, rejected = _read(data)
    assert rejected == []
    assert [found["id"] for found in rows] == [f"e{i}".encode() for i in range(6)]
    assert [found["n"] for found in rows] == [None, 1, None, 3, None, 5]
    assert [found["d"] for found in rows] == [0, None, None, 0.75, None, None]
    assert [found["e"] for found in rows] == [None, "red", "green"] * 2
    assert [found["t"].timestamp() for found in rows] == [i / 1000 for i in range(6)]
    assert [found["i"] for found in rows] == [-i for i in range(6)]
    assert [found["b"] for found in rows] == [True, False] * 3
    assert len({found[POSITION] for found in rows}) == 2


def test_only_the_wanted_columns_that_are_there() -> None:
    data = header() + block(1, records([row(1)]))
    ((rows, _),) = list(read_avro(io.BytesIO(data), 0, len(data), ["n", "none"]))
    assert rows.to_pylist() == [{"n": 1, POSITION: len(header())}]


def test_a_text_that_is_not_utf8_costs_nothing_here() -> None:
    bad = records([row(1)]).replace(b"e1", b"\xff\xff")
    rows, rejected = _read(header() + block(2, records([row(0)]) + bad))
    assert ([found["id"] for found in rows], rejected) == ([b"e0", b"\xff\xff"], [])


@given(st.lists(st.integers(0, 4), max_size=8), st.lists(st.integers(0, 2000), max_size=4))
def test_ranges_make_no_difference(sizes: list[int], cuts: list[int]) -> None:
    data = header() + b"".join(block(size, records([row(i) for i in range(size)])) for size in sizes)
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [_read(data, a, b) for a, b in itertools.pairwise(bounds)]
    assert [found for rows, _ in parts for found in rows] == _read(data)[0]
    assert sum(len(rows) for rows, _ in parts) == sum(sizes)


ONE = records([row(1)])
HOSTILE = {
    "cut off": (block(1, ONE)[:-20] + MARKER, "torn_block"),
    "wrong marker": (block(1, ONE, marker=b"x" * 16) + MARKER, "torn_block"),
    "marker inside": (block(1, ONE + MARKER), "torn_block"),
    "size beyond the file": (block(1, ONE, size=10_000), "torn_block"),
    "huge size": (block(1, ONE, size=1 << 60), "torn_block"),
    "negative size": (block(1, ONE, size=-5), "torn_block"),
    "size of too many bytes": (b"\x02" + b"\xff" * 30 + MARKER, "torn_block"),
    "huge count": (block(1 << 62, ONE), "exploding_block"),
    "negative count": (block(-1, ONE), "torn_block"),
    "one record too many": (block(2, ONE), "exploding_block"),
    "trailing bytes": (block(1, ONE + b"xx"), "torn_block"),
    "trailing record": (block(1, ONE + ONE), "torn_block"),
    "no records in bytes": (block(0, ONE), "torn_block"),
    "half a record": (block(1, ONE[:-1]), "torn_block"),
    "huge text": (block(1, long(1 << 62) + b"x" * 60), "torn_block"),
    "negative text": (block(1, long(-3) + b"x" * 60), "torn_block"),
    "no such symbol": (block(1, ONE.replace(b"\x02\x00" + long(1000), b"\x02\x08" + long(1000))), "torn_block"),
}


@pytest.mark.parametrize(("bad", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_block_is_rejected_alone(bad: bytes, reason: str) -> None:
    good = block(1, records([row(0)]))
    data = header() + good + bad + block(1, records([row(2)]))
    started = time.perf_counter()
    rows, rejected = _read(data)
    assert time.perf_counter() - started < 5
    assert [found["id"] for found in rows] == [b"e0", b"e2"]
    assert rejected[0] == (f"block at byte {len(header() + good)}", reason)


@pytest.mark.parametrize(
    ("bad", "codec", "counts"),
    [
        (block(700, b"junk"), "deflate", [700]),
        (block(3, packed("deflate", ONE + ONE + b"x" * len(ONE))), "deflate", [3]),
        (block(1 << 62, packed("deflate", ONE)), "deflate", [None]),
        (block(700, ONE, marker=b"x" * 16) + MARKER, "null", [None]),
        (block(700, ONE)[:-20], "null", [None]),
    ],
)
def test_a_lost_block_stands_for_its_records(bad: bytes, codec: str, counts: list[int | None]) -> None:
    data = header(codec=codec) + bad
    found = [item for _, rejected in read_avro(io.BytesIO(data), 0, len(data), NAMES) for item in rejected]
    assert [item.records for item in found] == counts


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "zstandard", "snappy"])
def test_a_bomb_is_not_unpacked(codec: str) -> None:
    bomb = packed(codec, bytes(MAX_BLOCK + 1))
    rows, rejected = _read(header(codec=codec) + block(1, bomb) + block(1, packed(codec, ONE)))
    assert [found["id"] for found in rows] == [b"e1"]
    assert [reason for _, reason in rejected] == ["exploding_block"]


@pytest.mark.parametrize("codec", ["deflate", "bzip2", "zstandard", "snappy"])
@pytest.mark.parametrize(
    "change", [lambda data: data[:-3], lambda data: data + b"junk", lambda _: b"junk", lambda _: b""]
)
def test_what_cannot_be_unpacked_is_torn(codec: str, change: Any) -> None:
    data = header(codec=codec) + block(1, change(packed(codec, ONE))) + block(1, packed(codec, ONE))
    rows, rejected = _read(data)
    assert [found["id"] for found in rows] == [b"e1"]
    assert [reason for _, reason in rejected] in (["torn_block"], ["exploding_block"])


def test_a_part_of_the_checksum_may_follow_deflate() -> None:
    assert _ids(header(codec="deflate") + block(1, zlib.compress(ONE)[2:-1])) == ["e1"]


NESTED: dict[str, Any] = {"type": "record", "name": "raw", "fields": [{"name": "id", "type": "string"}]}


def _with(kind: Any) -> Any:
    return {**NESTED, "fields": [*NESTED["fields"], {"name": "x", "type": kind}]}


@pytest.mark.parametrize(
    "schema",
    [
        "string",
        [],
        {"type": "record"},
        {"type": "record", "name": "raw", "fields": [{"type": "long"}]},
        _with("row"),
        _with(["null", "text"]),
        _with({"type": "array"}),
        _with({"type": "fixed", "name": "f", "size": -1}),
        _with({"type": "record", "name": "f", "fields": ["string"]}),
        _with(None),
        {**NESTED, "fields": NESTED["fields"] * 2},
        {**NESTED, "fields": [{"name": f"c{i}", "type": "string"} for i in range(1001)]},
    ],
    ids=str,
)
def test_a_schema_that_is_not_one_is_unreadable(schema: Any) -> None:
    with pytest.raises(Unreadable):
        avro_fields(io.BytesIO(header(schema)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Obj\x01",
        b"Obj\x02" + header()[4:],
        header()[:-1],
        header(codec="lz77"),
        b"Obj\x01" + long(1 << 62) + b"x" * 100,
        b"Obj\x01" + long(-(1 << 62)) + b"x" * 100,
        b"Obj\x01" + long(1) + long(1 << 62),
        header().replace(b"avro.schema", b"avro.schemo"),
        header().replace(b'{"type"', b'{"type\xff'),
        header().replace(b'{"type"', b"[[[[[[["),
        header({**SCHEMA, "fields": [{"name": "e", "type": {"type": "enum", "name": "c", "symbols": ["\ud800"]}}]}),
    ],
)
def test_a_header_that_is_none_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        avro_fields(io.BytesIO(data))


def test_a_deep_schema_is_unreadable() -> None:
    text = b"[" * 200_000
    with pytest.raises(Unreadable):
        avro_fields(
            io.BytesIO(b"Obj\x01" + long(1) + long(11) + b"avro.schema" + long(len(text)) + text + long(0) + MARKER)
        )


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(-2, 5), st.sampled_from(["null", "deflate"]))
def test_arbitrary_blocks_never_crash_a_reader(data: bytes, count: int, codec: str) -> None:
    good = block(1, packed(codec, ONE))
    rows, rejected = _read(header(codec=codec) + good + block(count, data) + good)
    assert len(rows) - 2 + len(rejected) == (count if not rejected else 1)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash_a_reader(data: bytes) -> None:
    _read(header() + data)
    with pytest.raises(Unreadable):
        avro_fields(io.BytesIO(data))
