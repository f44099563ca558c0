"""A directory of outputs is whole or has no report, and nothing is lost in it that is not ours."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import staging as staging_module
from pipelines.failures import BusyError
from pipelines.folders import LocalFolder, RemoteFolder
from pipelines.lock import LOCK
from pipelines.staging import RECORD, REPORT, Staging
from schemas.errors import LoadErrors

OURS = ("offers.parquet", "offers.jsonl", "rejected.jsonl")


def _report(*formats: str) -> str:
    return json.dumps({"playbooks": [], "outputs": {"offers": 1}, "settings": {"--format": formats}})


REPORTED = _report("parquet", "jsonl")


def _staging(out: Path) -> Staging:
    return Staging(str(out), OURS)


def _write(staging: Staging, **files: str) -> None:
    for name, text in files.items():
        (Path(staging.directory) / name.replace("_", ".")).write_text(text)


def _put(out: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (out / name).write_text(text)


def _found(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir()}


def _published(out: Path, report: str = REPORTED, **files: str) -> None:
    with _staging(out) as staging:
        _write(staging, **files)
        staging.publish(report)


@pytest.fixture(params=[LocalFolder, RemoteFolder])
def folders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of folders, that of Beam's file systems over local files."""
    monkeypatch.setattr(staging_module, "folder_of", request.param)


@pytest.mark.usefixtures("folders")
def test_outputs_appear_with_the_report(tmp_path: Path) -> None:
    with _staging(tmp_path) as staging:
        _write(staging, offers_parquet="new", offers_jsonl="new")
        assert not (tmp_path / REPORT).exists()
        staging.publish(REPORTED)
    assert _found(tmp_path) == {"offers.parquet": "new", "offers.jsonl": "new", REPORT: REPORTED}


@pytest.mark.usefixtures("folders")
def test_outputs_replace_those_of_an_earlier_run_and_nothing_else(tmp_path: Path) -> None:
    _put(tmp_path, {"offers.parquet": "old", "offers.jsonl": "old", REPORT: REPORTED, "notes.txt": "mine"})
    _published(tmp_path, _report("parquet"), offers_parquet="new")
    assert _found(tmp_path) == {"offers.parquet": "new", REPORT: _report("parquet"), "notes.txt": "mine"}


FOREIGN: dict[str, dict[str, str]] = {
    "no report": {"offers.jsonl": "mine"},
    "a report of somebody else": {"offers.jsonl": "mine", REPORT: '{"ok": true}'},
    "a report that is none": {"offers.jsonl": "mine", REPORT: "[" * 100_000},
    "of a format that the earlier run did not write": {"offers.jsonl": "mine", REPORT: _report("parquet")},
    "only a report of somebody else": {REPORT: "{}"},
    "a record of somebody else": {"offers.jsonl": "mine", RECORD: '{"files": [["offers.jsonl"], null]}'},
}


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_ours_is_refused_and_stays(tmp_path: Path, files: dict[str, str]) -> None:
    _put(tmp_path, files)
    with pytest.raises(LoadErrors, match="which outputs would replace and no run wrote"), _staging(tmp_path):
        pass
    assert _found(tmp_path) == files


def _link(out: Path) -> None:
    (out.parent / "theirs").write_text("mine")
    (out / "offers.jsonl").symlink_to(out.parent / "theirs")


