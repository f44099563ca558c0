"""The reference: its ledger, who shares a tick, turns and holdouts, worked by hand from the specification."""

from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import (
    DAY,
    HOUR,
    Cap,
    Fact,
    Holdout,
    Notice,
    Offer,
    Policy,
    Trigger,
    too_large,
)
from tests.transforms.decision.reference_words import (
    CAPPED,
    CAPS,
    COOLED,
    COOLS,
    EVERY,
    FIRST,
    HOME,
    MONDAY,
    REJECTABLE,
    REPORTS,
    SENT,
    SILENT,
    WAITS,
    A,
    answers,
    at,
    brought,
    case_of,
    contact,
    decide,
    outcome,
    profile,
)


@pytest.mark.parametrize(
    ("policy", "hours", "told", "expected"),
    [
        pytest.param(Policy((COOLS,)), [0, 2, 3], [], [SENT, COOLED, SENT], id="a cooldown of an offer"),
        pytest.param(
            Policy((A,), cooldowns={"f": (3 * HOUR, 0)}),
            [0, 2, 3],
            [],
            [SENT, ("no_offer", "cooldown_family", None), SENT],
            id="a cooldown of a family",
        ),
        pytest.param(
            Policy((REJECTABLE,), listed=EVERY),
            [0, 1, 2, 5, 6],
            [outcome(2, FIRST, "declined")],
            [SENT, SENT, *[("no_offer", "cooldown_after_rejection", None)] * 2, SENT],
            id="after a rejection, from the tick of the decision",
        ),
        pytest.param(
            Policy((A,), cooldowns={"f": (0, 6 * HOUR)}, listed=EVERY),
            [0, 5, 6],
            [outcome(2, FIRST, "rejected")],
            [SENT, ("no_offer", "cooldown_family_after_rejection", None), SENT],
            id="of a family, after a rejection",
        ),
        pytest.param(
            Policy((REJECTABLE,), listed=EVERY), [0, 3], [outcome(2, FIRST, "accepted")], [SENT] * 2, id="accepted"
        ),
        pytest.param(REPORTS, [0, 1, 2], [contact(2, FIRST, "failed")], [SENT, COOLED, SENT], id="a failure releases"),
        pytest.param(
            CAPS,
            [0, 2, 3],
            [contact(1, FIRST, "failed"), contact(2, FIRST, "sent")],
            [SENT, CAPPED, CAPPED],
            id="what was released is committed again, as of its own tick",
        ),
        pytest.param(
            CAPS,
            [0, 1, 3, 4],
            [contact(1, FIRST, "failed"), contact(3, FIRST, "sent")],
            [SENT, SENT, CAPPED, CAPPED],
            id="and until then something else was sent",
        ),
        pytest.param(SILENT, [0, 1, 2], [], [SENT, COOLED, SENT], id="silence releases"),
        pytest.param(
            SILENT, [0, 2], [contact(2, FIRST, "seen")], [SENT, COOLED], id="a report at the last tick counts"
        ),
        pytest.param(SILENT, [0, 2], [outcome(1, FIRST, "ignored")], [SENT, COOLED], id="an outcome is a report"),
        pytest.param(
            replace(SILENT, offers=(replace(A, cooldown=9 * HOUR),)),
            [0, 4, 9],
            [contact(3, FIRST, "sent")],
            [SENT, COOLED, SENT],
            id="a report after silence commits again",
        ),
        pytest.param(CAPS, [1, 4, 5], [contact(1, None, "sent")], [CAPPED, CAPPED, SENT], id="a contact of others"),
        pytest.param(CAPS, [1], [contact(1, None, "failed")], [SENT], id="one that failed never counts"),
        pytest.param(CAPS, [1], [contact(1, None, "sent", message="care")], [SENT], id="one of another purpose"),
        pytest.param(
            CAPS,
            [4, 5],
            [contact(1, "else", "sent", id="x"), contact(3, "else", "sent", time=1, id="x")],
            [CAPPED, SENT],
            id="told twice it counts once",
        ),
        pytest.param(CAPS, [1], [brought(1, "accepted")], [CAPPED], id="what somebody brings along was a contact"),
        pytest.param(CAPS, [1], [outcome(1, "x", "accepted")], [SENT], id="an outcome of others alone is none"),
        pytest.param(CAPS, [1], [brought(1, "failed")], [SENT], id="nor is one that failed"),
        pytest.param(
            CAPS,
            [1, 2, 3],
            [brought(1, "seen"), brought(1, "opened"), contact(2, "x", "failed"), contact(3, "x", "sent")],
            [CAPPED, SENT, CAPPED],
            id="of one decision the last report says whether it counts",
        ),
        pytest.param(
            Policy((A,), (Cap(1, 4 * HOUR, ("f",)),), listed=EVERY),
            [1],
            [brought(1, "seen", offer="a")],
            [CAPPED],
            id="its family is that of its offer",
        ),
        pytest.param(
            Policy((replace(A, message="care"),), (Cap(1, 4 * HOUR, message="care"),), listed=EVERY),
            [1],
            [contact(1, "x", "sent", offer="a")],
            [CAPPED],
            id="and so is its purpose",
        ),
        pytest.param(
            Policy((REJECTABLE,), listed=EVERY),
            [5, 6],
            [contact(0, "x", "sent", offer="a"), outcome(2, "x", "declined")],
            [("no_offer", "cooldown_after_rejection", None), SENT],
            id="what is known of another is rejected",
        ),
        pytest.param(
            REPORTS, [2, 3], [contact(0, None, "sent", offer="a")], [COOLED, SENT], id="contacts of others cool offers"
        ),
        pytest.param(
            Policy((COOLS,), (Cap(1, DAY), Cap(1, "day"))),
            [0, 1],
            [],
            [SENT, COOLED],
            id="the first gate is the reason",
        ),
        pytest.param(
            Policy((A,), (Cap(2, "day"), Cap(1, HOUR * 2))),
            [0, 1, 2, 3, 24],
            [],
            [SENT, ("no_offer", "cap_1", None), SENT, CAPPED, SENT],
            id="the first cap that is full is the reason",
        ),
        pytest.param(
            Policy((A,), (Cap(9, "day"),), listed=EVERY),
            [0],
            [profile(zone="")],
            [("no_offer", "unknown_zone", None)],
            id="nobody knows the day where the zone is none",
        ),
    ],
)
def test_the_ledger(policy: Policy, hours: list[int], told: list[Notice], expected: list[tuple[Any, ...]]) -> None:
    assert [tuple(rest) for _, *rest in answers(policy, at(*hours), told)] == expected


