"""Facts: what expressions see of segments at other levels, from when until when."""

import pytest

from tests.transforms.decision.small_policies import HOUR, Fact, Offer, Policy, Trigger, batches_of, facts_of, plan_of
from transforms.decision.decide import decide
from transforms.decision.ledger_state import dump

HOME, FIRM = ("household", "h"), ("sme", "f")
AT_HOME = {"in_root": HOME, "household": "h", "sme": "f"}


def at(*ticks: int) -> list[Trigger]:
    return [Trigger("anna", tick=tick * HOUR, **AT_HOME) for tick in ticks]


def told(tick: int, member: bool = True, **given: str) -> Fact:
    """Return a fact about `household.worker` of household h, told to its root."""
    return Fact(HOME, given.get("segment", "household.worker"), given.get("subject", "h"), member, tick * HOUR)


def members(only: str, triggers: list[Trigger], facts: list[Fact]) -> list[bool]:
    """Return for each trigger, by tick, whether the segment was seen."""
    plan = plan_of(Policy((Offer("a", only=only),)))
    decided = decide(plan, None, [*batches_of(triggers), facts_of(facts)], 2**52)
    return [reason is None for reason in decided.decisions["reason"].to_pylist()]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([], [False, False, False], id="nothing was told"),
        pytest.param([told(2)], [False, True, True], id="from its tick on"),
        pytest.param([told(1), told(3, False)], [True, True, False], id="until it ends"),
        pytest.param([told(3, False), told(2), told(1, False)], [False, True, False], id="whatever the order"),
        pytest.param([told(1, subject="k")], [False, False, False], id="of another household"),
        pytest.param([told(1, segment="household.other")], [False, False, False], id="of another segment"),
        pytest.param([Fact(FIRM, "household.worker", "h", True, 0)], [False, False, False], id="of another root"),
        pytest.param([told(2, False), told(2)], [False, True, True], id="of two at one tick the membership counts"),
        pytest.param([told(2), told(2, False)], [False, True, True], id="and in the other order"),
    ],
)
def test_when_a_membership_is_seen(facts: list[Fact], expected: list[bool]) -> None:
    assert members("household.worker", at(1, 2, 3), facts) == expected


TO_ANNA = Trigger("h", tick=HOUR, kind="household", to="anna", **AT_HOME)
FACTS = [
    Fact(HOME, "household.g", "h", True, 0),
    Fact(HOME, "sme.g", "f", True, 0),
    Fact(HOME, "subscriber.g", "anna", True, 0),
]


@pytest.mark.parametrize(
    ("trigger", "only", "expected"),
    [
        pytest.param(at(1)[0], "household.g", True, id="a subscriber's household"),
        pytest.param(at(1)[0], "sme.g", True, id="a subscriber's SME"),
        pytest.param(at(1)[0], "subscriber.g", False, id="its own segments are those recorded with the trigger"),
        pytest.param(Trigger("anna", tick=HOUR, in_root=HOME), "household.g", False, id="in no household"),
        pytest.param(TO_ANNA, "subscriber.g", True, id="the recipient's own segments"),
        pytest.param(TO_ANNA, "sme.g", True, id="the recipient's SME"),
        pytest.param(TO_ANNA, "household.g", False, id="a household's own are those recorded with the trigger"),
    ],
)
def test_whose_membership_is_seen(trigger: Trigger, only: str, expected: bool) -> None:
    assert members(only, [trigger], FACTS) == [expected]


def test_a_fact_that_comes_too_late_acts_from_the_first_open_tick_unless_a_newer_one_is_known() -> None:
    plan = plan_of(Policy((Offer("a", only="household.worker"),)))
    closed = decide(plan, None, [facts_of([told(3)])], 5 * HOUR)
    older = decide(plan, closed.ledger, [facts_of([told(2, False)]), *batches_of(at(6))], 6 * HOUR)
    newer = decide(plan, closed.ledger, [facts_of([told(4, False)]), *batches_of(at(6))], 6 * HOUR)
    assert [made.decisions["action"].to_pylist() for made in (older, newer)] == [["offer"], ["no_offer"]]


def test_facts_of_later_ticks_wait_and_wake() -> None:
    plan = plan_of(Policy((Offer("a", only="household.worker"),)))
    early = decide(plan, None, [facts_of([told(2)])], HOUR)
    assert (early.wake, early.counts["pending"]) == (2 * HOUR, 0)
    later = decide(plan, early.ledger, [*early.waiting, *batches_of(at(2))], 2 * HOUR)
    assert (later.decisions["action"].to_pylist(), later.wake) == (["offer"], None)


def test_the_state_forgets_memberships_that_ended() -> None:
    plan = plan_of(Policy(()))
    member, nobody = (decide(plan, None, [facts_of(facts)], HOUR).ledger for facts in ([told(1)], []))
    ended = decide(plan, member, [facts_of([told(2, False)])], 2 * HOUR).ledger
    assert len(member.memberships) > len(nobody.memberships)
    assert dump(ended) == dump(decide(plan, nobody, [], 2 * HOUR).ledger)
