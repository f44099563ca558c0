"""A run ends with customers to ask about; each command works as it is printed."""

import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.worth_explaining import worth_explaining


def test_commands_work_as_they_are_printed(small_out: Path) -> None:
    head, *commands = worth_explaining(str(small_out))
    assert head == "ask about"
    assert [command.split()[-1] for command in commands] == ["ben", "eva", "ann"]  # topup, plan, the rest
    for command in commands:
        _, *arguments = shlex.split(command)
        assert CliRunner().invoke(app, arguments).exit_code == 0


@pytest.mark.parametrize("missing", ["decisions", "transitions", "contexts"])
def test_without_parquet_there_is_nothing_to_explain(small_out: Path, tmp_path: Path, missing: str) -> None:
    for name in ("decisions", "transitions", "contexts"):
        if name != missing:
            (tmp_path / f"{name}.parquet").write_bytes((small_out / f"{name}.parquet").read_bytes())
    assert worth_explaining(str(tmp_path)) == []


def test_an_id_is_taken_for_nothing_else(small_out: Path, tmp_path: Path) -> None:
    for name in ("decisions", "transitions", "contexts"):
        pl.read_parquet(small_out / f"{name}.parquet").clear().write_parquet(tmp_path / f"{name}.parquet")
    names = ["--help", "household/h", "a/b"]
    pl.DataFrame({"subject_kind": ["subscriber"] * 3, "subject": names}).write_parquet(tmp_path / "contexts.parquet")
    told = [command.split()[-1] for command in worth_explaining(str(tmp_path))[1:]]
    assert told == ["subscriber/--help", "subscriber/household/h", "a/b"]


def test_without_offers_others_are_told(small_out: Path, tmp_path: Path) -> None:
    for name in ("decisions", "transitions"):
        pl.read_parquet(small_out / f"{name}.parquet").clear().write_parquet(tmp_path / f"{name}.parquet")
    kinds = {"subject_kind": ["sme", "household"], "subject": ["a b", "h\x1b"]}
    pl.DataFrame(kinds).write_parquet(tmp_path / "contexts.parquet")
    commands = worth_explaining(str(tmp_path))
    assert commands[1:] == [f"  segone explain {tmp_path} 'sme/a b'", rf"  segone explain {tmp_path} 'household/h\x1b'"]
