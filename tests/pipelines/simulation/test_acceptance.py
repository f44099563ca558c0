"""Tests of the truth about what people say to offers."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.demo import PLAYBOOK
from pipelines.simulation.acceptance import ACCEPTANCE, ANY_OTHER, acceptance_of, chances, traits_of
from pipelines.simulation.arrays import INSTANT
from schemas.playbook_file import load_playbook

START = datetime(2026, 3, 2, tzinfo=UTC)
INSTANTS = ("joined", "homeworker", "nanobusiness", "leaving", "fibre_curious", "travelling")


def people(**since: datetime) -> pl.DataFrame:
    columns = {f"{name}_from": pl.Series([since.get(name)], dtype=INSTANT) for name in INSTANTS}
    ends = {
        f"{name}_until": pl.Series([since.get(f"{name}_until")], dtype=INSTANT) for name in ("homeworker", "travelling")
    }
    return pl.DataFrame({"subscriber": ["a"], "sme": ["c"], **columns, **ends})


def traits(eager: bool = False, growing: datetime | None = None, **since: datetime) -> pl.DataFrame:
    smes = pl.DataFrame({"sme": ["c"], "growing_from": pl.Series([growing], dtype=INSTANT)})
    return traits_of(people(joined=START, **since), smes, pl.DataFrame({"subscriber": ["a"], "eager": [eager]}))


def chance(offer: str, tick: datetime, found: pl.DataFrame) -> float:
    offers = pl.DataFrame({"offer": [offer], "recipient": ["a"], "tick": pl.Series([tick], dtype=INSTANT)})
    return float(chances(offers, found, acceptance_of())["p_accept"][0])


def test_every_offer_of_the_town_has_its_truth() -> None:
    assert {offer for offer, *_ in ACCEPTANCE} == {*load_playbook(PLAYBOOK).offers, ANY_OTHER}
    told = acceptance_of()
    assert told.select(pl.col("p_accept") + pl.col("p_reject")).to_series().is_between(0, 1).all()
    assert not told.select("offer", "has_trait").is_duplicated().any()


def test_a_trait_matters_while_it_is_so() -> None:
    away = traits(travelling=START + timedelta(days=2), travelling_until=START + timedelta(days=5))
    assert [chance("roaming_pack", START + timedelta(days=day), away) for day in (1, 2, 4, 5)] == [
        0.01,
        0.35,
        0.35,
        0.01,
    ]


@pytest.mark.parametrize(
    ("offer", "found", "expected"),
    [
        ("topup_5gb", traits(eager=True), 0.45),
        ("topup_5gb", traits(), 0.08),
        ("add_lines", traits(growing=START), 0.2),
        ("add_lines", traits(), 0.02),
        ("care_call", traits(leaving=START), 0.25),
        ("tv_pack", traits(eager=True), 0.05),
    ],
)
def test_what_is_true_of_them_matters(offer: str, found: pl.DataFrame, expected: float) -> None:
    assert chance(offer, START + timedelta(days=1), found) == expected
