"""A directory of outputs is whole or has no report."""

from pathlib import Path

import pytest

from pipelines.staging import REPORT, Staging

OURS = ("offers.parquet", "offers.jsonl")


def _staging(out: Path) -> Staging:
    return Staging(str(out), OURS)


def _write(staging: Staging, **files: str) -> None:
    Path(staging.directory).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (Path(staging.directory) / name.replace("_", ".")).write_text(text)


def _found(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir()}


def test_outputs_appear_with_the_report(tmp_path: Path) -> None:
    with _staging(tmp_path) as staging:
        _write(staging, offers_parquet="new", offers_jsonl="new")
        assert not (tmp_path / REPORT).exists()
        staging.publish("{}")
    assert _found(tmp_path) == {"offers.parquet": "new", "offers.jsonl": "new", REPORT: "{}"}


def test_outputs_replace_earlier_ones_and_nothing_else(tmp_path: Path) -> None:
    earlier = {"offers.parquet": "old", "offers.jsonl": "old", REPORT: "old", "notes.txt": "mine"}
    for name, text in earlier.items():
        (tmp_path / name).write_text(text)
    with _staging(tmp_path) as staging:
        _write(staging, offers_parquet="new")
        staging.publish("{}")
    assert _found(tmp_path) == {"offers.parquet": "new", REPORT: "{}", "notes.txt": "mine"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_ends_early_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / REPORT).write_text("old")

    def cut_off() -> None:
        with _staging(tmp_path) as staging:
            _write(staging, offers_parquet="half")
            raise error

    with pytest.raises(error):
        cut_off()
    assert _found(tmp_path) == {REPORT: "old"}


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    _write(_staging(tmp_path), offers_parquet="half", other_tmp="half")
    with _staging(tmp_path) as staging:
        _write(staging, offers_jsonl="new")
        staging.publish("{}")
    assert _found(tmp_path) == {"offers.jsonl": "new", REPORT: "{}"}


def test_a_directory_that_is_not_there_is_made(tmp_path: Path) -> None:
    with _staging(tmp_path / "a" / "b") as staging:
        _write(staging, offers_jsonl="new")
        staging.publish("{}")
    assert set(_found(tmp_path / "a" / "b")) == {"offers.jsonl", REPORT}


def test_a_failed_run_shows_one_output_and_no_report(tmp_path: Path) -> None:
    for name in ("offers.parquet", REPORT):
        (tmp_path / name).write_text("old")
    with Staging(str(tmp_path), (*OURS, "rejected.jsonl")) as staging:
        _write(staging, offers_parquet="new", rejected_jsonl="why")
        staging.publish_only("rejected")
    assert _found(tmp_path) == {"rejected.jsonl": "why"}
