"""Tests of the simulated town's calendar."""

from datetime import date

import numpy as np
import pytest

from pipelines.simulation.calendar import HOUR_MS, RHYTHMS, calendar_of, occurrences


def test_days_are_local_also_when_the_clocks_change() -> None:
    calendar = calendar_of(1, date(2026, 3, 28), 2)
    assert (np.diff(calendar.midnights) / HOUR_MS).tolist() == [24, 23]
    assert [calendar.weekday(day) for day in (0, 1, 2)] == [5, 6, 0]


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_instants_follow_the_rhythm(rhythm: str) -> None:
    calendar = calendar_of(1, date(2026, 3, 2), 1)
    instants = calendar.instants(calendar.rng(1), np.zeros(50_000, np.int64), rhythm)
    shares = np.bincount((instants - calendar.midnights[0]) // HOUR_MS, minlength=24) / len(instants)
    assert np.abs(shares - np.array(RHYTHMS[rhythm]) / sum(RHYTHMS[rhythm])).max() < 0.01


def test_random_numbers_depend_on_the_purpose_alone() -> None:
    calendar = calendar_of(1, date(2026, 3, 2), 1)
    calendar.rng(1).random()
    assert calendar.rng(1, 2).random() == calendar.rng(1, 2).random() != calendar.rng(1, 3).random()


def test_occurrences_are_counted_where_their_rate_is() -> None:
    rate = np.array([[0.0, 500.0], [0.0, 0.0], [500.0, 0.0]])
    rows, columns = occurrences(np.random.default_rng(1), rate)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(0, 1), (2, 0)}
