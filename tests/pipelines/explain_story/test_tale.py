"""A trigger that waits, wakes and is withdrawn is one story."""

from pipelines.explain_story.tale import tale_lines, tales
from tests.pipelines.explain_story.rows import NOON, decision, sent

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


def test_own_channels_come_first() -> None:
    shown = sent("topup", NIGHT, channel="inbound", valid_until=MORNING)
    gone = shown | {"tick": MORNING, "action": "withdrawn", "reason": "expired"}
    pushed = sent("topup", MORNING, trigger_tick=NIGHT, n=1)
    came = decision(tick=MORNING, trigger_tick=NIGHT, n=1, reason="came_in")
    assert [line.partition("  [id")[0] for line in tale_lines([shown, gone, pushed])] == [
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
