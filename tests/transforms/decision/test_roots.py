"""Contact roots: households and SMEs as customers, one ledger for all who share a root."""

from typing import Any

import pytest

from tests.transforms.decision.reference_policy import too_large
from tests.transforms.decision.small_policies import (
    HOUR,
    Cap,
    Offer,
    Policy,
    Trigger,
    batches_of,
    facts_of,
    plan_of,
)
from transforms.decision.decide import decide

DAY = 24 * HOUR
HOME, FIRM = ("household", "h"), ("sme", "f")
COOLED, CAPPED, MOVED = ("no_offer", "cooldown"), ("no_offer", "cap_0"), ("no_offer", "moved")


def answers(policy: Policy, *triggers: Trigger) -> list[tuple[str, str | None]]:
    """Return, in the order of the triggers, who got the offer, or the action, and the reason of each decision."""
    rows = decide(plan_of(policy), None, batches_of(triggers), 2**52).decisions.to_pylist()
    found = {
        row["decision_id"]: (f"to {row['recipient']}" if row["offer"] else row["action"], row["reason"]) for row in rows
    }
    return [found[trigger.id()] for trigger in triggers]


def to(who: str) -> tuple[str, None]:
    return f"to {who}", None


def anna(tick: int, **given: Any) -> Trigger:
    return Trigger("anna", tick=tick, in_root=HOME, **given)


def ben(tick: int, **given: Any) -> Trigger:
    return Trigger("ben", tick=tick, in_root=HOME, **given)


def home(tick: int, to: str | None) -> Trigger:
    return Trigger("h", tick=tick, kind="household", to=to, in_root=HOME)


def firm(tick: int, to: str | None, **given: Any) -> Trigger:
    return Trigger("f", tick=tick, kind="sme", to=to, **given)


COOLING = Policy((Offer("a", cooldown=DAY),))


@pytest.mark.parametrize(
    ("policy", "triggers", "expected"),
    [
        pytest.param(
            COOLING,
            [anna(HOUR), ben(2 * HOUR), anna(3 * HOUR), anna(HOUR + DAY)],
            [to("anna"), to("ben"), COOLED, to("anna")],
            id="a cooldown is of each member",
        ),
        pytest.param(
            COOLING,
            [home(HOUR, "anna"), anna(2 * HOUR), home(3 * HOUR, "ben")],
            [to("anna"), to("anna"), COOLED],
            id="a cooldown is of the household, whoever got it",
        ),
        pytest.param(
            Policy((Offer("a"),), (Cap(2, DAY, per="household"),)),
            [anna(HOUR), home(2 * HOUR, "ben"), ben(3 * HOUR), ben(HOUR + DAY)],
            [to("anna"), to("ben"), CAPPED, to("ben")],
            id="a cap of a household counts all of its members",
        ),
        pytest.param(
            Policy((Offer("a"),), (Cap(1, DAY),)),
            [anna(HOUR), home(2 * HOUR, "anna"), ben(3 * HOUR), home(4 * HOUR, "ben")],
            [to("anna"), CAPPED, to("ben"), CAPPED],
            id="a cap of a subscriber counts what it got for others too",
        ),
        pytest.param(
            Policy((Offer("a"),), (Cap(1, DAY, per="household"),)),
            [Trigger("cleo", tick=HOUR), Trigger("cleo", tick=2 * HOUR), firm(3 * HOUR, "dan"), firm(4 * HOUR, "dan")],
            [to("cleo"), to("cleo"), to("dan"), to("dan")],
            id="a cap of a household leaves other roots alone",
        ),
        pytest.param(
            Policy((Offer("a"),), (Cap(1, DAY, per="sme"),)),
            [firm(HOUR, "dan"), Trigger("eve", tick=2 * HOUR, in_root=FIRM), firm(3 * HOUR, "ben", in_root=HOME)],
            [to("dan"), CAPPED, to("ben")],
            id="a cap of an SME counts by the root: an owner with a household has that one's ledger",
        ),
        pytest.param(
            Policy((Offer("a"),), (Cap(1, DAY, per="household"),)),
            [firm(HOUR, "ben", in_root=HOME), anna(2 * HOUR)],
            [to("ben"), CAPPED],
            id="what an SME sends to a member counts for the household",
        ),
        pytest.param(
            Policy((Offer("a"),)),
            [home(HOUR, None), firm(HOUR, None)],
            [("no_offer", "no_recipient"), ("no_offer", "no_recipient")],
            id="nobody to send to",
        ),
        pytest.param(
            COOLING,
            [anna(hour * HOUR, moved_until=3 * HOUR) for hour in (1, 2, 3)],
            [MOVED, MOVED, to("anna")],
            id="who has moved is left alone until then",
        ),
        pytest.param(
            Policy((Offer("a", least_x=1, cooldown=DAY),)),
            [anna(HOUR, x=1), anna(2 * HOUR, x=0, moved_until=3 * HOUR)],
            [to("anna"), MOVED],
            id="moved is told before the other gates",
        ),
        pytest.param(
            Policy((Offer("a", ("t",), value=9.0), Offer("b", ("u",))), (Cap(1, DAY, per="household"),)),
            [anna(HOUR), ben(HOUR, trigger="u"), Trigger("cleo", "u", HOUR, in_root=HOME, moved_until=2 * HOUR)],
            [to("anna"), ("outranked", "cap_0"), MOVED],
            id="members outrank one another; who has moved lost nothing",
        ),
    ],
)
def test_who_shares_a_root(policy: Policy, triggers: list[Trigger], expected: list[tuple[str, str | None]]) -> None:
    assert answers(policy, *triggers) == expected


