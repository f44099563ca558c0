"""A run that is about few of the signals says so loudly, and why."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.refusals import loudly, refusals
from pipelines.report import Report
from tests.pipelines.small import report_of, small_arguments


def _report(signals: int, rejected: int, too_late: int = 0) -> Report:
    applied = signals - rejected - too_late
    return report_of({"in": signals, "applied": applied, "rejected": rejected, "too_late": too_late})


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (_report(10, 0), ""),
        (_report(10, 4), ""),
        (_report(10, 5), "MOST SIGNALS WERE REJECTED: 5 of 10, 50.0%"),
        (_report(1_000_000, 1, 999_000), "MOST SIGNALS WERE REJECTED: 999,001 of 1,000,000, 99.9%"),
        (_report(3, 3), "ALL SIGNALS WERE REJECTED: 3"),
        (_report(0, 0), "NO SIGNAL WAS READ"),
    ],
)
def test_what_nobody_may_miss(report: Report, told: str) -> None:
    assert loudly(report).startswith(told)
    assert bool(loudly(report)) == bool(told)


def _rejections() -> Iterator[dict[str, object]]:
    for reason, count in (("bad_time", 1), ("no_subject", 5_000), ("bad_value", 3), ("ahead", 3), ("too_long", 2)):
        for number in range(count):
            yield {"source": f"{reason}.csv", "position": f"line {number}", "reason": reason, "message": f"m{number}\n"}


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_the_most_frequent_reasons_are_told_with_an_example_each(tmp_path: Path, ending: str) -> None:
    rows = pl.DataFrame([*_rejections()]).with_columns(payload=pl.lit(b"secret"))
    if ending == "parquet":
        rows.write_parquet(tmp_path / "rejected.parquet")
    else:
        rows.drop("payload").with_columns(payload=pl.lit("c2VjcmV0")).write_ndjson(tmp_path / "rejected.jsonl")
    assert refusals(str(tmp_path)).splitlines() == [
        "rejected, because",
        r"  no_subject: 5,000, as no_subject.csv, line 0: m0\n",
        r"  ahead: 3, as ahead.csv, line 0: m0\n",
        r"  bad_value: 3, as bad_value.csv, line 0: m0\n",
        "  and 2 more reasons",
    ]


def test_without_rejections_or_files_nothing_is_told(tmp_path: Path) -> None:
    assert refusals(str(tmp_path)) == ""
    pl.DataFrame(schema=dict.fromkeys(("source", "position", "reason", "message"), pl.String)).write_parquet(
        tmp_path / "rejected.parquet"
    )
    assert refusals(str(tmp_path)) == ""


@pytest.mark.parametrize("command", ["run", "preview"])
def test_run_and_preview_say_it_loudly(tmp_path: Path, command: str) -> None:
    arguments = [*small_arguments(tmp_path), "--as-of=2020-01-01T00:00:00Z"]
    out = [f"--out={tmp_path}/out"] if command == "run" else []
    done = CliRunner().invoke(app, [command, *arguments, *out])
    assert done.exit_code == 0
    assert done.stderr.startswith("ALL SIGNALS WERE REJECTED: 11; the outputs are about nobody")
    assert "rejected, because\n" in done.stdout
    assert f"{tmp_path}/balance.jsonl, line 1: " in done.stdout


def test_too_many_rejected_say_why(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", *small_arguments(tmp_path), f"--out={tmp_path}/out", "--max-rejected=0"])
    assert done.exit_code == 3
    assert "there are no other outputs\nrejected, because\n" in done.stderr
