"""A trigger that waits, wakes and is withdrawn is one story."""

from typing import Any

import pytest

from pipelines.explain_story.tale import tale_lines, tales
from pipelines.explain_story.why_not import why_not_lines
from tests.pipelines.explain_story.rows import NOON, candidate, decision, gate, sent

NIGHT, MORNING, LATER = (f"2026-03-0{day}:00:00.000Z" for day in ("2T21", "3T08", "3T09"))


def test_waits_wake_ups_and_withdrawals_are_one_story() -> None:
    first = decision(tick=NIGHT, action="deferred", reason="quiet", until=MORNING)
    woken = sent("topup", MORNING, trigger_tick=NIGHT, n=1)
    gone = sent("topup", LATER, trigger_tick=NIGHT, n=1) | {"action": "withdrawn", "reason": "paused"}
    other = decision(tick=MORNING, trigger="subscriber.heavy", action="deferred", reason="open_ticket")
    found = tales([first, other, woken, gone])
    assert [len(tale) for tale in found] == [3, 1]
    assert [line.partition("  [id")[0] for tale in found for line in tale_lines(tale)] == [
        f"  {NIGHT}  subscriber.running_out: deferred until {MORNING}: quiet (it is quiet for the channel where the "
        "recipient is)",
        f"    {MORNING}  woken (1): topup by app, value 0.8, until 2026-03-09T00:00:00.000Z",
        f"    {LATER}  withdrawn topup by app: paused (a `control` pauses the offer, its family, its channel or "
        "everything, for this customer or for all)",
        f"  {MORNING}  subscriber.heavy: deferred until something opens it: open_ticket (a ticket is as "
        "`no_sales_while` says)",
    ]


SINCE = "2026-03-03T08:59:30.000Z"


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (None, ""),
        ({"signal": "control", "by": "ops-1", "since": SINCE}, "; by `control` ops-1 of 2026-03-03 08:59:30"),
        ({"signal": "order", "by": "O-7", "since": SINCE}, "; by `order` O-7 of 2026-03-03 08:59:30"),
        ({"signal": "erasure", "by": "E-7", "since": LATER}, "; by `erasure` E-7 acting from 2026-03-03 09:00"),
        ({"signal": None, "by": None, "since": LATER}, "; its time was over at 2026-03-03 09:00"),
        ({"signal": "consent", "by": None, "since": None}, "; no `consent` is known"),
    ],
)
def test_a_withdrawal_tells_its_cause(cause: Any, told: str) -> None:
    gone = sent("topup", LATER, trigger_tick=NIGHT) | {"action": "withdrawn", "reason": "paused", "cause": cause}
    (line,) = tale_lines([gone])
    assert line.partition("  [id")[0].partition(" or for all)")[2] == told


def test_own_channels_come_first() -> None:
    shown = sent("topup", NIGHT, channel="inbound", valid_until=MORNING)
    gone = shown | {"tick": MORNING, "action": "withdrawn", "reason": "expired"}
    pushed = sent("topup", MORNING, trigger_tick=NIGHT, n=1)
    came = decision(tick=MORNING, trigger_tick=NIGHT, n=1, reason="came_in")
    assert [line.partition("  [id")[0] for line in tale_lines(*tales([shown, pushed, gone]))] == [
        f"  {NIGHT}  subscriber.running_out: topup on own channels, value 0.8, until {MORNING}",
        f"    {MORNING}  withdrawn topup on own channels: expired (it was on own channels for as long as it was valid)",
        f"    {MORNING}  after own channels (1): topup by app, value 0.8, until 2026-03-09T00:00:00.000Z",
    ]
    assert [line.partition("  [id")[0] for line in tale_lines([shown, came])][1:] == [
        f"    {MORNING}  after own channels (1): no offer: came_in (the customer came while it was on own channels, so "
        "nothing is pushed)"
    ]


def test_a_holdout_and_a_late_trigger_are_told() -> None:
    held = sent("topup", NIGHT, action="holdout", holdout="global", trigger_tick=NOON)
    (line,) = tale_lines([held])
    told = "held out by global (nothing is sent, to compare with), else topup by app"
    assert line == f"  {NIGHT}  subscriber.running_out, of {NOON}: {told}  [id 2026-]"


ARMS = [candidate("big", gate("caps", "cap")), candidate("topup", gate("caps")), candidate("day_pass", gate("caps"))]


@pytest.mark.parametrize(
    ("offer", "propensity", "told"),
    [
        ("topup", None, ""),
        ("topup", 1.0, ""),
        ("topup", 0.95, "; the best, chosen with probability 95 %"),
        ("day_pass", 0.05, "; explored: chosen with probability 5 %, the best was topup by app"),
    ],
)
def test_what_was_explored_is_told(offer: str, propensity: float | None, told: str) -> None:
    row = sent(offer, NOON, candidates=ARMS, propensity=propensity)
    (line,) = tale_lines([row])
    assert line.endswith(f"{offer} by app, value 0.8, until 2026-03-09T00:00:00.000Z{told}  [id 2026-]")
    (held,) = tale_lines([row | {"action": "holdout", "holdout": "global"}])
    assert held.endswith(f"else {offer} by app{told}  [id 2026-]")


@pytest.mark.parametrize(
    ("offer", "sent_", "told"),
    [
        ("topup", "day_pass", "topup passed every gate, and day_pass was explored instead"),
        ("day_pass", "topup", "day_pass passed every gate, and topup goes before it"),
    ],
)
def test_why_not_what_was_not_explored(offer: str, sent_: str, told: str) -> None:
    met = [{"offer": offer, "channels": ["app"], "gates": [gate("caps")]}]
    one = {"decision": sent(sent_, NOON, candidates=ARMS, propensity=0.5), "gates": met}
    lines = why_not_lines("subscriber/ann", {"offer": offer, "decisions": [one], "triggers": [], "unknown": None})
    assert f"    {told}" in [*lines]
