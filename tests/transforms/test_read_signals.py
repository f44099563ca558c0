"""Files through Beam: every row once, damage rejected, mistakes told before anything runs."""

import gzip
import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import polars as pl
import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source, SourceConfig
from tests.transforms.signals_run import run_signals
from transforms.parsing import files
from transforms.read_signals import ReadSignals

ROWS = [{"id": f"e{i:03}", "time": i, "subject": f"s{i % 7}", "mb": i / 4, "kind": "data"} for i in range(200)]
IDS = [row["id"] for row in ROWS]


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_globs_of_mixed_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SPLIT_BYTES", 1000)
    pl.DataFrame(ROWS[:50]).write_parquet(tmp_path / "a.parquet", row_group_size=20)
    pl.DataFrame(ROWS[50:100]).write_csv(tmp_path / "b.csv")
    (tmp_path / "c.jsonl").write_bytes(_lines(ROWS[100:150]))
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(_lines(ROWS[150:])))
    outcome = run_signals([tmp_path / "[ab].*", tmp_path / "*.jsonl*", tmp_path / "d*"])
    assert outcome.ids() == IDS
    assert {row["mb"] for _, row in outcome.signals} == {row["mb"] for row in ROWS}
    assert outcome.rejected == []
    assert outcome.counts == {"in": 200, "parsed": 200, "rejected": 0}


def test_patterns_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pl.DataFrame(ROWS).write_csv("a.csv")
    assert run_signals([Path("*.csv"), Path("a.csv")]).ids() == IDS


def test_damage_is_rejected_where_it_is(tmp_path: Path) -> None:
    lines = _lines(ROWS[:3]).splitlines()
    lines[1:2] = [b"{", b'{"id": "\xff"}', b'{"id": "' + b"x" * 2_000_000 + b'"}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(_lines(ROWS))[:-200])
    (tmp_path / "c.parquet").write_bytes(b"PAR1 is not enough")
    outcome = run_signals([tmp_path / "*"])
    assert outcome.reasons()[0] == ("file", "unreadable_file")
    assert [pair for pair in outcome.reasons() if pair[0] in ("line 2", "line 3", "line 4")] == [
        ("line 2", "malformed_json"),
        ("line 3", "invalid_utf8"),
        ("line 4", "oversize_record"),
    ]
    assert {"e000", "e002"} <= set(outcome.ids())
    assert outcome.counts["in"] == outcome.counts["parsed"] + outcome.counts["rejected"]
    assert outcome.counts["parsed"] == len(outcome.signals)
    assert outcome.counts["rejected"] == len(outcome.rejected)
    uncounted = {row["reason"] for row in outcome.rejected if row["records"] is None}
    assert uncounted == {"unreadable_file", "torn_stream"}
    assert outcome.counts["uncounted"] == 2
    assert {row["source"] for row in outcome.rejected} == {str(path) for path in tmp_path.iterdir()}
    assert {row["stage"] for row in outcome.rejected} == {"ReadSignals"}


@pytest.mark.parametrize(
    ("name", "content", "config", "message"),
    [
        ("none", None, {}, "no such file"),
        ("a.txt", b"x", {}, "does not tell the format"),
        ("a.avro.gz", b"x", {}, "compresses itself"),
        ("a.csv", b"id,subject\n", {}, "no column `time`"),
        ("a.csv", b"i,t,s\n", {"map": {"id": "i", "time": "t", "subject": "u"}}, "no column `u`"),
        ("a.csv", b"i,t,s\n", {"map": {"id": "i", "time": "t +", "subject": "s"}}, "is not an SQL expression"),
    ],
)
def test_mistakes_are_told_at_the_start(
    tmp_path: Path, name: str, content: bytes | None, config: dict[str, Any], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    source = Source(contract("usage"), SourceConfig.model_validate(config))
    with pytest.raises(LoadErrors, match=message):
        _ = beam.Pipeline() | ReadSignals(source=source, patterns=[str(tmp_path / name)], payload=())


def test_empty_files_give_nothing(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz", "a.jsonl"):
        (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    (tmp_path / "b.csv").write_bytes(b"id,time,subject\n1,2,a\n")
    outcome = run_signals([tmp_path / "*"])
    assert (outcome.ids(), outcome.rejected) == (["1"], [])


def test_a_file_system_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(LoadErrors, match="cannot be listed"):
        _ = beam.Pipeline() | ReadSignals(source=Source(contract("usage")), patterns=["nofs://a/b.csv"], payload=())
