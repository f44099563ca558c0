"""Gates, one case each: who is let through when, and what the record says."""

from typing import Any

import pytest

from tests.transforms.decision.small_policies import HOUR, Cap, Offer, Policy, Trigger, batch_of, batches_of, plan_of
from transforms.decision.decide import decide

DAY = 24 * HOUR
MONDAY = 1_767_571_200_000  # 2026-01-05T00:00:00Z
LAST_SUNDAY_OF_MARCH = 1_774_735_200_000  # 2026-03-28T22:00:00Z, midnight in Helsinki; a day of 23 hours


def answers(policy: Policy, *triggers: Trigger) -> list[tuple[str, str | None]]:
    """Return the offer and channel, or the action, and the reason of each decision."""
    rows = decide(plan_of(policy), None, batches_of(triggers), 2**52).decisions.to_pylist()
    return [(f"{row['offer']}/{row['channel']}" if row["offer"] else row["action"], row["reason"]) for row in rows]


def at(*ticks: int, **given: Any) -> list[Trigger]:
    return [Trigger(tick=tick, **given) for tick in ticks]


ONE = (Offer("a"),)
SENT = ("a/app", None)
CAP = ("no_offer", "cap_0")


@pytest.mark.parametrize(
    ("policy", "ticks", "expected"),
    [
        pytest.param(
            Policy((Offer("a", cooldown=DAY),)),
            [MONDAY, MONDAY + DAY - HOUR, MONDAY + DAY],
            [SENT, ("no_offer", "cooldown"), SENT],
            id="a cooldown is over exactly when its time has passed",
        ),
        pytest.param(
            Policy((Offer("a", cooldown=DAY),)),
            [MONDAY, MONDAY + 23 * HOUR, MONDAY + 24 * HOUR, MONDAY + 47 * HOUR],
            [SENT, ("no_offer", "cooldown"), SENT, ("no_offer", "cooldown")],
            id="a blocked trigger does not prolong a cooldown",
        ),
        pytest.param(
            Policy(ONE, (Cap(2, DAY),)),
            [MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR, MONDAY + DAY, MONDAY + DAY + HOUR],
            [SENT, SENT, CAP, SENT, SENT],
            id="a rolling cap counts its period without the beginning",
        ),
        pytest.param(
            Policy(ONE, (Cap(1, "day"),)),
            [MONDAY, MONDAY + DAY - HOUR, MONDAY + DAY],
            [SENT, CAP, SENT],
            id="a day",
        ),
        pytest.param(
            Policy(ONE, (Cap(1, "day"),), "Europe/Helsinki"),
            [MONDAY, MONDAY + 21 * HOUR, MONDAY + 22 * HOUR, MONDAY + DAY],
            [SENT, CAP, SENT, CAP],
            id="a local day",
        ),
        pytest.param(
            Policy(ONE, (Cap(1, "day"),), "Europe/Helsinki"),
            [LAST_SUNDAY_OF_MARCH, LAST_SUNDAY_OF_MARCH + 22 * HOUR, LAST_SUNDAY_OF_MARCH + 23 * HOUR],
            [SENT, CAP, SENT],
            id="the day on which clocks go forward has 23 hours",
        ),
        pytest.param(
            Policy(ONE, (Cap(1, "week"),)),
            [MONDAY - HOUR, MONDAY, MONDAY + 7 * DAY - HOUR, MONDAY + 7 * DAY],
            [SENT, SENT, CAP, SENT],
            id="weeks start on Monday",
        ),
        pytest.param(
            Policy(ONE, (Cap(1, "month"),)),
            [MONDAY, MONDAY + 27 * DAY - HOUR, MONDAY + 27 * DAY],
            [SENT, CAP, SENT],
            id="a month",
        ),
        pytest.param(
            Policy((Offer("a", send=("sms", "app")),), (Cap(1, DAY, channel="sms"),)),
            [MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR],
            [("a/sms", None), SENT, SENT],
            id="a cap on a channel leaves the next channel",
        ),
        pytest.param(
            Policy((Offer("a", value=9.0), Offer("b", family="g")), (Cap(1, DAY, family="f"),)),
            [MONDAY, MONDAY + HOUR],
            [SENT, ("b/app", None)],
            id="a cap on a family leaves the others",
        ),
        pytest.param(
            Policy((Offer("a", cooldown=DAY),), (Cap(1, DAY),)),
            [MONDAY, MONDAY + HOUR],
            [SENT, ("no_offer", "cooldown")],
            id="the reason is the first gate that blocks",
        ),
    ],
)
def test_gates_over_time(policy: Policy, ticks: list[int], expected: list[tuple[str, str | None]]) -> None:
    assert answers(policy, *at(*ticks)) == expected


@pytest.mark.parametrize(
    ("policy", "given", "expected"),
    [
        pytest.param(Policy((Offer("a", least_x=1),)), {"x": 0}, ("no_offer", "not_eligible"), id="not eligible"),
        pytest.param(
            Policy((Offer("a", least_x=1),)), {"x": None}, ("no_offer", "not_eligible"), id="NULL is not true"
        ),
        pytest.param(Policy((Offer("a", value=None),)), {"y": None}, ("no_offer", "no_value"), id="no value"),
        pytest.param(Policy((Offer("a", value=None),)), {"y": 1e300}, ("no_offer", "no_value"), id="beyond Int64"),
        pytest.param(Policy((Offer("a", p_accept=1.01),)), {}, ("no_offer", "no_value"), id="no probability"),
        pytest.param(Policy((Offer("a", value=1.0), Offer("b", value=1.1))), {}, ("b/app", None), id="the best value"),
        pytest.param(
            Policy((Offer("a", priority=1), Offer("b", value=99.0))), {}, SENT, id="a tier goes before any value"
        ),
        pytest.param(
            Policy((Offer("a", value=5.0, least_x=1), Offer("b"))),
            {},
            ("b/app", None),
            id="the best that is eligible",
        ),
        pytest.param(
            Policy((Offer("a", value=1.0, cost=0.8), Offer("b", value=1.0, p_accept=0.1))),
            {},
            ("b/app", None),
            id="value is expected, less cost",
        ),
        pytest.param(Policy((Offer("a", send=("z", "y")),)), {}, ("a/z", None), id="the preferred channel"),
        pytest.param(Policy((Offer("a", value=-5.0),)), {}, SENT, id="a loss is the analyst's choice"),
    ],
)
def test_the_choice_of_one_trigger(policy: Policy, given: dict[str, Any], expected: tuple[str, str | None]) -> None:
    assert answers(policy, *at(MONDAY, **given)) == [expected]


