"""Blocks of files and streams to batches by shard: when a time is too far ahead, and where a rejected row is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.records import EVERYBODY
from schemas.sources import Source, SourceConfig
from tests.transforms.streams.pullers import stream_block
from transforms.arrays.hashing import shard_of
from transforms.compiler.notices import Notice
from transforms.parsing.parser import Parser, Parsing
from transforms.parsing.raw import PARTITION, POSITION, PUBLISHED, partitions_of, published_of, raw_layout

AS_OF, AHEAD = 1_000, 10


def _parser(signal: str = "usage", **options: Any) -> Parser:
    source = Source(contract(signal), SourceConfig.model_validate(options.pop("config", {})))
    payload = ("action", "scope", "target") if signal == "control" else ()
    given = {
        "sources": {signal: source},
        "payloads": {signal: payload},
        "kinds": frozenset({"subscriber"}),
        "earliest": 0,
    }
    return Parser(Parsing(**given, as_of=AS_OF, max_ahead=AHEAD, tick=60_000, shards=3, **options))


def _row(time: int, **others: Any) -> dict[str, Any]:
    return {"id": "1", "subject": "a", "time": time, **others}


@pytest.mark.parametrize(
    ("time", "published", "parsed"),
    [
        (AS_OF + AHEAD, None, True),
        (AS_OF + AHEAD + 1, None, False),
        (5_010, 5_000, True),
        (5_011, 5_000, False),
        (510, 500, True),
        (511, 500, False),
    ],
)
def test_a_time_may_be_so_far_after_its_row_was_published(time: int, published: int | None, parsed: bool) -> None:
    block = stream_block([_row(7), _row(time, **{PUBLISHED: published}), _row(8)], 40)
    found = _parser()(block)
    assert found.times.to_pylist() == [7, time if parsed else None, 8]
    assert found.counts == {
        ("signals", "in"): 3,
        ("signals", "parsed"): 2 + parsed,
        ("signals", "rejected"): not parsed,
    }
    assert (found.rejected is None) == parsed


@given(st.lists(st.tuples(st.integers(0, 2_000), st.none() | st.integers(0, 2_000)), min_size=1, max_size=8))
def test_each_row_is_judged_alone(rows: list[tuple[int, int | None]]) -> None:
    block = stream_block([_row(time, **{PUBLISHED: published}) for time, published in rows], 0)
    wanted = [time <= (AS_OF if published is None else published) + AHEAD for time, published in rows]
    found = _parser()(block)
    assert [time is not None for time in found.times.to_pylist()] == wanted
    assert sum(part.rows.num_rows for part in found.parts) == sum(wanted)


@pytest.mark.parametrize(("partition", "place"), [("3", "partition 3 offset 42"), ("", "offset 42")])
def test_a_rejected_row_says_where_it_is_and_no_more_than_it_held(partition: str, place: str) -> None:
    block = stream_block([_row(-5, **{PUBLISHED: 9, PARTITION: partition})], 42)
    found = _parser()(block)
    assert found.rejected is not None
    (row,) = found.rejected.to_pylist()
    assert (row["position"], row["source"], row["reason"]) == (place, "fake://x", "before_earliest")
    assert json.loads(row["payload"]) == _row(-5)


OUR_NAMES = ("position", "published", "partition", "traceparent", "file", "signal", "unit")


@pytest.mark.parametrize("name", [f"{sign}{name}" for name in OUR_NAMES for sign in ("", "@")])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("made", ['"{}"', '"{}" || "{}"'])
def test_columns_of_records_may_be_called_as_our_own(name: str, streamed: bool, made: str) -> None:
    block = stream_block([{"id": "1", "time": 5, name: "x"}, {"id": "2", "time": 5, name: "y"}], 0)
    assert raw_layout(block.schema).keys() == {"id", "time", name}
    block = block if streamed else block.drop_columns([PUBLISHED, PARTITION])
    assert [published_of(block) is None, partitions_of(block) is None] == [not streamed] * 2
    found = _parser(config={"map": {"id": "id", "subject": made.format(name, name), "time": "time"}})(block)
    subjects = [subject for part in found.parts for subject in part.rows["subject"].to_pylist()]
    assert sorted(subjects) == [text * made.count("{") for text in "xy"]
    assert POSITION not in found.parts[0].rows.schema.names


def test_parts_are_of_their_shards() -> None:
    rows = [_row(n, subject=f"s{n}") for n in range(30)]
    found = _parser()(stream_block(rows, 0))
    assert {part.tag for part in found.parts} == {"signals"}
    for part in found.parts:
        assert set(shard_of("subscriber", part.rows["subject"], 3)) == {part.shard}


def test_controls_about_everybody_are_for_all_shards() -> None:
    schema = Notice("control", ("action", "scope", "target")).schema(contract("control"))
    row = {"id": "1", "time": 5, "subject": EVERYBODY, "action": "pause", "scope": "everything"}
    parser = _parser("control", controls=schema, names={})
    found = parser(stream_block([row, row | {"action": "boost"}], 0, "control"))
    assert [(part.tag, part.shard, part.rows.num_rows) for part in found.parts] == [("controls", None, 1)]
    assert found.counts["signals", "applied"] == 2
    assert found.counts["bad_input", "control_of_unknown_name"] == 1
    assert found.times.to_pylist() == [5, 5]
