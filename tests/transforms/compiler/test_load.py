"""The plan of a level: in which order its conditions are evaluated, and what cannot be ordered."""

import pytest

from schemas.playbook_file import parse_playbook
from transforms.compiler.compile_level import PlanErrors
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plan

BOOK = """
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments:
"""


def _plan(*segments: str) -> ContextPlan:
    return load_plan(parse_playbook(BOOK + "\n".join(f"    {segment}" for segment in segments)))


def test_a_segment_comes_after_those_that_go_before_it_in_its_set() -> None:
    plan = _plan(
        "last:   {enter: n > 0, exclusive: set, priority: 3}",
        "free:   {enter: NOT last}",
        "middle: {enter: n > 1, exclusive: set, priority: 2}",
        "first:  {enter: n > 2, exclusive: set, priority: 1}",
    )
    assert [[segment.name for segment in stratum.segments] for stratum in plan.strata] == [
        ["first"],
        ["middle"],
        ["last"],
        ["free"],
    ]
    assert {segment.name: segment.above for segment in plan.segments}["last"] == ("first", "middle")


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        (("a: {enter: NOT b}", "b: {enter: NOT a}"), "a circle"),
        (
            ("a: {enter: NOT b, exclusive: set, priority: 1}", "b: {enter: n > 1, exclusive: set, priority: 2}"),
            "also waits for those that go before it in its set",
        ),
    ],
)
def test_a_circle_is_refused(segments: tuple[str, ...], told: str) -> None:
    with pytest.raises(PlanErrors, match=r"`[ab]` reads `[ab]` reads `[ab]`: a circle") as caught:
        _plan(*segments)
    assert told in str(caught.value)
