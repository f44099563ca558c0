"""Runs that go on from the cut of another one: with other shards, and with a playbook that was changed."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.report import instant
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.errors import LoadErrors
from tests.pipelines.small import MIDNIGHT, PLAYBOOK, SIGNALS, small_settings
from transforms.streams.manifests import cuts_in, path_of

CUT = MIDNIGHT + 31_200_000 + 60_000
END = MIDNIGHT + 43_200_000
CHANGED = PLAYBOOK.replace("version: 3", "version: 4\neffective_from: 2026-03-02T08:42:00Z").replace(
    "mb_1h > 1000, exit: mb_1h < 100", "mb_1h > 1200, exit: mb_1h < 200"
)
WAITING = 4
"""Signals between the cut and the end."""

OUTPUTS = ("decisions", "transitions", "contexts", "offers")


def settings(directory: Path, playbook: str, after: int, until: int, **options: Any) -> RunSettings:
    """Return the settings of a run over the signals between two times."""
    made = small_settings(directory, until=until, **options)
    (directory / "playbook.yaml").write_text(playbook)
    for name, rows in SIGNALS.items():
        mine = [one for one in rows if isinstance(one["time"], int) and after <= one["time"] < until]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    return made


def told(directory: Path, after: int) -> dict[str, Counter[str]]:
    """Return what is in the outputs of a run after a tick."""
    found = {}
    for name in OUTPUTS:
        rows = pl.read_parquet(directory / "out" / f"{name}.parquet")
        at = pl.col("time" if name == "offers" else "tick").dt.epoch("ms") > after
        found[name] = Counter(str(row) for row in rows.filter(at).to_dicts())
    return found


def play(directory: Path, playbook: str, after: int, until: int, **options: Any) -> Path:
    directory.mkdir(exist_ok=True)
    run(settings(directory, playbook, after, until, **options))
    return directory


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cut")
    play(directory, PLAYBOOK, 0, CUT, shards=3, state_out=str(directory / "state"))
    assert cuts_in(str(directory / "state")) == [CUT]
    return directory


@pytest.mark.parametrize("shards", [1, 4])
def test_a_run_with_other_shards_goes_on_alike(cut: Path, tmp_path: Path, shards: int) -> None:
    whole = play(tmp_path / "whole", PLAYBOOK, 0, END, state_out=str(tmp_path / "other"))
    state = {"state_in": str(cut / "state"), "state_out": str(tmp_path / "state")}
    rest = play(tmp_path / "rest", PLAYBOOK, CUT, END, shards=shards, **state)
    assert told(rest, CUT) == told(whole, CUT)
    assert all(told(whole, CUT)[name] for name in ("decisions", "transitions"))
    assert {*told(rest, 0)["decisions"]} == {*told(rest, CUT)["decisions"]}


@pytest.fixture(scope="module")
def ahead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over all files that ends at the cut, and beside it one to the end."""
    directory = tmp_path_factory.mktemp("ahead")
    whole = play(directory / "whole", PLAYBOOK, 0, END)
    given = small_settings(whole, until=CUT, shards=3, state_out=str(directory / "state"))
    report = run(replace(given, out=str(directory / "out")))
    assert report.signals["pending"] == WAITING
    return directory


@pytest.mark.parametrize("shards", [3, 4])
@pytest.mark.parametrize("after", [0, CUT, END - 1], ids=["the same files", "those since the cut", "nothing new"])
def test_what_waits_in_a_cut_comes_in_from_there(ahead: Path, tmp_path: Path, after: int, shards: int) -> None:
    made = settings(tmp_path, PLAYBOOK, after, END, state_in=str(ahead / "state"), shards=shards)
    given = sum(len(Path(file).read_bytes().splitlines()) for _, file in made.signals)
    found = run(made).signals
    assert (found["in"], found["applied"]) == (given + WAITING, WAITING - 1)  # one is there twice
    assert told(tmp_path, CUT) == told(ahead / "whole", CUT)


def test_a_changed_playbook_takes_over_at_the_cut(cut: Path, tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.mkdir()
    for number, text in enumerate((PLAYBOOK, CHANGED)):
        (books / f"{number}.yaml").write_text(text)
    given = settings(tmp_path, PLAYBOOK, 0, END, state_out=str(tmp_path / "other"))
    run(replace(given, playbook=str(books)))
    rest = play(tmp_path / "rest", CHANGED, CUT, END, state_in=str(cut / "state"), state_out=str(tmp_path / "state"))
    assert told(rest, CUT) == told(tmp_path, CUT)
    assert {*pl.read_parquet(rest / "out" / "decisions.parquet")["version"]} == {4}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (PLAYBOOK.replace("tick: 1m", "tick: 5m"), "`tick` is 5m, and 1m in the cut"),
        (f"{PLAYBOOK}feed_timeout: {{usage: 1h}}\n", "`feed_timeout` is not that of the cut"),
        (
            PLAYBOOK.replace("[balance,", "[membership, balance,").replace(
                "offers:", "household: {features: {n: {count: any, from: usage, window: 1h}}}\noffers:"
            ),
            "`household`: the cut has this section",
        ),
        (PLAYBOOK.replace("playbook: small", "playbook: large"), "the cut is of the playbook `small`"),
    ],
)
def test_what_cannot_take_over_is_refused(cut: Path, tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(LoadErrors, match=wrong) as refused:
        play(tmp_path / "rest", text, CUT, END, state_in=str(cut / "state"))
    assert all(error.hint for error in refused.value.errors)


@pytest.mark.parametrize("until", [CUT, CUT - 60_000])
@pytest.mark.parametrize("sliced", [{}, {"slice": 3_600_000}])
def test_a_run_that_is_to_end_before_its_cut_is_refused(
    cut: Path, tmp_path: Path, until: int, sliced: dict[str, int]
) -> None:
    with pytest.raises(LoadErrors, match=r"--until: is not after the cut that the run starts from, 20\d\d-"):
        run(settings(tmp_path, PLAYBOOK, 0, until, state_in=str(cut / "state"), **sliced))


@pytest.mark.parametrize("sliced", [{}, {"slice": 3_600_000}])
def test_a_run_with_nothing_after_its_cut_ends_at_the_next_tick(
    cut: Path, tmp_path: Path, sliced: dict[str, int]
) -> None:
    made = replace(settings(tmp_path, PLAYBOOK, 0, CUT, state_in=str(cut / "state"), **sliced), until=None)
    assert run(made).end_tick == instant(CUT + 60_000)


def test_another_key_of_pseudonyms_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", "a key of tests, long enough")
    play(tmp_path, PLAYBOOK, 0, CUT, state_out=str(tmp_path / "state"))
    assert "a key" not in path_of(str(tmp_path / "state"), CUT).read_text()
    for other in ("another key of tests, as long", ""):
        monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", other)
        with pytest.raises(LoadErrors, match="another key of pseudonyms"):
            play(tmp_path / "rest", PLAYBOOK, CUT, END, state_in=str(tmp_path / "state"))
