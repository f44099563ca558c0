"""When stages wake: at ticks, at the ends of spans of a backlog, at the end of bounded input."""

from dataclasses import dataclass
from typing import Any

import pytest
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from transforms.shell.timers import STAGES, Backlog, TickTimer

BACKLOG = Backlog(until=100, span=30)


@dataclass
class Cell:
    """A state cell, or a timer, that only remembers."""

    value: Any = None

    def read(self) -> Any:
        """Return what was written."""
        return self.value

    def write(self, value: Any) -> None:
        """Remember a value."""
        self.value = value

    set = write

    def clear(self) -> None:
        """Forget it."""
        self.value = None


@pytest.mark.parametrize(
    ("tick", "end"),
    [(10, 30), (30, 30), (31, 60), (90, 90), (91, 100), (100, 100), (130, 130)],
    ids=["within", "at the end", "just after", "the last whole one", "what is left", "until", "live"],
)
def test_history_goes_in_whole_spans(tick: int, end: int) -> None:
    assert BACKLOG.end_of_span(tick) == end


@given(st.integers(0, 200), st.integers(0, 200))
def test_spans_keep_the_order_of_ticks(one: int, other: int) -> None:
    ends = BACKLOG.end_of_span(one), BACKLOG.end_of_span(other)
    assert ends[0] >= one
    assert (ends[0] <= ends[1]) or one > other


@pytest.mark.parametrize(("backlog", "expected"), [(None, 10), (BACKLOG, 30)], ids=["each tick", "a span"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_alarm_rings_once_after_its_tick(stage: str, backlog: Backlog | None, expected: int) -> None:
    tick_timer, wake, timer = TickTimer(stage, bounded=False, backlog=backlog), Cell(), Cell()
    tick_timer.at(10, wake, timer)
    tick_timer.at(200, wake, timer)
    assert timer.value == Timestamp(micros=1000 * (expected + STAGES.index(stage)))
    assert tick_timer.due(Timestamp(micros=1000 * (expected - 1)), wake) is None
    assert tick_timer.due(timer.value, wake) == expected
    assert tick_timer.due(timer.value, wake) is None


def test_at_the_end_of_bounded_input_stages_wake_one_after_the_other() -> None:
    times = [TickTimer(stage, bounded=True).time_of(10) for stage in STAGES]
    assert times == sorted(set(times))
    assert times[-1] <= GlobalWindow().max_timestamp()