MADE: dict[str, Callable[[Path], None]] = {
    "a link": _link,
    "a folder": lambda out: (out / "offers.jsonl").mkdir(),
    "a pipe": lambda out: os.mkfifo(out / "offers.jsonl"),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_is_no_file_of_its_own_is_not_ours(tmp_path: Path, make: Callable[[Path], None]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    _put(out, {REPORT: REPORTED})
    make(out)
    with pytest.raises(LoadErrors, match=r"holds offers\.jsonl"), _staging(out):
        pass


@pytest.mark.usefixtures("folders")
def test_what_comes_while_a_run_lasts_stays(tmp_path: Path) -> None:
    with _staging(tmp_path) as staging:
        _write(staging, offers_jsonl="new")
        _put(tmp_path, {"offers.jsonl": "mine"})
        with pytest.raises(LoadErrors):
            staging.publish(REPORTED)
    assert _found(tmp_path) == {"offers.jsonl": "mine"}


def test_what_is_read_is_not_replaced(tmp_path: Path) -> None:
    _published(tmp_path / "out", offers_jsonl="old")
    (tmp_path / "way").symlink_to(tmp_path / "out")
    with pytest.raises(LoadErrors, match=r"offers\.jsonl: is read, and outputs of this run would replace it"):
        _staging(tmp_path / "out").check([str(tmp_path / "way" / "offers.jsonl")])


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_ends_early_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / REPORT).write_text(REPORTED)

    def cut_off() -> None:
        with _staging(tmp_path) as staging:
            _write(staging, offers_parquet="half")
            raise error

    with pytest.raises(error):
        cut_off()
    assert _found(tmp_path) == {REPORT: REPORTED}


@pytest.mark.parametrize("left", [".partial", ".partial-0123456789abcdef"])
def test_what_a_killed_run_left_is_cleared(tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir()
    _put(tmp_path / left, {"offers.parquet": "half", REPORT: "{}"})
    (tmp_path / LOCK).touch()
    _published(tmp_path, offers_jsonl="new")
    assert _found(tmp_path) == {"offers.jsonl": "new", REPORT: REPORTED}


def test_a_hidden_folder_or_link_of_somebody_else_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".partial-mine").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    _put(out / ".partial-mine", {"notes.txt": "mine"})
    _put(tmp_path / "precious", {"offers.jsonl": "mine"})
    (out / ".partial").symlink_to(tmp_path / "precious")
    _published(out, offers_jsonl="new")
    assert _found(out / ".partial-mine") == {"notes.txt": "mine"}
    assert _found(out / ".partial") == {"offers.jsonl": "mine"}


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("survived", range(1, 5))
def test_a_run_that_is_killed_while_it_publishes_leaves_no_report_and_can_be_repeated(
    tmp_path: Path, survived: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _published(tmp_path, offers_parquet="old", offers_jsonl="old")
    steps = iter(range(100))

    def dying(real: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: str) -> None:
            if next(steps) > survived:
                raise SystemError
            real(*arguments)

        return step

    with monkeypatch.context() as patch, _staging(tmp_path) as staging:
        _write(staging, offers_parquet="new", rejected_jsonl="new")
        for name in ("move", "remove"):
            patch.setattr(staging._folder, name, dying(getattr(staging._folder, name)))
        with pytest.raises(SystemError):
            staging.publish(REPORTED)
    assert not (tmp_path / REPORT).exists()
    _published(tmp_path, _report("parquet"), offers_parquet="newest")
    assert _found(tmp_path) == {"offers.parquet": "newest", REPORT: _report("parquet")}


def test_no_interrupt_comes_between_while_outputs_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with _staging(tmp_path) as staging:
        _write(staging, offers_parquet="new")
        real = staging._folder.move

        def interrupted(source: str, name: str) -> None:
            signal.raise_signal(signal.SIGINT)
            real(source, name)

        monkeypatch.setattr(staging._folder, "move", interrupted)
        staging.publish(REPORTED)
    assert _found(tmp_path) == {"offers.parquet": "new", REPORT: REPORTED}


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    with _staging(tmp_path) as staging:
        with pytest.raises(BusyError, match="another `segone` is writing there"), _staging(tmp_path):
            pass
        _write(staging, offers_jsonl="new")
        staging.publish(REPORTED)
    assert _found(tmp_path) == {"offers.jsonl": "new", REPORT: REPORTED}


def _hold_and_die(out: Path) -> None:
    staging = _staging(out)
    staging.__enter__()
    _write(staging, offers_jsonl="half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_who_died_holds_nothing(tmp_path: Path) -> None:
    dead = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(tmp_path,))
    dead.start()
    dead.join()
    assert {path.name[:8] for path in tmp_path.iterdir()} == {LOCK[:8], ".partial"}
    _published(tmp_path, offers_jsonl="new")
    assert _found(tmp_path) == {"offers.jsonl": "new", REPORT: REPORTED}


def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    _published(tmp_path / "a" / "b[1]*", offers_jsonl="new")
    assert set(_found(tmp_path / "a" / "b[1]*")) == {"offers.jsonl", REPORT}


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: (path / LOCK).mkdir(parents=True)])
def test_a_directory_that_cannot_be_written_to_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "out")
    with pytest.raises(LoadErrors, match=r"out: cannot be written to: .*\n    name another folder"):
        _staging(tmp_path / "out").__enter__()


@pytest.mark.usefixtures("folders")
def test_a_failed_run_shows_one_output_and_no_report(tmp_path: Path) -> None:
    for _ in range(2):
        _put(tmp_path, {"offers.parquet": "old", REPORT: REPORTED})
        with _staging(tmp_path) as staging:
            _write(staging, offers_parquet="new", rejected_jsonl="why")
            staging.publish_only("rejected")
        assert _found(tmp_path) == {"rejected.jsonl": "why", RECORD: '{"files": ["rejected.jsonl"]}\n'}
    _published(tmp_path, _report("parquet"), offers_parquet="new")
    assert _found(tmp_path) == {"offers.parquet": "new", REPORT: _report("parquet")}
