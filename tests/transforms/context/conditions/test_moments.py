"""Moments that repeat while their condition holds: when they fire, and when they will."""

import numpy as np
import polars as pl
import pytest

from schemas.durations import MINUTE
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plan
from transforms.context.conditions import moments
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.grid import Grid, Span
from transforms.context.state.shard_state import MOMENTS

PLAYBOOK = """
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  moments: {some: {when: n > 0, repeat: 3m}}
"""
(MOMENT,) = load_plan(parse_playbook(PLAYBOOK)).moments
GRID = Grid(MINUTE)


@pytest.mark.parametrize("code", [0, 1, 4])
@pytest.mark.parametrize(
    ("edge", "upto", "fired", "wake"),
    [(1, 1, [1], 4), (1, 3, [1], 4), (1, 4, [1, 4], 7), (1, 9, [1, 4, 7], 10)],
)
def test_it_fires_at_the_edge_and_every_so_often(code: int, edge: int, upto: int, fired: list[int], wake: int) -> None:
    points = EvaluationPoints(np.array([code]), np.array([edge * MINUTE]))
    nothing = pl.DataFrame(schema=MOMENTS)
    made = moments.run(MOMENT, Span(GRID, 0, upto * MINUTE), points, np.array([True]), nothing)
    assert (made.points.ticks // MINUTE).tolist() == fired
    assert [*map(tuple, np.stack(made.wakes, axis=1).tolist())] == [(code, wake * MINUTE)]
    assert made.memory.select("code", "since").rows() == [(code, edge * MINUTE)]


def test_what_is_known_to_hold_goes_on() -> None:
    points = EvaluationPoints(np.array([1]), np.array([8 * MINUTE]))
    known = pl.DataFrame([(1, "some", MINUTE, None)], MOMENTS, orient="row")
    made = moments.run(MOMENT, Span(GRID, 5 * MINUTE, 12 * MINUTE), points, np.array([False]), known)
    assert (made.points.ticks // MINUTE).tolist() == [7]
    assert made.memory.is_empty()
