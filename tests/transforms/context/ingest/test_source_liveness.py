"""Feeds that are down: when, and what waits for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import examples
from tests.reference.kernel import Kernel, batches
from tests.reference.playbooks import SMALL
from tests.reference.strategies import Case, feed_cases
from tests.transforms.context.test_advance import assert_same, plan_of, playbook_of, reference
from transforms.context.grid import Grid, Span
from transforms.context.ingest.source_liveness import Feed, Watch, watch

GRID = Grid(10)


def watched(ticks: list[int], cuts: list[int], timeout: int = 30) -> list[tuple[int, bool]]:
    feed, turns, closed = Feed(), [], None
    for upto in cuts:
        span = Span(GRID, closed, upto)
        mine = [tick for tick in sorted(set(ticks)) if span.first <= tick <= upto]
        made, feed = watch(feed, np.array(mine, np.int64), span, timeout)
        turns, closed = turns + made, upto
    return turns


@pytest.mark.parametrize(
    ("ticks", "turns"),
    [
        ([], []),
        ([20], [(50, True)]),
        ([20, 50], [(80, True)]),
        ([20, 60], [(50, True), (60, False), (90, True)]),
        ([20, 30, 100], [(60, True), (100, False)]),
    ],
)
def test_a_feed_is_down_when_it_was_silent_for_so_long(ticks: list[int], turns: list[tuple[int, bool]]) -> None:
    assert watched(ticks, [100]) == turns


@given(st.lists(st.integers(1, 20).map(lambda n: n * 10)), st.sets(st.integers(1, 24).map(lambda n: n * 10)))
def test_calls_may_be_cut_anywhere(ticks: list[int], cuts: set[int]) -> None:
    turns = watched(ticks, [250])
    assert watched(ticks, [*sorted(cuts), 250]) == turns
    down = {tick for tick in range(10, 251, 10) if [d for t, d in turns if t <= tick][-1:] == [True]}
    said = {tick for tick in range(10, 251, 10) if ticks and min(ticks) <= tick}
    assert down == {tick for tick in said if tick - max(t for t in ticks if t <= tick) >= 30}


def test_a_late_signal_brings_a_feed_back_at_the_first_open_tick() -> None:
    _, feed = watch(Feed(), np.array([20]), Span(GRID, None, 100), 30)
    assert watch(feed, np.array([60]), Span(GRID, 100, 130), 30) == ([], Feed(60, True))
    assert watch(feed, np.array([90]), Span(GRID, 100, 130), 30) == ([(110, False), (120, True)], Feed(90, True))


@examples(50)
@given(feed_cases())
def test_absences_wait_as_the_reference_says(case: Case) -> None:
    book, plan = playbook_of(case.playbook), plan_of(case.playbook, SMALL)
    kernel, feeds, closed = Kernel(plan), Watch(book.feed_timeout, plan.grid, ["subscriber"]), None
    for rows, upto in case.calls:
        known = [row for row in rows if closed is None or row.time >= closed - book.allowed_lateness]
        feeds.hear(batches(plan, known))
        kernel.advance(rows, upto, feeds=feeds.turns(upto))
        closed = upto
    assert_same([kernel], reference(case))
