"""The command line: what it prints, what it exits with, and how quick it is to say so."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.backtest import compared
from pipelines.cli import EXIT_CODES, app
from pipelines.failures import Failure
from pipelines.flags import takes
from pipelines.preview import preview_of
from pipelines.published import load_versions
from pipelines.settings import RunSettings
from tests.pipelines.small import small_arguments

COMMANDS = (
    "run",
    "preview",
    "validate",
    "test",
    "diff",
    "publish",
    "explain",
    "simulate",
    "answer",
    "demo",
    "schema",
    "top",
    "replay-rejected",
)
RUN = ("run", "p.yaml", "--signals", "usage=x", "--out", "out")
LONG_AGO, FAR_AHEAD = "1969-12-31T23:59:00Z", "9999-12-31T23:59:00Z"
HEAVY = ("apache_beam", "polars", "pyarrow", "numpy")


def _said(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments], terminal_width=200)
    return result.exit_code, result.stdout, result.stderr


def test_run_tells_what_became_of_the_signals(tmp_path: Path) -> None:
    code, out, _ = _said("run", *small_arguments(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 0
    assert "11 signals in = 9 applied + 1 duplicates + 1 rejected" in out
    assert f"{tmp_path}/out/rejected.* say why" in out
    assert "5 triggers = 3 offer + 2 no offer" in out
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["--shards"] == 2


@pytest.mark.parametrize("name", ["out[1]", "out*", "out?", "~"])
def test_the_name_of_a_folder_is_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out1").mkdir()
    for file in ("decisions", "transitions", "rejected", "contexts", "segment_stats"):
        (tmp_path / "out1" / f"{file}.parquet").write_bytes(b"of others")
    arguments = small_arguments(tmp_path)
    code, out, _ = _said("run", *arguments, "--out", name, "--state-out", f"state{name}")
    assert (code, "rejected, because" in out, f"segone explain {shlex.quote(name)} ben" in out) == (0, True, True)
    told = (
        ("run", *arguments, "--out", "later", "--state-in", f"state{name}", "--until", "2026-03-02T12:00:00Z"),
        ("explain", name, "ann"),
        ("segments", name),
        ("replay-rejected", f"{name}/rejected.jsonl", f"--signals=balance={tmp_path}/balance.jsonl", "--out", name),
    )
    assert [_said(*each)[0] for each in told] == [0] * len(told)
    assert "offers by day" in preview_of(load_versions(arguments[0]), name)
    assert compared(name, name).changes["same"] == 5


def test_preview_keeps_nothing_unless_told_to(tmp_path: Path) -> None:
    code, out, _ = _said("preview", *small_arguments(tmp_path), "--set", "low_mb=100", "--keep", str(tmp_path / "kept"))
    assert code == 0
    assert "samples: subjects, and when first" in out
    assert {path.name for path in tmp_path.iterdir()} == {"playbook.yaml", "balance.jsonl", "usage.jsonl", "kept"}
    assert not (tmp_path / "kept" / "decisions.jsonl").exists()


def test_explain_in_text_and_json(small_out: Path) -> None:
    assert "why no offer: cooldown" in _said("explain", str(small_out), "ann")[1]
    story = json.loads(_said("explain", str(small_out), "ann", "--at", "2026-03-02T10:00:00Z", "--json")[1])
    assert len(story["decisions"]) == 1


@pytest.mark.parametrize("name", ["playbook", "usage", "offer"])
def test_schema_is_json(name: str) -> None:
    code, out, _ = _said("schema", name)
    assert code == 0
    assert json.loads(out)["type"] in ("object", "record")


def test_validate(tmp_path: Path) -> None:
    playbook = small_arguments(tmp_path)[0]
    assert _said("validate", playbook)[0] == 0
    Path(playbook).write_text(Path(playbook).read_text().replace("left_mb < low_mb", "left_mv < low_mb"))
    code, _, told = _said("validate", playbook)
    assert code == 1
    assert "did you mean `left_mb`?" in told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("schema", "usge"), 1, "no schema `usge`; did you mean `usage`?"),
        (("explain", "nowhere", "ann"), 1, "no outputs of a run in nowhere: give"),
        (("validate", "/etc"), 1, "/etc: is a directory\n    give a playbook file (YAML) in it"),
        (("diff", "/etc", "/etc"), 1, "/etc: is a directory"),
        (("schema", "foo"), 1, "playbook, profile, sme_event, tables, ticket, usage, web"),
        (("segments", "nowhere"), 1, "no outputs of a run in nowhere: give"),
        (("estimate", "b.yaml", "nowhere", "--outcomes", "x"), 1, "no outputs of a run in nowhere: give"),
        (("estimate", "b.yaml", __file__, "--outcomes", "x"), 1, f"no outputs of a run in {__file__}: give"),
        (("segments", __file__), 1, f"no outputs of a run in {__file__}: give"),
        (("explain", __file__, "ann"), 1, f"no outputs of a run in {__file__}: give"),
        (("demo", "--out", "/etc/hosts"), 2, "is a file"),
        (("run", "nowhere.yaml", "--signals", "usage=x", "--out", "out"), 1, "nowhere.yaml"),
        (("run", "p.yaml", "--signals", "usage", "--out", "out"), 2, "`usage` is not NAME=VALUE"),
        (("run", "p.yaml", "--signals", "usage=x"), 2, "--out"),
        (("run", "p.yaml", "--signals", "usage=x", "--out", "out", "--sample", "200%"), 2, "between 0% and 100%"),
        (
            ("run", "p.yaml", "--signals", "usage=x", "--out", "out", "--engine", "prisn"),
            2,
            "did you mean `prism`",
        ),
        (("run", "p.yaml", "--signals", "usage=x", "--out", "out", "--", "--streaming"), 2, "FnApiRunner gives"),
        (("demo", "--out", "out", "--subscribers", "5"), 2, "100"),
        (("explain", "out", "ann", "--at", "noon"), 2, "Invalid value for '--at': must be a date"),
        (("explain", "out", "ann", "--at", LONG_AGO), 2, "'--at': must be from 1970 on"),
        (("publish", "p.yaml", "--to", "out", "--now", LONG_AGO), 2, "'--now': must be from 1970 on"),
        (("publish", "p.yaml", "--to", "out", "--effective-from", LONG_AGO), 2, "'--effective-from': must be from"),
        ((*RUN, "--until", LONG_AGO), 2, "'--until': must be from 1970 on"),
        ((*RUN, "--as-of", FAR_AHEAD), 2, "--as-of: must be from 1970 to"),
        ((*RUN, "--until", FAR_AHEAD), 2, "--until: must be from 1970 to"),
        (("simulate", "--out", "out", "--start", "9999-12-30"), 2, "--start: must be from 1970 to 2099"),
        (("run", "p.yaml", "--signals", "usage=x", "--max-rejected", "few"), 2, "'--max-rejected': `few` is not"),
        ((*RUN[:-1], "foo://bar"), 2, "'--out': no scheme `foo://`; known: azfs, gs, hdfs, s3;"),
        ((*RUN[:-1], "\udcff"), 2, r"'--out': `\udcff` is no UTF-8: give it another name"),
        ((*RUN, "--state-out", "foo://bar"), 2, "'--state-out': no scheme `foo://`"),
        ((*RUN, "--state-out", "\udcff"), 2, r"'--state-out': `\udcff` is no UTF-8"),
        ((*RUN, "--state-in", "foo://bar"), 2, "'--state-in': no scheme `foo://`"),
        ((*RUN, "--signals", "usage=\udcff"), 2, r"--signals usage: `\udcff` is no UTF-8"),
        (
            (*RUN, "--signals", "usage=w/?watch", "--publish", "offers=foo://b"),
            2,
            "--publish offers: no scheme `foo://`",
        ),
        ((*RUN, "--seed", "profile=foo://b"), 2, "--seed profile: no scheme `foo://`"),
        (("simulate", "--out", "foo://bar"), 2, "'--out': no scheme `foo://`"),
        (("simulate", "--out", "gs://bar"), 2, "'--out': `gs://bar` is not on this machine"),
        (("publish", "p.yaml", "--to", "gs://bar"), 2, "'--to': `gs://bar` is not on this machine"),
        (("preview", *RUN[1:-2], "--keep", "gs://bar"), 2, "'--keep': `gs://bar` is not on this machine"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_mistakes_are_told_without_a_traceback(arguments: tuple[str, ...], code: int, message: str) -> None:
    found, out, told = _said(*arguments)
    assert found == code
    assert message in told
    assert "Traceback" not in out + told


def test_too_many_rejected_is_exit_code_3(tmp_path: Path) -> None:
    arguments = [*small_arguments(tmp_path), "--out", str(tmp_path / "out"), "--max-rejected", "1%"]
    assert _said("run", *arguments)[0] == 3


def test_outputs_do_not_go_where_a_file_is(tmp_path: Path) -> None:
    code, _, told = _said("run", *small_arguments(tmp_path), "--out", __file__)
    assert (code, told.split("\n")[0]) == (1, f"{__file__}: is a file, and outputs go to a directory")


def test_every_exit_code_is_in_the_help() -> None:
    assert {str(failure.exit_code) for failure in Failure.__subclasses__()} <= {*EXIT_CODES.replace(",", "").split()}
    assert "Exit codes" in _said("--help")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    code, out, _ = _said(command, "--help")
    assert code == 0
    assert f"segone {command}" in out.split("Options")[0].replace(f"Usage: segone {command}", "")


def test_every_setting_is_a_flag_with_help() -> None:
    flags = {
        parameter.name: parameter
        for parameter in takes(RunSettings)(lambda settings: None).__signature__.parameters.values()
    }
    assert flags.keys() == RunSettings.__dataclass_fields__.keys()


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, pipelines.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_interrupt_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [*small_arguments(tmp_path)[:-1], "--shards=400", "--out", str(out)]
    command = [sys.executable, "-m", "pipelines", "run", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not out.exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "interrupted: nothing was published" in told
    assert [*out.iterdir()] == []
