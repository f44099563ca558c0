"""Batches: every reason to refuse a row, every row once, and shards that keep their rows."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.sources import Source, SourceConfig
from transforms.arrays.hashing import shard_of
from transforms.parsing.batches import Intent, by_shard, signal_batches, signal_schema
from transforms.parsing.checks import check_time
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.problems import Problems
from transforms.parsing.raw import MAX_PAYLOAD, Rejection, raw_block, rejected_batch
from transforms.parsing.raw_types import made_fields

NOW = 1_000_000
GOOD = {"id": "1", "time": 5, "subject": "a", "mb": 1.5, "bytes": 3, "kind": "data"}
TYPES = {"time": pa.int64(), "bytes": pa.int64(), "mb": pa.float64(), "confidence": pa.float64()}
PAYLOAD = ("mb", "bytes", "kind")


def _parse(
    rows: list[dict[str, Any]], signal: str = "usage", key: bytes = b"", payload: tuple[str, ...] = (), **config: Any
) -> tuple[list[pa.RecordBatch], list[Rejection]]:
    source = Source(contract(signal), SourceConfig.model_validate(config))
    names = sorted({name for row in rows for name in row})
    payload = PAYLOAD if signal == "usage" else payload
    arrays = [pa.array([row.get(name) for row in rows], TYPES.get(name, pa.string())) for name in names]
    block = raw_block(arrays, names, np.arange(len(rows)), "row")
    layout = dict(zip(names, (array.type for array in arrays), strict=True))
    mapper = compile_mapper(source, made_fields(source, payload), layout)
    intent = Intent(source, payload, frozenset({"subscriber", "sme"}), 0, NOW).with_key(key)
    return signal_batches(block, mapper, intent)


def test_a_good_block_becomes_one_batch() -> None:
    (batch,), rejected = _parse([GOOD, {**GOOD, "id": "2", "mb": None}])
    assert rejected == []
    assert batch.schema == signal_schema(contract("usage"), "subscriber", PAYLOAD)
    assert batch.schema.metadata == {b"signal": b"usage", b"subject_kind": b"subscriber"}
    assert batch.to_pylist()[0] == {**GOOD, "source": "usage"}


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"id": None}, "missing_field", "`id` is missing"),
        ({"id": ""}, "missing_field", "`id` is empty"),
        ({"time": None}, "missing_field", "`time` is missing"),
        ({"subject": None}, "missing_field", "`subject` is missing"),
        ({"subject": ""}, "missing_field", "`subject` is empty"),
        ({"subject": "x" * 4097}, "text_too_long", "`subject` is longer than 4096 bytes"),
        ({"kind": "x" * 4097}, "text_too_long", "`kind` is longer"),
        ({"time": -1}, "before_earliest", "`time` is before --earliest"),
        ({"time": 2**63 - 1}, "beyond_max_ahead", "`time` is further ahead than --max-ahead allows"),
        ({"time": NOW + 1}, "beyond_max_ahead", "`time` is further ahead than --max-ahead allows"),
        ({"mb": float("nan")}, "non_finite", "`mb` is not a finite number"),
        ({"mb": float("-inf")}, "non_finite", "`mb` is not a finite number"),
        ({"mb": -0.5}, "out_of_range", "`mb` must be at least 0"),
        ({"mb": 1e300}, "out_of_range", "`mb` must be at most 1000000000"),
        ({"bytes": -1}, "out_of_range", "`bytes` must be at least 0"),
        ({"subject_kind": "household"}, "no_section", "`household`"),
        ({"subject_kind": "cat"}, "no_section", "`cat`"),
    ],
)
def test_a_bad_row_is_rejected_alone(change: dict[str, Any], reason: str, message: str) -> None:
    batches, rejected = _parse([GOOD, {**GOOD, **change}, {**GOOD, "id": "3"}])
    assert [name for batch in batches for name in batch["id"].to_pylist()] == ["1", "3"]
    (item,) = rejected
    assert (item.position, item.reason) == ("row 1", reason)
    assert message in item.message
    assert item.payload is None or json.loads(item.payload)["bytes"] == {**GOOD, **change}["bytes"]


def test_the_limits_themselves_are_good() -> None:
    batches, rejected = _parse([{**GOOD, "time": 0, "mb": 0.0, "bytes": 0}, {**GOOD, "time": NOW, "mb": 1e9}])
    assert (batches[0].num_rows, rejected) == (2, [])


def test_zero_has_no_sign() -> None:
    (batch,), _ = _parse([{**GOOD, "mb": -0.0}])
    assert str(batch["mb"][0].as_py()) == "0.0"


def test_of_several_reasons_the_first_counts() -> None:
    _, rejected = _parse([{**GOOD, "id": None, "mb": -1.0, "subject_kind": "cat"}])
    assert [item.reason for item in rejected] == ["no_section"]


def test_kinds_of_subjects_are_kept_apart() -> None:
    rows = [{**GOOD, "id": str(i), "subject_kind": kind} for i, kind in enumerate(["sme", None, "sme", "subscriber"])]
    batches, rejected = _parse(rows)
    assert rejected == []
    found = {batch.schema.metadata[b"subject_kind"]: batch["id"].to_pylist() for batch in batches}
    assert found == {b"sme": ["0", "2"], b"subscriber": ["1", "3"]}


def test_a_contracts_own_kind_needs_a_section() -> None:
    batches, rejected = _parse([{"id": "1", "time": 5, "subject": "h", "kind": "moved"}], "household_event")
    assert (batches, [item.reason for item in rejected]) == ([], ["no_section"])


def test_groups_are_in_no_group() -> None:
    place = {"group_kind": "sme", "group": "c1", "state": "joined"}
    rows = [{"id": kind, "time": 5, "subject": "x", "subject_kind": kind, **place} for kind in ("subscriber", "sme")]
    batches, rejected = _parse(rows, "membership")
    assert [name for batch in batches for name in batch["id"].to_pylist()] == ["subscriber"]
    assert [(item.position, item.reason) for item in rejected] == [("row 1", "nested_group")]


@pytest.mark.parametrize(
    ("confidence", "reason"),
    [(0.0, None), (1.0, None), (None, None), (-0.01, "out_of_range"), (1.01, "out_of_range"), (1e400, "non_finite")],
)
def test_confidence_is_a_share(confidence: float | None, reason: str | None) -> None:
    row = {"id": "1", "time": 5, "subject": "a", "group_kind": "sme", "group": "c1", "state": "joined"}
    batches, rejected = _parse([row | {"confidence": confidence}], "membership", payload=("confidence",))
    assert [batch["confidence"].to_pylist() for batch in batches] == ([] if reason else [[confidence]])
    assert [item.reason for item in rejected] == ([reason] if reason else [])


JOINED = {"time": 5, "subject": "a", "group_kind": "sme", "group": "c1", "state": "joined"}
GRANTED = {"time": 5, "subject": "a", "purpose": "profiling", "state": "granted"}


@pytest.mark.parametrize(
    ("signal", "good", "change", "reason", "message"),
    [
        ("membership", JOINED, {"state": "moved"}, "not_allowed", "`state` must be one of joined, left"),
        ("membership", JOINED, {"state": ""}, "missing_field", "`state` is empty"),
        ("membership", JOINED, {"state": None}, "missing_field", "`state` is missing"),
        ("membership", JOINED, {"group_kind": "flat"}, "not_allowed", "`group_kind` must be one of household, sme"),
        (
            "consent",
            GRANTED,
            {"purpose": "Profiling", "state": "withdrawn"},
            "not_allowed",
            "`purpose` must be one of marketing, care, service, profiling",
        ),
        ("consent", GRANTED, {"state": "revoked"}, "not_allowed", "`state` must be one of granted, withdrawn"),
    ],
)
def test_a_value_that_means_nothing_is_rejected_alone(
    signal: str, good: dict[str, Any], change: dict[str, Any], reason: str, message: str
) -> None:
    """No playbook needs to read the field."""
    batches, rejected = _parse([{"id": "1", **good}, {"id": "2", **good, **change}, {"id": "3", **good}], signal)
    assert [name for batch in batches for name in batch["id"].to_pylist()] == ["1", "3"]
    assert [(item.position, item.reason, item.message) for item in rejected] == [("row 1", reason, message)]


@pytest.mark.parametrize("signal", ["membership", "consent"])
def test_every_value_that_is_listed_is_good(signal: str) -> None:
    good = {"membership": JOINED, "consent": GRANTED}[signal]
    listed = [{field.name: value} for field in contract(signal).fields for value in field.values]
    (batch,), rejected = _parse([{"id": str(i), **good, **change} for i, change in enumerate(listed)], signal)
    assert (batch.num_rows, rejected) == (len(listed), [])


def test_other_fields_are_any_text() -> None:
    batches, rejected = _parse([{"id": "1", **JOINED, "role": "lodger"}], "membership", payload=("role",))
    assert (batches[0]["role"].to_pylist(), rejected) == (["lodger"], [])


def test_required_payload_is_asked_for_though_no_feature_reads_it() -> None:
    _, rejected = _parse(
        [{"id": "1", "time": 5, "subject": "a", "topic": "hiring"}, {"id": "1", "time": 5, "subject": "a"}], "news"
    )
    assert [(item.position, item.reason) for item in rejected] == [("row 1", "missing_field")]


def test_pseudonyms_leave_no_trace() -> None:
    key = b"k" * 16
    batches, rejected = _parse([GOOD, {**GOOD, "mb": -1.0}, {**GOOD, "subject": ""}], key=key, pseudonymise=["subject"])
    assert len(batches[0]["subject"][0].as_py()) == 32
    told = rejected_batch("a.csv", "ParseSignals", rejected, private=True).to_pylist()
    assert [(row["reason"], row["payload"]) for row in told] == [("out_of_range", None), ("missing_field", None)]


def test_without_ids_equal_rows_have_equal_ids() -> None:
    rows = [GOOD, {**GOOD, "id": "2"}, {**GOOD, "kind": "sms"}, {**GOOD, "id": "4", "app": "x"}]
    config = {
        "map": {"time": "time", "subject": "subject", "mb": "mb", "kind": "kind", "app": "app"},
        "without_id": "content",
    }
    (batch,), _ = _parse(rows, **config)
    ids = batch["id"].to_pylist()
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    (alone,), _ = _parse([rows[3], rows[0]], **config)
    assert alone["id"].to_pylist() == [ids[3], ids[0]]


def test_a_long_payload_is_hashed() -> None:
    _, rejected = _parse([{**GOOD, "kind": "x" * (MAX_PAYLOAD + 1)}])
    assert rejected[0].payload is None
    assert rejected[0].length > MAX_PAYLOAD
    assert len(rejected[0].digest) == 32


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=30), st.sampled_from([1, 2, 7, 40_000]))
def test_every_row_goes_to_its_shard_in_order(subjects: list[str], shards: int) -> None:
    (batch,), _ = _parse([{**GOOD, "id": str(i), "subject": name} for i, name in enumerate(subjects)])
    seen: list[int] = []
    for shard, rows in by_shard(batch, shards):
        assert rows.schema == batch.schema
        assert set(shard_of("subscriber", rows["subject"], shards)) == {shard}
        ids = [int(name) for name in rows["id"].to_pylist()]
        assert ids == sorted(ids)
        seen += ids
    assert sorted(seen) == list(range(len(subjects)))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (20260302, "a date, YYYYMMDD"),
        (20260302080000, "YYYYMMDDhhmmss"),
        (1772438400, "seconds"),
        (1772438400000000, "microseconds"),
        (1772438400000000000, "nanoseconds"),
        (1772438400000, ""),
        (5, "`time` is before --earliest"),
    ],
)
def test_a_whole_number_of_another_unit_is_told(number: int, told: str) -> None:
    problems = Problems(1)
    check_time(pa.array([number]), 315_532_800_000, 1_800_000_000_000, problems)
    assert [told in message for _, _, message in problems.bad()] == [True] * bool(told)
