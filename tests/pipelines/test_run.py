"""A run from files to files: whole or not there, with the proof that nothing was lost."""

import gzip
import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.failures import SignalsLostError, TooManyRejectedError
from pipelines.run import run
from pipelines.settings import Limit, RunSettings
from pipelines.staging import RECORD
from schemas.durations import parse_instant
from schemas.errors import LoadErrors
from tests.pipelines.small import report_of, small_settings, write_small

RECORDS = (
    "offers",
    "decisions",
    "contexts",
    "transitions",
    "segment_stats",
    "segment_profiles",
    "alerts",
    "rejected",
    "receipts",
)
REJECTED = ("rejected.parquet", "rejected.jsonl")  # they name the file
FILES = {f"{name}.{ending}" for name in RECORDS for ending in ("parquet", "jsonl")} | {"offers.avro", "run.json"}


def _hashes(out: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir() if path.name != "run.json"
    }


def test_the_report_proves_what_became_of_every_signal(small_out: Path) -> None:
    report = json.loads((small_out / "run.json").read_text())
    signals = report["signals"]
    assert signals["in"] == 11
    assert (signals["applied"], signals["duplicates"], signals["rejected"], signals["pending"]) == (9, 1, 1, 0)
    assert report["decisions"] == {
        **{"offer": 3, "holdout": 0, "no_offer": 2, "outranked": 0, "waiting": 0, "pending": 0},
        "deferred": 0,
    }
    assert report["end_tick"] == "2026-03-02T11:01:00.000Z"
    assert report["outputs"]["decisions"] == 5
    (book,) = report["playbooks"]
    assert book.keys() == {"file", "name", "version", "effective_from", "hash", "tables", "models"}
    assert (book["version"], book["effective_from"]) == (3, None)
    assert {"python", "apache-beam", "polars", "pyarrow"} <= report["versions"].keys()


def test_every_output_is_there_and_nothing_else(small_out: Path) -> None:
    assert {path.name for path in small_out.iterdir()} == FILES


def test_json_lines_and_parquet_have_the_same_rows(small_out: Path) -> None:
    for name in RECORDS:
        lines = (small_out / f"{name}.jsonl").read_text().splitlines()
        assert len(lines) == pl.read_parquet(small_out / f"{name}.parquet").height


def test_params_are_objects_in_json(small_out: Path) -> None:
    decisions = [json.loads(line) for line in (small_out / "decisions.jsonl").read_text().splitlines()]
    assert [row["params"] for row in decisions if row["offer"] == "topup"] == [{"left_mb": 50.0}, {"left_mb": 400.0}]


def test_evidence_is_an_object_in_json(small_out: Path) -> None:
    transitions = [json.loads(line) for line in (small_out / "transitions.jsonl").read_text().splitlines()]
    assert next(row["evidence"] for row in transitions if row["name"] == "heavy") == {"mb_1h": 1300.0}


def test_a_segment_that_is_not_as_large_as_expected_is_told(small_out: Path) -> None:
    (alert,) = pl.read_parquet(small_out / "alerts.parquet").to_dicts()
    assert alert["message"] == "0 of 3 are in `subscriber.heavy`: 0.0%, not 10.0% to 60.0%"
    assert (alert["end"].isoformat(), alert["size"], alert["base"]) == ("2026-03-03T00:00:00+00:00", 0, 3)


