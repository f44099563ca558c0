"""What the contract asks of values beyond their type: where the range of a double ends."""

import math

import pyarrow as pa
import pytest

from schemas.contracts import Field
from transforms.parsing.checks import check_field
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
