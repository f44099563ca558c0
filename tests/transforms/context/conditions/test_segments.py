"""What happens to memberships is told by subject, then in time."""

import numpy as np

from schemas.durations import MINUTE
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plan
from transforms.context.conditions import segments
from transforms.context.conditions.segments import Levels
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.grid import Grid, Span
from transforms.context.state.shard_state import ShardState

PLAYBOOK = """
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments: {some: {enter: n > 0}}
"""
(SEGMENT,) = load_plan(parse_playbook(PLAYBOOK)).segments
TURNS = ((1, 5, True), (1, 7, False), (1, 8, True), (4, 2, True), (4, 6, False), (4, 9, True))


def test_events_are_by_subject_and_tick() -> None:
    codes, minutes, enter = (np.array(column) for column in zip(*TURNS, strict=True))
    nothing = np.zeros(len(TURNS), bool)
    points, levels = EvaluationPoints(codes, minutes * MINUTE), Levels(enter, ~enter, nothing, nothing)
    span = Span(Grid(MINUTE), 0, 10 * MINUTE)
    made = segments.run(SEGMENT, span, points, levels, ShardState().members)
    told = [(code, tick // MINUTE, event) for code, tick, event, _ in made.events.rows()]
    assert told == [(code, minute, "entered" if goes_in else "exited") for code, minute, goes_in in TURNS]