ANNA, BEN = ({"subject": name, "in_root": HOME} for name in ("anna", "ben"))


@pytest.mark.parametrize(
    ("policy", "triggers", "told", "expected"),
    [
        pytest.param(
            Policy((A,)),
            [*at(1, **ANNA), *at(1, **BEN)],
            [],
            ["offer", "outranked same_tick"],
            id="the same offer is made once a tick in a household",
        ),
        pytest.param(
            Policy((replace(A, wait=HOUR),)),
            [*at(1, **ANNA), *at(1, **BEN)],
            [],
            ["deferred same_tick", "offer", "offer"],
            id="another waits a tick",
        ),
        pytest.param(
            Policy((A,)),
            [*at(1, **ANNA), *at(1, **BEN)],
            [too_large(HOME, True, MONDAY)],
            ["offer", "offer"],
            id="not of one that is too large",
        ),
        pytest.param(
            Policy((WAITS,), (Cap(1, 4 * HOUR, per="household"),)),
            [*at(1, **ANNA), *at(2, **BEN)],
            [too_large(HOME, True, MONDAY + 3 * HOUR)],
            ["deferred cap_0", "offer", "offer"],
            id="who waits for a cap of a group gets it when that is too large",
        ),
        pytest.param(
            Policy((WAITS,), (Cap(1, 4 * HOUR, per="household"), Cap(1, 4 * HOUR))),
            [*at(1, 2, **BEN)],
            [too_large(HOME, True, MONDAY + 3 * HOUR), too_large(HOME, False, MONDAY + 4 * HOUR)],
            ["deferred cap_0", "offer", "offer"],
            id="looks at which its size opens nothing are silent",
        ),
        pytest.param(
            Policy((A, Offer("b", ("u",), value=2.0)), (Cap(1, "day"),)),
            [*at(1), *at(1, trigger="u")],
            [],
            ["offer", "outranked cap_0"],
            id="who loses to another is outranked",
        ),
        pytest.param(
            Policy((WAITS, Offer("b", ("u",), value=2.0)), (Cap(1, 2 * HOUR),)),
            [*at(1), *at(1, trigger="u")],
            [],
            ["deferred cap_0", "offer", "offer"],
            id="unless it waits",
        ),
        pytest.param(
            Policy((A,)), at(1, kind="household", subject="h"), [], ["no_offer no_recipient"], id="nobody to reach"
        ),
    ],
)
def test_who_shares_a_tick(
    policy: Policy, triggers: list[Trigger], told: list[Fact | Notice], expected: list[str]
) -> None:
    found = [f"{one['action']} {one['reason'] or ''}".strip() for one in decide(policy, triggers, told)]
    assert sorted(found) == sorted(expected)


def test_turns_are_by_tier_value_and_id() -> None:
    offers = (Offer("a", ("t",), value=9.0), Offer("b", ("u",), priority=1, value=0.1), Offer("c", ("v",), least_x=1))
    policy = Policy((*offers, Offer("d", ("w",), value=9.0)), (Cap(2, "day"),))
    made = decide(policy, [one for name in "tuvw" for one in at(1, trigger=name)])
    first, second = sorted(
        (one.id(), name) for one, name in ((at(1, trigger="t")[0], "a"), (at(1, trigger="w")[0], "d"))
    )
    assert {one["offer"] for one in made} == {"b", first[1], None}
    lost = next(one for one in made if one["action"] == "outranked")
    assert lost["decision_id"] == second[0]


def test_holdouts_are_nested() -> None:
    policy = Policy((COOLS,))
    held = []
    for share in (0.0, 0.1, 0.3, 1.0):
        arms = (Holdout("z", share), Holdout("global", share / 4), Holdout("a", share, family="g"))
        drawn = replace(policy, holdouts=arms)
        made = [case_of(drawn, at(0, 1, subject=f"s{number}")).decide()[0]["arm"] for number in range(200)]
        held.append({number for number, arm in enumerate(made) if arm})
        assert set(made) <= {"z", "global", None}
    assert held[0] < held[1] < held[2] < held[3]
    assert 5 <= len(held[1]) <= 40
    assert len(held[3]) == 200


def test_a_holdout_reserves_and_says_what_would_have_been_sent() -> None:
    policy = Policy((COOLS,))
    none = replace(policy, holdouts=(Holdout("all", 1.0),))
    assert [tuple(rest) for _, *rest in answers(none, at(0, 1))] == [("holdout", None, None), COOLED]
    held = decide(none, at(0))[0]
    assert (held["offer"], held["channel"], held["value_micros"], held["arm"]) == ("a", "app", 500_000, "all")
