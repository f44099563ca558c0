"""How many random cases a test draws: few of them in `make test`, ten times as many in `make test-cases`."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("SEGONE_CASES", "1"))
"""How many times as many as usual."""

Test = Callable[..., Any]


def examples(number: int) -> Callable[[Test], Test]:
    """Return what lets a test draw so many cases, or some times as many, and marks it as one that can."""
    drawn = settings(max_examples=number * TIMES, suppress_health_check=list(HealthCheck))
    return lambda test: pytest.mark.cases(drawn(test))
