"""Profiles from parts made by hand."""

from statistics import mean, stdev
from typing import Any

import pytest

from tests.transforms.statistics.parts import frame, number, value
from transforms.statistics.segment_profiles import profiles_of

MEMBERS, OTHERS = [9.0, 10.0, 8.5, 9.5], [0.0, 1.0, 0.5, 0.25, 0.0, 2.0]
PROFILE_PARTS = [
    number(1, None, "days", MEMBERS + OTHERS),
    number(1, "a", "days", MEMBERS),
    value(1, None, "tariff", "flex", 6),
    value(1, None, "tariff", "basic", 4),
    value(1, "a", "tariff", "flex", 3),
    value(1, "a", "tariff", "basic", 1),
    value(1, None, "bundle", "true", 5),
    value(1, None, "bundle", "false", 5),
    value(1, "a", "bundle", "true", 1),
    value(1, "a", "bundle", "false", 3),
    number(2, None, "days", MEMBERS + OTHERS),
    number(2, "a", "days", [value + 1 for value in MEMBERS]),
    number(1, None, "flat", [1.0] * 10),
    number(1, "a", "flat", [1.0] * 4),
    number(1, "a", "alone", [1.0, 2.0]),
    number(1, None, "alone", [1.0, 2.0]),
]


def profile(day: int) -> dict[tuple[str, str | None], dict[str, Any]]:
    rows = profiles_of(frame(PROFILE_PARTS), "subscriber", {"days": "on {} days"}).to_pylist()
    return {(row["feature"], row["value"]): row for row in rows if row["end"].day == day + 1}


def test_numbers_are_told_against_all_others() -> None:
    row = profile(1)["days", None]
    assert (row["members_n"], row["others_n"], row["words"], row["drift"]) == (4, 6, "on {} days", None)
    assert (row["members_mean"], row["others_mean"]) == (mean(MEMBERS), pytest.approx(mean(OTHERS)))
    assert (row["members_sd"], row["others_sd"]) == pytest.approx((stdev(MEMBERS), stdev(OTHERS)))
    pooled = ((3 * stdev(MEMBERS) ** 2 + 5 * stdev(OTHERS) ** 2) / 8) ** 0.5
    effect = (mean(MEMBERS) - mean(OTHERS)) / pooled
    error = (10 / 24 + effect**2 / 20) ** 0.5
    assert [row["effect"], row["low"], row["high"]] == pytest.approx(
        [effect, effect - 1.959964 * error, effect + 1.959964 * error]
    )


def test_drift_is_against_the_members_of_the_day_before() -> None:
    assert profile(2)["days", None]["drift"] == pytest.approx(1 / stdev(MEMBERS))


def test_values_are_told_by_their_shares() -> None:
    found = profile(1)
    flex = found["tariff", "flex"]
    assert (flex["members_mean"], flex["others_mean"], flex["members_n"], flex["others_n"]) == (0.75, 0.5, 4, 6)
    assert flex["effect"] == pytest.approx(0.523599, abs=1e-6)  # 2 asin(sqrt(.75)) - 2 asin(sqrt(.5))
    assert flex["high"] - flex["effect"] == pytest.approx(1.959964 * (1 / 4 + 1 / 6) ** 0.5)
    assert ("bundle", "true") in found
    assert ("bundle", "false") not in found  # it is the mirror of the other


@pytest.mark.parametrize("feature", ["flat", "alone"])
def test_what_cannot_be_computed_is_null(feature: str) -> None:
    row = profile(1)[feature, None]
    assert (row["effect"], row["low"], row["high"], row["words"]) == (None, None, None, f"{feature}: {{}}")


def test_only_the_commonest_values_are_told() -> None:
    parts = [value(1, segment, "city", f"c{n}", n) for n in range(1, 9) for segment in (None, "a")]
    told = profiles_of(frame(parts), "subscriber", {})["value"].to_pylist()
    assert told == ["c4", "c5", "c6", "c7", "c8"]