def test_a_ledger_outlives_the_call() -> None:
    plan = plan_of(Policy((Offer("a", cooldown=DAY),), (Cap(2, DAY, per="household"),)))
    first = decide(plan, None, batches_of([anna(HOUR), home(HOUR, "ben")]), HOUR)
    later = decide(plan, first.ledger, batches_of([anna(2 * HOUR), ben(2 * HOUR)]), 2 * HOUR)
    assert first.decisions["action"].to_pylist() == ["offer", "offer"]
    assert dict(zip(*later.decisions.select(["subject", "reason"]).to_pydict().values(), strict=True)) == {
        "anna": "cooldown",
        "ben": "cap_0",
    }


def test_a_record_says_whose_ledger_answered_and_who_was_reached() -> None:
    plan = plan_of(Policy((Offer("a"),)))
    triggers = [firm(HOUR, "ben", in_root=HOME), firm(2 * HOUR, None)]
    rows = decide(plan, None, batches_of(triggers), 2**52).decisions.to_pylist()
    names = ("subject_kind", "subject", "root_kind", "root", "recipient_kind", "recipient")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("sme", "f", "household", "h", "subscriber", "ben"),
        ("sme", "f", "sme", "f", None, None),
    ]
    assert [len(row["candidates"]) for row in rows] == [1, 0]


LARGE = [too_large(HOME, True, 3 * HOUR), too_large(HOME, False, 6 * HOUR)]  # from 3:00 to 6:00


@pytest.mark.parametrize(
    "ends", [(24,), (1, 2, 3, 4, 5, 6, 7, 24), (4, 6, 24)], ids=["one call", "by the hour", "some"]
)
@pytest.mark.parametrize(
    ("caps", "triggers", "expected"),
    [
        pytest.param(
            (Cap(2, DAY, per="household"),),
            [anna(HOUR), ben(2 * HOUR), anna(3 * HOUR), ben(5 * HOUR), home(6 * HOUR, "anna"), anna(7 * HOUR)],
            ["household", "household", "subscriber", "subscriber", CAPPED, CAPPED],
            id="no cap of the household while it is too large; then all counts",
        ),
        pytest.param(
            (Cap(1, DAY),),
            [anna(2 * HOUR), anna(3 * HOUR), ben(4 * HOUR), ben(6 * HOUR)],
            ["household", CAPPED, "subscriber", CAPPED],
            id="a cap of a subscriber counts before, meanwhile and after",
        ),
        pytest.param(
            (Cap(1, DAY, per="household"), Cap(1, DAY)),
            [anna(4 * HOUR), ben(4 * HOUR), firm(4 * HOUR, "anna", in_root=HOME, trigger="u")],
            ["subscriber", "subscriber", ("outranked", "cap_1")],
            id="strangers do not outrank one another, but one's own triggers do",
        ),
        pytest.param(
            (Cap(1, DAY, per="sme"),),
            [firm(4 * HOUR, "dan"), firm(5 * HOUR, None), firm(6 * HOUR, "eve")],
            ["sme", ("no_offer", "no_recipient"), CAPPED],
            id="another root is as it was",
        ),
    ],
)
def test_members_of_a_group_that_is_too_large_are_roots_of_their_own(
    caps: tuple[Cap, ...], triggers: list[Trigger], expected: list[Any], ends: tuple[int, ...]
) -> None:
    choices = (Offer("a", value=9.0), Offer("b", ("u",)))
    plan, state, waiting = plan_of(Policy(choices, caps)), None, [*batches_of(triggers), facts_of(LARGE)]
    told = {}
    for end in ends:
        decided = decide(plan, state, waiting, end * HOUR)
        state, waiting = decided.ledger, decided.waiting
        for row in decided.decisions.to_pylist():
            sent = row["root_kind"] if row["offer"] else (row["action"], row["reason"])
            told[row["decision_id"]] = sent
            assert row["root"] == row["recipient"] or row["root_kind"] != "subscriber"
    assert [told[trigger.id()] for trigger in triggers] == expected
