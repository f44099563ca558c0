"""How many cases a test plays: few of them in `make test`, many in `make test-cases`."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

TIMES = float(os.environ.get("SEGONE_CASES", "0.6"))
"""How many times as many as a test says."""

Test = Callable[..., Any]
Case = TypeVar("Case")


def examples(number: int) -> Callable[[Test], Test]:
    """Return what lets a test draw so many cases, or some times as many, and marks it as one that can."""
    drawn = settings(max_examples=max(1, round(number * TIMES)), suppress_health_check=list(HealthCheck))
    return lambda test: pytest.mark.cases(drawn(test))


def by_turns(cases: Sequence[Case], turn: int) -> list[Case]:
    """Return every second case, from the first or second on, for two tests that share them; all if many are played."""
    return [*cases] if TIMES > 1 else [*cases[turn::2]]
