"""Decisions: equal to those by hand, however ticks are cut, batches ordered and subjects spread over shards."""

import random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.decision.by_hand import HOUR, ByHand, Cap, Choice, Policy, Trigger, batch_of, plan_of
from transforms.decision.decide import decide

TICKS = 16  # of six hours: over a change of clocks, the end of a week and of a month
START = 1_774_699_200_000  # 2026-03-28T12:00:00Z
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
    send=st.lists(st.sampled_from(["app", "sms", "push"]), min_size=1, max_size=2, unique=True).map(tuple),
    priority=st.sampled_from([1, 5, 5]),
    value=st.sampled_from([None, 1.0, 1.0, 2.0]),
    p_accept=st.sampled_from([0.5, 0.5, 0.5, 0.5, 1.0, 1.5]),
    cost=st.sampled_from([0.0, 0.25]),
    least_x=st.sampled_from([None, None, None, 1]),
    cooldown=st.integers(0, 6).map(lambda ticks: ticks * TICK),
)
policies = st.builds(
    Policy,
    choices=st.lists(choices, min_size=2, max_size=5, unique_by=lambda choice: choice.name).map(tuple),
    caps=st.lists(caps, max_size=4).map(tuple),
    time_zone=st.sampled_from(["UTC", "Europe/Helsinki", "America/Havana"]),
    tick=st.just(TICK),
)
ticks = st.integers(1, TICKS).map(lambda n: START + n * TICK)
STRANGE = (None, float("nan"), float("inf"), 1e300, 0.0000005, -3.0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Policy, list[Trigger]]:
    """Draw a policy, and a crowd of triggers that its offers name."""
    policy = draw(policies)
    named = {name for choice in policy.choices for name in choice.triggers}
    places = [("pq"[n % 2], name, START + n // 2 * TICK) for n in range(2, 2 * TICKS + 2) for name in sorted(named)]
    chance = draw(st.randoms(use_true_random=True))
    crowd = chance.sample(places, draw(st.integers(1, min(len(places), 60))))
    xs, ys = (None, 0, 1, 1, 1), (1.0, 1.0, 2.0, 2.0, 3.0)
    return policy, [
        Trigger(*place, chance.choice(xs), chance.choice(chance.choice((ys, ys, STRANGE)))) for place in crowd
    ]


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
@settings(max_examples=60, deadline=None)
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
