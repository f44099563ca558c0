"""Decisions: equal to those by hand, however ticks are cut, batches ordered and subjects spread over shards."""

import random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.decision.by_hand import HOUR, ByHand, Cap, Choice, Policy, Trigger, batch_of, plan_of
from transforms.decision.decide import decide

TICKS = 60  # of six hours: 15 days, over the end of a month and a change of clocks
START = 1_774_483_200_000  # 2026-03-26T00:00:00Z
TICK = 6 * HOUR

periods = st.one_of(st.integers(1, 8).map(lambda ticks: ticks * TICK), st.sampled_from(["day", "week", "month"]))
caps = st.builds(
    Cap,
    max=st.integers(1, 3),
    period=periods,
    family=st.sampled_from([None, None, "f", "g"]),
    channel=st.sampled_from([None, None, "app", "sms"]),
)
choices = st.builds(
    Choice,
    name=st.sampled_from("abcde"),
    triggers=st.lists(st.sampled_from("tuv"), min_size=1, unique=True).map(tuple),
    family=st.sampled_from("fg"),
    send=st.lists(st.sampled_from(["app", "sms", "push"]), min_size=1, unique=True).map(tuple),
    priority=st.sampled_from([1, 5, 5]),
    value=st.sampled_from([None, 1.0, 1.0, 2.0]),
    p_accept=st.sampled_from([0.5, 0.5, 1.0, 1.5]),
    cost=st.sampled_from([0.0, 0.25]),
    least_x=st.sampled_from([None, None, 1, 2]),
    cooldown=st.integers(0, 6).map(lambda ticks: ticks * TICK),
)
policies = st.builds(
    Policy,
    choices=st.lists(choices, min_size=1, max_size=4, unique_by=lambda choice: choice.name).map(tuple),
    caps=st.lists(caps, max_size=3).map(tuple),
    time_zone=st.sampled_from(["UTC", "Europe/Helsinki", "America/Havana"]),
    tick=st.just(TICK),
)
ys = st.sampled_from([None, float("nan"), float("inf"), 1e300, 1.0, 1.0, 2.0, 0.0000005, -3.0])
ticks = st.integers(1, TICKS).map(lambda n: START + n * TICK)
triggers = st.builds(
    Trigger,
    subject=st.sampled_from("pq"),
    trigger=st.sampled_from("tuv"),
    tick=ticks,
    x=st.sampled_from([None, 0, 1, 2]),
    y=ys,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Policy, list[Trigger]]:
    """Draw a policy, and triggers that at least one of its offers names."""
    policy = draw(policies)
    named = {name for choice in policy.choices for name in choice.triggers}
    found = draw(st.lists(triggers, max_size=60, unique_by=lambda one: (one.subject, one.trigger, one.tick)))
    return policy, [one for one in found if one.trigger in named]


def told(decisions: pa.Table) -> list[dict[str, Any]]:
    """Return decisions as `ByHand` tells them."""
    keys = ("decision_id", "action", "offer", "channel", "value_micros", "reason")
    return [
        {key: row[key] for key in keys}
        | {
            "candidates": [
                (one["offer"], one["channel"], one["value_micros"], [gate["reason"] for gate in one["gates"]])
                for one in row["candidates"]
            ]
        }
        for row in decisions.to_pylist()
    ]


@given(cases())
@settings(max_examples=400, deadline=None)
def test_decisions_equal_those_by_hand(case: tuple[Policy, list[Trigger]]) -> None:
    policy, found = case
    decided = decide(plan_of(policy), None, [batch_of(found)], START + TICKS * TICK)
    assert told(decided.decisions) == ByHand(policy).decide(found)


@given(cases(), st.lists(ticks, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_cuts_order_and_shards_do_not_matter(
    case: tuple[Policy, list[Trigger]], cuts: list[int], chance: random.Random
) -> None:
    policy, found = case
    plan, end = plan_of(policy), START + TICKS * TICK
    whole = decide(plan, None, [batch_of(found)], end)
    chance.shuffle(found)
    tables, states = [], []
    for subject in "pq":
        state, waiting = None, [batch_of([one]) for one in found if one.subject == subject]
        for upto in [*sorted(cuts), end]:
            decided = decide(plan, state, waiting, upto)
            state, waiting = decided.state, decided.waiting
            tables.append(decided.decisions)
        assert not waiting
        states.append(decide(plan, state, [], end).state)
    order = [(name, "ascending") for name in ("tick", "subject_kind", "subject", "decision_id")]
    assert repr(pa.concat_tables(tables).sort_by(order).to_pylist()) == repr(whole.decisions.to_pylist())  # NaN
    alone = [decide(plan, None, [batch_of(one for one in found if one.subject == s)], end).state for s in "pq"]
    assert states == alone
