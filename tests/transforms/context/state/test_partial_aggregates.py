"""Panes: the same, whatever order rows come in and however often they are compacted."""

from itertools import permutations

import polars as pl

from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plans
from transforms.context.state.partial_aggregates import compact_values

PLAYBOOK = """
playbook: p
signals: [usage, membership]
household: {features: {apps: {distinct: app, from: usage, window: 10d}}}
"""
PLAN = load_plans(parse_playbook(PLAYBOOK))["household"]
ROWS = [(0, 11, 2, "a"), (0, 12, 1, "a"), (0, 12, 1, "b"), (0, 25, 1, "a"), (1, 11, 1, None)]
PANES = [(0, 10, 1, "a"), (0, 10, 2, "a"), (0, 10, 1, "b"), (0, 20, 1, "a")]


def test_values_are_kept_once_a_pane_and_member() -> None:
    signal, schema = PLAN.signals["usage"], {"code": pl.Int64, "time": pl.Int64, "member": pl.Int64, "k": pl.String}
    for some in permutations(ROWS):
        rows = pl.DataFrame(some, schema, orient="row")
        once = compact_values(signal, 10, "k", None, rows)
        twice = compact_values(signal, 10, "k", compact_values(signal, 10, "k", None, rows[:2]), rows[2:])
        assert once.rows() == twice.rows() == PANES
