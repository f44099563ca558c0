"""Tests of how data buckets run down: against one person and session at a time."""

import dataclasses
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.simulation.balances import TOPUP_MB, balances_of
from pipelines.simulation.calendar import calendar_of
from pipelines.simulation.town import draw_town

CALENDAR = calendar_of(1, date(2026, 3, 2), 3)
TOWN = draw_town(np.random.default_rng(1), 100, 3)
NOT_RENEWED_TODAY = np.flatnonzero((TOWN.tariff < 4) & (np.arange(100) % 28 != 1))[:3].tolist()

sessions = st.lists(st.tuples(st.sampled_from(NOT_RENEWED_TODAY), st.floats(0.01, 9_000)), max_size=30)


@given(sessions, st.lists(st.booleans(), min_size=100, max_size=100))
def test_equals_the_plain_way(used: list[tuple[int, float]], eager: list[bool]) -> None:
    town = dataclasses.replace(TOWN, eager=np.array(eager))
    usage = pl.DataFrame(
        {
            "who": [who for who, _ in used],
            "time": np.arange(len(used)) + CALENDAR.midnights[1],
            "mb": [mb for _, mb in used],
            "network": ["mobile"] * len(used),
        },
        schema_overrides={"who": pl.Int64, "mb": pl.Float64, "network": pl.String},
    )
    left_mb = np.full(100, 1_000.0)
    expected, buyers = left_mb.copy(), []
    for who, mb in used:
        expected[who] -= mb
        buyers += [TOWN.subscribers[who]] if eager[who] and expected[who] < 0 else []
        while eager[who] and expected[who] < 0:
            expected[who] += TOPUP_MB
        expected[who] = max(expected[who], 0)
    made = balances_of(town, CALENDAR, 1, left_mb, usage)
    assert made.left_mb[NOT_RENEWED_TODAY] == pytest.approx(expected[NOT_RENEWED_TODAY], abs=1e-6)
    assert sorted(made.orders["subject"]) == sorted(buyers)
    assert left_mb.tolist() == [1_000.0] * 100, "the buckets given are not changed"


def test_a_renewed_bucket_is_full() -> None:
    nothing = pl.DataFrame(schema={"who": pl.Int64, "time": pl.Int64, "mb": pl.Float64, "network": pl.String})
    made = balances_of(TOWN, CALENDAR, 1, np.zeros(100), nothing)
    renewed = made.signals.filter(pl.col("remaining_mb") > 0)
    assert renewed.height == np.sum((np.arange(100) % 28 == 1) & (TOWN.tariff < 4) & (TOWN.lines.joined <= 1))
    assert renewed["remaining_mb"].equals(renewed["limit_mb"])