@pytest.mark.parametrize("shards", [1, 5])
def test_files_do_not_depend_on_shards_or_files(small_out: Path, tmp_path: Path, shards: int) -> None:
    write_small(tmp_path)
    for name in ("balance", "usage"):
        lines = (tmp_path / f"{name}.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / f"{name}.jsonl").unlink()
        (tmp_path / f"{name}_1.jsonl").write_text("".join(lines[1::2]))
        (tmp_path / f"{name}_2.jsonl").write_text("".join(lines[::2]))
    signals = tuple((name, str(tmp_path / f"{name}*.jsonl")) for name in ("usage", "balance"))
    playbook, out = str(tmp_path / "playbook.yaml"), tmp_path / "out"
    run(RunSettings(playbook=playbook, signals=signals, out=str(out), shards=shards))
    found, expected = _hashes(out), _hashes(small_out)
    assert found | dict.fromkeys(REJECTED, "") == expected | dict.fromkeys(REJECTED, "")


def test_an_end_leaves_the_rest_pending(tmp_path: Path) -> None:
    report = run(small_settings(tmp_path, until=parse_instant("2026-03-02T09:00:00+00:00")))
    assert (report.signals["applied"], report.signals["pending"]) == (6, 4)
    assert report.end_tick == "2026-03-02T09:00:00.000Z"
    assert "\nsmall version 3, backfill, to 2026-03-02T09:00" in report.summary()


def test_signals_from_the_future_are_rejected(tmp_path: Path) -> None:
    report = run(small_settings(tmp_path, as_of=parse_instant("2026-03-02T08:35:00+00:00"), max_ahead=0))
    assert report.signals["rejected"] == 7


def test_another_value_for_a_let(tmp_path: Path) -> None:
    report = run(small_settings(tmp_path, lets=(("low_mb", "100"),)))
    assert report.decisions["offer"] == 2


def test_a_sample_takes_whole_subjects(tmp_path: Path) -> None:
    report = run(small_settings(tmp_path, sample=Fraction(1, 2)))
    contexts = pl.read_parquet(tmp_path / "out" / "contexts.parquet")
    assert report.signals["not_sampled"] > 0
    assert 0 < contexts["subject"].n_unique() < 3


def test_too_many_rejected_publish_only_why(tmp_path: Path) -> None:
    run(small_settings(tmp_path))
    with pytest.raises(TooManyRejectedError, match="1 of 11 signals were rejected, more than --max-rejected 0"):
        run(small_settings(tmp_path, max_rejected=Limit("0")))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"rejected.parquet", "rejected.jsonl", RECORD}


def test_files_that_are_read_or_not_ours_are_not_replaced(tmp_path: Path) -> None:
    settings, lines = small_settings(tmp_path), '{"id": "1", "subject": "ann", "time": 0, "mb": 1}'
    (tmp_path / "offers.jsonl").write_text(lines)
    for out in (str(tmp_path), f"{tmp_path}/./"):
        with pytest.raises(LoadErrors, match=r"holds offers.jsonl, which outputs would replace and no run wrote"):
            run(replace(settings, out=out, signals=(("usage", str(tmp_path / "off*.jsonl")),)))
    assert (tmp_path / "offers.jsonl").read_text() == lines
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def _usage(tmp_path: Path, cut: int | None = None) -> str:
    """Write 400 good rows as gzipped JSON Lines up to a byte, and as Parquet whose second row group of four is torn."""
    rows = [{"id": f"p{i}", "time": 1_772_442_000_000, "subject": "s", "mb": 1.0} for i in range(400)]
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "more.jsonl.gz").write_bytes(gzip.compress(text)[:cut])
    path = tmp_path / "more.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100, compression="none", use_dictionary=False)
    at = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = path.read_bytes()
    path.write_bytes(data[:at] + b"\xff" * 60 + data[at + 60 :])
    return str(tmp_path / "more.*")


def test_a_torn_row_group_counts_as_all_its_rows(tmp_path: Path) -> None:
    signals = (("usage", _usage(tmp_path)),)
    settings = small_settings(tmp_path, signals=signals, max_rejected=Limit("100"))
    report = run(settings)
    assert (report.signals["in"], report.signals["rejected"], report.outputs["rejected"]) == (800, 100, 1)
    with pytest.raises(TooManyRejectedError, match="100 of 800 signals were rejected, more than --max-rejected 12%"):
        run(replace(settings, max_rejected=Limit("12%")))


def test_a_loss_of_unknown_size_is_more_than_any_limit(tmp_path: Path) -> None:
    settings = small_settings(tmp_path, signals=(("usage", _usage(tmp_path, -30)),))
    report = run(settings)
    assert report.signals["uncounted"] == 1
    assert "nobody knows how many signals with them: 1\n" in report.summary()
    with pytest.raises(TooManyRejectedError, match="1 files or parts of files were lost"):
        run(replace(settings, max_rejected=Limit("100%")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signals": (("usage", "nowhere/*.csv"),)}, "nowhere/*.csv: no such file"),
        ({"signals": (("usgae", "x.csv"),)}, "did you mean `usage`?"),
        ({"playbook": "nowhere.yaml"}, "nowhere.yaml"),
        ({"sources": "nowhere.yaml"}, "nowhere.yaml"),
        ({"until": 1}, "--until: is not a tick"),
        ({"lets": (("lowmb", "1"),)}, "did you mean `low_mb`?"),
    ],
)
def test_mistakes_are_told_before_anything_is_touched(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(LoadErrors) as told:
        run(small_settings(tmp_path, **options))
    assert message in str(told.value)
    assert not (tmp_path / "out").exists()


def test_lost_signals_are_a_loud_error() -> None:
    with pytest.raises(SignalsLostError, match="3 signals in, but 1 applied"):
        report_of({"in": 3, "applied": 1, "rejected": 1})
