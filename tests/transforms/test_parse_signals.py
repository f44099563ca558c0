"""Parsing through Beam: signals reach their shards, everything else is counted and rejected."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.records import EVERYBODY, REJECTED
from schemas.sources import Source, SourceConfig
from tests.transforms.parsing.avro_files import block, header, records
from tests.transforms.signals_run import run_signals
from transforms.arrays.hashing import shard_of
from transforms.compiler.notices import Notice
from transforms.parse_signals import ParseSignals
from transforms.shell.pseudonym_key import KEY_VARIABLE

GOOD: dict[str, Any] = {"id": "1", "time": 5, "subject": "a", "mb": 1.5, "kind": "data"}
SCHEMA = {
    "type": "record",
    "name": "usage",
    "fields": [
        {"name": "id", "type": ["null", "string"]},
        {"name": "time", "type": ["null", "long"]},
        {"name": "subject", "type": ["null", "string"]},
        {"name": "subject_kind", "type": ["null", "string"]},
        {"name": "mb", "type": ["null", "double"]},
        {"name": "kind", "type": ["null", "string"]},
    ],
}


def _write(directory: Path, format_: str, rows: list[dict[str, Any]]) -> Path:
    path = directory / f"x.{format_}"
    rows = [{"subject_kind": None} | row for row in rows]
    if format_ == "parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    elif format_ == "csv":
        pl.DataFrame(rows, infer_schema_length=None).write_csv(path)
    elif format_ == "jsonl":
        path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    else:
        path.write_bytes(header(SCHEMA) + block(len(rows), records(rows, SCHEMA)))
    return path


BAD: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "missing_field"),
    ({"time": None}, "missing_field"),
    ({"subject": None}, "missing_field"),
    ({"subject": ""}, "missing_field"),
    ({"subject": "x" * 5000}, "text_too_long"),
    ({"time": 10_001}, "beyond_max_ahead"),
    ({"time": -1}, "before_earliest"),
    ({"mb": 1e300}, "out_of_range"),
    ({"mb": float("nan")}, "non_finite"),
    ({"mb": float("inf")}, "non_finite"),
    ({"subject_kind": "sme"}, "no_section"),
]


@pytest.mark.parametrize("format_", ["parquet", "avro", "jsonl", "csv"])
def test_each_reason_in_each_format(tmp_path: Path, format_: str) -> None:
    rows = [row for change, _ in BAD for row in ({**GOOD, **change}, GOOD)]
    outcome = run_signals([_write(tmp_path, format_, rows)])
    assert outcome.counts == {"in": len(rows), "parsed": len(BAD), "rejected": len(BAD)}
    place = {
        "parquet": lambda i: f"row {i}",
        "jsonl": lambda i: f"line {i + 1}",
        "csv": lambda i: f"line {i + 2}",
        "avro": lambda _: f"block at byte {len(header(SCHEMA))}",
    }[format_]
    no_json = {"non_finite": "malformed_json"} if format_ == "jsonl" else {}
    expected = [(place(2 * i), no_json.get(reason, reason)) for i, (_, reason) in enumerate(BAD)]
    assert outcome.reasons() == sorted(expected)
    assert {row["attempt"] for row in outcome.rejected} == {1}


@pytest.mark.parametrize(
    ("column", "values", "reasons"),
    [
        ("time", ["1", "x", "3", "9" * 20], ["wrong_type", "out_of_range"]),
        ("time", [1.0, 1.5, 3.0, 1e300], ["wrong_type", "out_of_range"]),
        ("mb", ["1", "x", "3", "nan"], ["wrong_type", "non_finite"]),
        ("subject", [b"a", b"\xff", b"b", b""], ["invalid_utf8", "missing_field"]),
    ],
)
def test_columns_of_another_type_are_cast_row_by_row(
    tmp_path: Path, column: str, values: list[Any], reasons: list[str]
) -> None:
    frame = pl.DataFrame([{**GOOD, "id": str(i)} for i in range(4)])
    frame.with_columns(pl.Series(column, values)).write_parquet(tmp_path / "x.parquet")
    outcome = run_signals([tmp_path / "x.parquet"])
    assert outcome.ids() == ["0", "2"]
    assert outcome.reasons() == [("row 1", reasons[0]), ("row 3", reasons[1])]


def test_signals_reach_the_shards_of_their_subjects(tmp_path: Path) -> None:
    rows = [{**GOOD, "id": str(i), "subject": f"s{i % 11}"} for i in range(100)]
    outcome = run_signals([_write(tmp_path, "parquet", rows)], shards=5)
    for shard, row in outcome.signals:
        assert shard == shard_of("subscriber", pa.array([row["subject"]]), 5)[0]
        assert list(row) == ["id", "source", "time", "subject", "mb", "kind"]
    assert len({shard for shard, _ in outcome.signals}) > 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["parquet", "avro", "jsonl", "csv", "jsonl.gz", "csv.zst"]))
def test_arbitrary_bytes_never_crash_a_run(tmp_path: Path, data: bytes, ending: str) -> None:
    (tmp_path / f"x.{ending}").write_bytes(data)
    config: dict[str, Any] = {"header": ["id", "time", "subject"]} if "csv" in ending else {}
    outcome = run_signals([tmp_path / f"x.{ending}"], **config)
    assert outcome.counts.get("in", 0) == len(outcome.signals) + len(outcome.rejected)
    assert all(set(row) == set(REJECTED.names) for row in outcome.rejected)


def test_pseudonyms_need_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    path = _write(tmp_path, "jsonl", [GOOD, {**GOOD, "mb": -1}])
    with pytest.raises(LoadErrors, match=f"environment variable {KEY_VARIABLE}"):
        run_signals([path], pseudonymise=["subject"])
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    outcome = run_signals([path], pseudonymise=["subject"])
    assert [len(row["subject"]) for _, row in outcome.signals] == [32]
    assert [row["payload"] for row in outcome.rejected] == [None]


CONTROL = ("action", "scope", "target")
PAUSED: dict[str, Any] = {"id": "1", "time": 5, "subject": "*", "action": "pause", "scope": "everything"}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("hidden", [{}, {"pseudonymise": ["subject"]}])
def test_a_control_about_everybody_is_about_no_subject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool, hidden: dict[str, Any]
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    rows = [PAUSED, {**PAUSED, "id": "2", "subject": "a"}, {**PAUSED, "id": "3", "time": 7}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    schema = Notice("control", CONTROL).schema(contract("control")) if told else None
    outcome = run_signals([tmp_path / "x.jsonl"], signal="control", payload=CONTROL, controls=schema, **hidden)
    assert outcome.ids() == ["2"]
    assert (outcome.signals[0][1]["subject"] == "a") == (not hidden)
    found = sorted((shard, row["id"], row["root"], row["tick"], row["action"]) for shard, row in outcome.controls)
    every = [(shard, name, EVERYBODY, 60_000, "pause") for shard in range(3) for name in "13"]
    assert found == (every if told else [])
    assert outcome.counts == {"in": 3, "parsed": 3, "rejected": 0, "applied": 2}


def test_shards_are_checked() -> None:
    sources = {"usage": Source(contract("usage"), SourceConfig())}
    with pytest.raises(ValueError, match="shards must be at least 1"):
        ParseSignals(
            sources=sources, payloads={}, kinds=frozenset(), earliest=0, as_of=0, max_ahead=0, tick=60_000, shards=0
        )