def test_what_loses_to_another_of_its_tick_is_outranked() -> None:
    policy = Policy((Offer("a", ("t",)), Offer("b", ("u",), value=2.0)), (Cap(1, "day"),))
    both = [Trigger(trigger="t", tick=MONDAY), Trigger(trigger="u", tick=MONDAY)]
    assert sorted(answers(policy, *both)) == [("b/app", None), ("outranked", "cap_0")]
    before = Trigger(trigger="t", tick=MONDAY - HOUR)
    capped = Policy(policy.choices, (Cap(1, DAY),))
    assert sorted(answers(capped, before, *both)) == [("a/app", None), CAP, CAP]


def test_one_root_does_not_see_another() -> None:
    policy = Policy((Offer("a", cooldown=DAY),))
    assert answers(policy, *at(MONDAY, subject="p"), *at(MONDAY, subject="q")) == [SENT, SENT]


@pytest.mark.parametrize("choices", [(), (Offer("a", triggers=("u",)),)])
def test_a_trigger_that_no_offer_names_any_more_gets_none(choices: tuple[Offer, ...]) -> None:
    assert answers(Policy(choices), *at(MONDAY)) == [("no_offer", None)]


@pytest.mark.parametrize("only", ["member", "subscriber.member"])
def test_memberships_are_in_scope(only: str) -> None:
    both = [Trigger(subject="p", member=True, tick=MONDAY), Trigger(subject="q", tick=MONDAY)]
    assert answers(Policy((Offer("a", only=only),)), *both) == [SENT, ("no_offer", "not_eligible")]


def test_what_comes_after_its_tick_closed_is_decided_at_the_next_and_marked() -> None:
    plan = plan_of(Policy((Offer("a", cooldown=DAY),)))
    first = decide(plan, None, [batch_of(at(MONDAY))], MONDAY)
    same = decide(plan, first.ledger, [batch_of(at(MONDAY - DAY))], MONDAY)
    assert (same.decisions.num_rows, same.counts["pending"]) == (0, 1)
    later = decide(plan, same.ledger, same.waiting, MONDAY + HOUR)
    row = later.decisions.to_pylist()[0]
    assert (row["tick"].timestamp() * 1000, row["late"], row["reason"]) == (MONDAY + HOUR, True, "cooldown")
    assert row["decision_id"] == at(MONDAY - DAY)[0].id()


def test_a_record_is_complete() -> None:
    plan = plan_of(Policy((Offer("a", send=("app", "sms"), least_x=1, cooldown=DAY),), (Cap(1, DAY),)))
    sent, blocked = decide(plan, None, [batch_of(at(MONDAY, MONDAY + HOUR, x=7))], 2**52).decisions.to_pylist()
    assert {
        name: sent[name]
        for name in ("subject_kind", "subject", "root_kind", "root", "recipient_kind", "recipient", "trigger", "late")
    } == {
        "subject_kind": "subscriber",
        "subject": "s",
        "root_kind": "subscriber",
        "root": "s",
        "recipient_kind": "subscriber",
        "recipient": "s",
        "trigger": "t",
        "late": False,
    }
    assert (sent["action"], sent["message"], sent["params"], sent["value_micros"]) == (
        "offer",
        "marketing",
        '{"x":7}',
        500_000,
    )
    assert (sent["valid_until"] - sent["tick"]).total_seconds() == 3600
    assert (sent["evidence"], sent["segments"], sent["context"]) == ({"x": 7}, [], {"x": 7, "y": 1.0})
    assert (sent["playbook"], sent["version"], sent["playbook_hash"], sent["mode"]) == ("test", 3, "0" * 32, "live")
    assert [blocked[name] for name in ("offer", "channel", "message", "valid_until", "params", "value_micros")] == [
        None
    ] * 6
    read = {"by": sent["decision_id"], "since": sent["tick"]}
    assert blocked["candidates"] == [
        {
            "offer": "a",
            "channel": channel,
            "priority": 5,
            "value_micros": 500_000,
            "p_accept": 0.5,
            "p_accept_assumed": False,
            "gates": [
                {"gate": "moved", "result": "passed", "reason": None, "until": None, "read": None},
                {"gate": "eligibility", "result": "passed", "reason": None, "until": None, "read": None},
                {"gate": "cooldown", "result": "blocked", "reason": "cooldown", "until": None, "read": read},
                {"gate": "caps", "result": "blocked", "reason": "cap_0", "until": None, "read": read},
            ],
        }
        for channel in ("app", "sms")
    ]


def test_the_state_forgets_what_no_limit_can_see() -> None:
    plan = plan_of(Policy((Offer("a", cooldown=DAY),)))
    ledgers = [decide(plan, None, [batch_of(at(MONDAY))], MONDAY + hours * HOUR).ledger for hours in (0, 23, 24, 99)]
    assert [len(ledger.reservations) for ledger in ledgers] == [1, 1, 0, 0]
