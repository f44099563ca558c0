"""What the contract asks of values beyond their type: where the range of a double ends."""

import math

import pyarrow as pa
import pytest

from schemas.contracts import Field
from transforms.parsing.checks import check_field, check_time
from transforms.parsing.problems import Problems

BOUND = 2.0**62 / 100
"""What still fits into Int64 once it is scaled by 10**2, with room for rounding."""


@pytest.mark.parametrize(
    ("limits", "value", "fits"),
    [
        ((None, None), BOUND, True),
        ((None, None), math.nextafter(BOUND, math.inf), False),
        ((None, None), -BOUND, True),
        ((None, None), -math.nextafter(BOUND, math.inf), False),
        ((-math.inf, math.inf), math.nextafter(BOUND, math.inf), False),
        ((-math.inf, math.inf), -math.nextafter(BOUND, math.inf), False),
        ((-1.0, 1.0), 1.5, False),
        ((-1.0, 1.0), -1.5, False),
        ((-1.0, 1.0), -1.0, True),
    ],
)
def test_a_double_fits_once_it_is_scaled(limits: tuple[float | None, float | None], value: float, fits: bool) -> None:
    problems = Problems(2)
    check_field(pa.array([0.0, value]), Field("mb", pa.float64(), False, 2, *limits, ""), problems)
    assert [(row, reason) for row, reason, _ in problems.bad()] == ([] if fits else [(1, "out_of_range")])


@pytest.mark.parametrize(
    ("number", "looks"),
    [
        (20260131, True),
        (20261201, True),
        (19000101, True),
        (20260132, False),
        (20261301, False),
        (20260001, False),
        (20260100, False),
        (22000101, False),
        (18991231, False),
    ],
)
def test_a_whole_number_may_look_like_a_date(number: int, looks: bool) -> None:
    problems = Problems(1)
    check_time(pa.array([number], pa.int64()), 1_500_000_000_000, 1_900_000_000_000, problems)
    ((_, reason, told),) = problems.bad()
    assert reason == "before_earliest"
    assert ("looks like a date, YYYYMMDD," in told) == looks


def test_a_text_that_is_empty_and_one_that_is_missing() -> None:
    problems = Problems(3)
    check_field(pa.array(["", None, "x"]), Field("id", pa.string(), True, 0, None, None, ""), problems)
    assert [(row, told) for row, _, told in problems.bad()] == [(0, "`id` is empty"), (1, "`id` is missing")]
