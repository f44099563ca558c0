"""A run over a directory of versions: each decides in its time, and says so."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.errors import LoadErrors
from tests.pipelines.small import PLAYBOOK, write_small

NEXT = PLAYBOOK.replace("version: 3", "version: 4\neffective_from: 2026-03-02T10:30:00Z").replace("app, sms", "sms")
HOUSEHOLD = "household: {features: {n: {count: any, from: usage, window: 1h}}}\n"


def _settings(directory: Path, *texts: str) -> RunSettings:
    given, books = write_small(directory), directory / "books"
    books.mkdir()
    for number, text in enumerate(texts):
        (books / f"{number}.yaml").write_text(text, "utf-8")
    return RunSettings(**given | {"playbook": str(books), "shards": 2})


def test_decisions_are_made_under_the_version_of_their_tick(tmp_path: Path) -> None:
    """The cooldown of a day holds across versions: it goes by the offer's name."""
    report = run(_settings(tmp_path, PLAYBOOK, NEXT.replace("cooldown: 1d", "cooldown: 30m")))
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet").sort("tick")
    assert set(decisions.filter(pl.col("tick").dt.hour() < 10)["version"]) == {3}
    later = decisions.filter(pl.col("tick").dt.hour() > 10)
    assert later.select("subject", "version", "offer", "channel").rows() == [("ann", 4, "topup", "sms")]
    hashes = [book["hash"] for book in report.playbooks]
    assert hashes == [decisions["playbook_hash"][0], later["playbook_hash"][0]]
    assert hashes[0] != hashes[1]


def test_what_was_sent_under_one_version_counts_under_the_next(tmp_path: Path) -> None:
    run(_settings(tmp_path, PLAYBOOK.replace("cooldown: 1d", "cooldown: 1m"), NEXT))
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet").sort("tick")
    assert decisions.select("version", "reason").rows()[-1] == (4, "cooldown")


def test_the_report_names_every_version_that_was_in_force(tmp_path: Path) -> None:
    never = NEXT.replace("version: 4", "version: 5").replace("T10:30", "T23:00")
    report = run(_settings(tmp_path, PLAYBOOK, NEXT, never))
    told = json.loads((tmp_path / "out" / "run.json").read_text())["playbooks"]
    assert [(Path(book["file"]).name, book["version"], book["effective_from"]) for book in told] == [
        ("0.yaml", 3, None),
        ("1.yaml", 4, "2026-03-02T10:30:00.000Z"),
    ]
    assert f"\n{told[0]['name']} versions 3, 4, " in report.summary()


def test_columns_of_all_versions_are_in_the_outputs(tmp_path: Path) -> None:
    more = NEXT.replace("    mb_1h:", "    calls: {count: any, from: usage, window: 1h}\n    mb_1h:")
    run(_settings(tmp_path, PLAYBOOK, more))
    contexts = pl.read_parquet(tmp_path / "out" / "contexts.parquet").unnest("context")
    assert {"left_mb", "mb_1h", "calls"} <= {*contexts.columns}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NEXT.replace("tick: 1m", "tick: 5m"), "`tick` is 5m, and 1m in"),
        (NEXT.replace("effective_from: 2026-03-02T10:30:00Z\n", ""), "`effective_from` is missing"),
        (NEXT.replace("{last: remaining_mb", "{window: 1h, count: remaining_mb"), "`left_mb` is Int64, and Float64"),
        (f"{NEXT}{HOUSEHOLD}".replace("[balance,", "[membership, balance,"), "one version has this section"),
    ],
)
def test_versions_that_cannot_follow_are_told_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(LoadErrors, match=told):
        run(_settings(tmp_path, PLAYBOOK, text))
    assert not (tmp_path / "out").exists()
