"""Triggers are told by what they ask for, and by what the context says of that."""

import pytest

from pipelines.explain_story.conditions import UNKNOWN, condition_of, read_of, read_words
from schemas.playbook_file import parse_playbook

BOOK = parse_playbook(
    """\
playbook: small
signals: [balance, order, membership]
let: {low: 500, is_low: left_mb < low}
subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance}
    mb:      {sum: remaining_mb, from: balance, window: 1h}
  derived:
    hours_left: {expr: left_mb / mb}
    wish: {expr: mb / 4.0, bounds: [0, 1.5], half_life: 3d}
  segments:
    poor: {enter: is_low, exit: left_mb > 900}
    rich: {enter: left_mb > 9000}
  moments:
    running_out: {when: is_low AND hours_left < 6 AND NOT rich}
    abandoned: {after: {order: state = 'started'}, without: {order: any}, within: 30m, when: left_mb > 0}
    started: {after: {order: any}, then: {order: state = 'completed', balance: any}, within: 2h}
household:
  features: {mb: {sum: remaining_mb, from: balance, window: 1h}}
"""
)


@pytest.mark.parametrize(
    ("trigger", "asks", "expression"),
    [
        ("subscriber.running_out", "is_low AND hours_left < 6 AND NOT rich", None),
        ("subscriber.poor", "is_low", None),
        ("subscriber.poor.exited", "a member, and left_mb > 900", "left_mb > 900"),
        ("subscriber.rich.exited", "a member, and NOT (left_mb > 9000)", "NOT (left_mb > 9000)"),
        (
            "subscriber.abandoned",
            "after order (state = 'started'), without order, within 30m, when left_mb > 0",
            "left_mb > 0",
        ),
        ("subscriber.started", "after order, then order (state = 'completed') or balance, within 2h", ""),
    ],
)
def test_what_a_trigger_asks_for(trigger: str, asks: str, expression: str | None) -> None:
    assert condition_of(BOOK, trigger) == (asks, asks if expression is None else expression)


def test_what_the_context_says_of_it() -> None:
    row = {"context": {"left_mb": 1200.0, "hours_left": None, "mb": 0.0}, "segments": ["rich"]}
    read = read_of(BOOK, "subscriber", "is_low AND hours_left < 6 AND NOT rich AND household.x", row)
    assert read["values"] == {"hours_left": None, "household.x": UNKNOWN, "left_mb": 1200.0, "rich": True}
    assert [*read_words(read)] == [
        "is_low stands for left_mb < low",
        "low stands for 500",
        "hours_left is left_mb / mb: left_mb = 1,200, mb = 0",
    ]


def test_bounds_and_fading_are_told() -> None:
    row = {"context": {"wish": 0.5, "mb": 0.0}, "segments": []}
    assert [*read_words(read_of(BOOK, "subscriber", "wish > 0.4", row))] == [
        "wish is mb / 4.0, between 0 and 1.5, and where that falls, fading by half in 3d: mb = 0"
    ]
