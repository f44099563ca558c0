"""Decisions: the same however ticks are cut, batches ordered and subjects spread over shards; no cap is passed."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.decision.reference_policy import too_large
from tests.transforms.decision.small_policies import (
    HOUR,
    Cap,
    Fact,
    Offer,
    Policy,
    Trigger,
    batch_of,
    batches_of,
    facts_of,
    plan_of,
)
from transforms.decision.decide import decide
from transforms.decision.ledger_state import dump

TICKS = 16  # of six hours: over a change of clocks, the end of a week and of a month
START = 1_774_699_200_000  # 2026-03-28T12:00:00Z
TICK = 6 * HOUR

SEGMENTS = ("subscriber.g", "household.g", "sme.g")
HOME, FIRM = ("household", "h"), ("sme", "f")
PLACES: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("subscriber", "p"): [{}, {"in_root": HOME, "household": "h"}],
    ("subscriber", "q"): [{"in_root": HOME, "household": "h", "sme": "f"}, {"in_root": FIRM, "sme": "f"}],
    ("household", "h"): [{"to": "p", "household": "h"}, {"to": "q", "household": "h", "sme": "f"}, {}],
    ("sme", "f"): [{"to": "q", "in_root": HOME, "household": "h", "sme": "f"}, {"to": "q", "sme": "f"}, {}],
}
"""Where the subjects of a small world may be found at a tick, and whom their triggers reach."""
ROOTS = (HOME, FIRM, ("subscriber", "p"))

periods = st.one_of(st.integers(1, 8).map(lambda ticks: ticks * TICK), st.sampled_from(["day", "week", "month"]))
caps = st.builds(
    Cap,
    max=st.integers(1, 3),
    period=periods,
    family=st.sampled_from([None, None, "f", "g"]),
    channel=st.sampled_from([None, None, "app", "sms"]),
    per=st.sampled_from(["subscriber", "household", "sme"]),
)
choices = st.builds(
    Offer,
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
    only=st.sampled_from([*[None] * 6, "member", "household.member", *SEGMENTS]),
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
def cases(draw: st.DrawFn) -> tuple[Policy, list[Trigger], list[Fact]]:
    """Draw a policy, a crowd of triggers that its offers name, and what their roots are told."""
    policy = draw(policies)
    named = sorted({name for choice in policy.choices for name in choice.triggers})
    times = range(START + TICK, START + (TICKS + 1) * TICK, TICK)
    chance = draw(st.randoms(use_true_random=True))
    crowd = chance.sample([*product(PLACES, named, times)], draw(st.integers(1, 60)))
    told = chance.sample([*product(ROOTS, SEGMENTS, "pqhf", times)], draw(st.integers(0, 60)))
    sizes = chance.sample([*product((HOME, FIRM), times)], draw(st.integers(0, 8)))
    return (
        policy,
        [_trigger(chance, *one) for one in crowd],
        [Fact(*key, chance.random() < 0.7, at) for *key, at in told]
        + [too_large(root, chance.random() < 0.6, at) for root, at in sizes],
    )


def _trigger(chance: random.Random, who: tuple[str, str], name: str, tick: int) -> Trigger:
    xs, ys = (None, 0, 1, 1, 1), chance.choice(((1.0, 1.0, 2.0, 2.0, 3.0), (1.0, 2.0), STRANGE))
    given = {"moved_until": chance.choice((None, None, None, tick, tick + 1)), "member": chance.random() < 0.5}
    place = chance.choice(PLACES[who])
    return Trigger(who[1], name, tick, chance.choice(xs), chance.choice(ys), kind=who[0], **given, **place)


@given(cases(), st.lists(ticks, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_cuts_order_and_shards_do_not_matter(
    case: tuple[Policy, list[Trigger], list[Fact]], cuts: list[int], chance: random.Random
) -> None:
    policy, found, facts = case
    plan, end = plan_of(policy), START + TICKS * TICK
    whole = decide(plan, None, [*batches_of(found), facts_of(facts)], end)
    chance.shuffle(found)
    chance.shuffle(facts)
    tables = []
    for root in {each.root for each in found}:
        mine, told_ = [one for one in found if one.root == root], [one for one in facts if one.root == root]
        state, waiting = None, [*(batch_of([one]) for one in mine), *(facts_of([one]) for one in told_)]
        chance.shuffle(waiting)
        for upto in [*sorted(cuts), end]:
            decided = decide(plan, state, waiting, upto)
            state, waiting = decided.ledger, decided.waiting
            tables.append(decided.decisions)
        assert not waiting
        at_once = decide(plan, None, [*batches_of(mine), facts_of(told_)], end).ledger
        assert dump(decide(plan, state, [], end).ledger) == dump(at_once)
    order = [(name, "ascending") for name in ("tick", "subject_kind", "subject", "decision_id")]
    assert repr(pa.concat_tables(tables).sort_by(order).to_pylist()) == repr(whole.decisions.to_pylist())  # NaN


@given(cases(), st.integers(1, 3), st.integers(1, 8), st.sampled_from(["subscriber", "household", "sme"]))
@settings(max_examples=30)
def test_no_cap_is_ever_passed(
    case: tuple[Policy, list[Trigger], list[Fact]], most: int, length: int, per: str
) -> None:
    policy, found, facts = case
    capped = replace(policy, caps=(*policy.caps, Cap(most, length * TICK, per=per)))
    decided = decide(plan_of(capped), None, [*batches_of(found), facts_of(facts)], START + TICKS * TICK)
    ledgers, sent = {one.id(): one.root for one in found}, defaultdict(list)
    for row in decided.decisions.to_pylist():
        if row["action"] == "offer":
            ledger, at = ledgers[row["decision_id"]], row["tick"]
            whose = (ledger, row["recipient"] if per == "subscriber" else None)
            sent[whose].append(at)
            if per in ("subscriber", row["root_kind"]):
                assert sum(at - other < timedelta(milliseconds=length * TICK) for other in sent[whose]) <= most


@given(cases(), ticks, st.lists(ticks, max_size=3))
@settings(max_examples=20)
def test_what_is_of_the_past_is_as_if_it_never_was(
    case: tuple[Policy, list[Trigger], list[Fact]], since: int, cuts: list[int]
) -> None:
    policy, found, facts = case
    plan, end = plan_of(policy), START + TICKS * TICK
    asked = [one for one in found if one.tick >= since]
    wanted = decide(plan, None, [*batches_of(asked), facts_of(facts)], end).decisions
    state, waiting, tables, past = None, [*batches_of(found), facts_of(facts)], [], 0
    for upto in [*sorted(cuts), end]:
        decided = decide(replace(plan, decide_from=since), state, waiting, upto)
        state, waiting, past = decided.ledger, decided.waiting, past + decided.counts["past"]
        tables.append(decided.decisions)
    assert repr(pa.concat_tables(tables).to_pylist()) == repr(wanted.to_pylist())
    assert past == len(found) - len(asked)


def test_who_waits_in_a_state_of_before_is_not_answered() -> None:
    plan = plan_of(Policy((Offer("a", cooldown=8 * HOUR, wait=12 * HOUR),)))
    before = decide(plan, None, batches_of([Trigger(tick=2 * HOUR), Trigger(tick=3 * HOUR)]), 3 * HOUR)
    assert len(before.ledger.deferred or ()) == 1
    assert decide(plan, before.ledger, [], 14 * HOUR).counts["offer"] == 1
    after = decide(replace(plan, decide_from=4 * HOUR), before.ledger, [], 14 * HOUR)
    assert (after.decisions.num_rows, after.counts["past"], after.wake) == (0, 1, None)


def test_a_tick_before_an_earlier_one_decides_nothing() -> None:
    plan = plan_of(Policy((Offer("a", cooldown=HOUR),)))
    before = decide(plan, None, batches_of([Trigger(tick=5 * HOUR)]), 5 * HOUR)
    again = decide(plan, before.ledger, batches_of([Trigger("other", tick=2 * HOUR)]), 3 * HOUR)
    assert (dump(again.ledger), again.decisions.num_rows) == (dump(before.ledger), 0)
    assert again.wake == 6 * HOUR
    later = decide(plan, again.ledger, again.waiting, 6 * HOUR).decisions.to_pylist()
    assert [(row["action"], row["late"]) for row in later] == [("offer", True)]
