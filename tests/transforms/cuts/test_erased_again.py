"""Who was erased after a cut is erased by whoever starts from it again, also if nobody asks for it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.run import run
from pipelines.settings import RunSettings
from tests.golden.make import CUT, END, KEY, PLAYBOOK, rows_of, signals
from transforms.context.advance_levels import Levels
from transforms.context.erasure.names import names_of
from transforms.decision import ledger_state as ledgers
from transforms.decision.names import names_of as names_of_ledger
from transforms.shell.cuts import Kept
from transforms.streams.erasures import Done, done_after, write_done
from transforms.streams.manifests import blob_path, cuts_in, path_of, read_manifest

ERASED = {"eva", "zoe"}
"""One who is known at the cut, and one of whom signals come after it."""


def files(directory: Path, after: int, until: int, *, asked: bool = True) -> tuple[tuple[str, str], ...]:
    """Write the signals between two times, with or without erasures."""
    directory.mkdir()
    every = signals()
    every["usage"] += [{**row, "subject": "zoe", "id": f"z{n}"} for n, row in enumerate(every["usage"])]
    last = max(row["time"] for row in every["erasure"])
    every["erasure"] += [{"subject": "zoe", "id": "z", "time": last}]
    given = []
    for name, rows in every.items():
        mine = [row for row in rows if after <= row["time"] < until and (asked or name != "erasure")]
        mine = [row for row in mine if row["subject"] != "zoe" or row["time"] >= CUT]
        (directory / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in mine))
        given.append((name, str(directory / f"{name}.jsonl")))
    return tuple(given)


def names_in(state: str) -> set[str]:
    """Return all names in the newest cut."""
    manifest, found = read_manifest(state, cuts_in(state)[-1]), set[str]()
    for owner, file in manifest.files.items():
        stage, kept = owner.partition("/")[0], Kept.read(Path(blob_path(state, file.name)).read_bytes())
        if stage in ("track_subscribers", "track_groups"):
            kinds = ["subscriber"] if stage == "track_subscribers" else ["household"]
            found |= {name for _, some in names_of(kinds, Levels(kept.state)) for name in some.to_list()}
        elif stage == "decide_offers":
            found |= {name for _, some in names_of_ledger(ledgers.load(kept.state)) for name in some.to_list()}
    return found


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run to the cut and on; go back to it, and on without the erasures, with one shard more."""
    directory = tmp_path_factory.mktemp("again")
    (directory / "playbook.yaml").write_text(PLAYBOOK)
    base: dict[str, Any] = {"playbook": str(directory / "playbook.yaml"), "shards": 2}
    state = {"state_in": str(directory / "state"), "state_out": str(directory / "state")}
    before, on, rest = (
        files(directory / "before", 0, CUT),
        files(directory / "on", CUT, END),
        files(directory / "rest", CUT, END, asked=False),
    )
    os.environ["SEGONE_PSEUDONYM_KEY"] = KEY
    run(RunSettings(**base, signals=before, until=CUT, out=str(directory / "0"), state_out=state["state_out"]))
    run(RunSettings(**base, **state, signals=on, until=END, out=str(directory / "1")))
    assert cuts_in(state["state_in"]) == [CUT, END]
    path_of(state["state_in"], END).unlink()
    run(RunSettings(**base | {"shards": 3}, **state, signals=rest, until=END, out=str(directory / "2")))
    yield directory
    del os.environ["SEGONE_PSEUDONYM_KEY"]


def test_what_is_told_is_the_same(again: Path) -> None:
    first, second = rows_of(again / "1"), rows_of(again / "2")
    assert [row for row in first["decisions"] if "zoe" not in row] == second["decisions"]
    assert [row for row in first["transitions"] if "zoe" not in row] == second["transitions"]
    receipts = [pl.read_parquet(again / run / "receipts.parquet") for run in "12"]
    known, told = (each.select("subject", "stage", "tick").sort(pl.all()) for each in receipts)
    assert told.rows() == [row for row in known.rows() if row in told.rows()]
    assert told.height == 3


def test_nothing_of_them_is_left(again: Path) -> None:
    names = names_in(str(again / "state"))
    assert {"ann", "tom"} <= names
    assert not ERASED & names
    stranger = [name for name in ("decisions", "transitions", "contexts") if _names(again / "2", name, "zoe")]
    assert not stranger
    assert not any("eva" in file.read_text() for file in (again / "state" / "erased").iterdir())


def _names(directory: Path, output: str, who: str) -> bool:
    return who in pl.read_parquet(directory / f"{output}.parquet").write_ndjson()


def test_they_are_remembered_once(tmp_path: Path) -> None:
    done = [Done(20, "subscriber", "a", "s", "1"), Done(10, "household", "b", "s", "2")]
    for some in (done, done[::-1], done[:1], []):
        write_done(str(tmp_path), some)
    assert len([*(tmp_path / "erased").iterdir()]) == 2
    assert done_after(str(tmp_path), 5) == (done[1], done[0])
    assert done_after(str(tmp_path), 10) == (done[0],)
