"""What must hold in every world: each invariant looks at the signals and at what was published, at nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.check.answered import wrong_answers
from pipelines.check.counted import broken_caps, broken_cooldowns
from pipelines.check.drawn import wrong_chances, wrong_draws, wrong_shares
from pipelines.check.known import Known
from pipelines.check.played import Played, Row
from pipelines.check.reached import reached_before
from pipelines.check.seen import (
    late_offers,
    losing_offers,
    off_channel,
    paused_offers,
    quiet_offers,
    sales_with_tickets,
    without_consent,
)
from pipelines.check.withdrawn import wrong_withdrawals

Found = Iterator[tuple[Row, str]]
"""The decisions that break an invariant, and how."""


@dataclass(frozen=True)
class Invariant:
    """One invariant.

    Attributes:
        name: Its name.
        says: What must hold.
        broken: Yields what breaks it.
        met: How often it mattered: whatever it forbids was about to happen, and did not.
    """

    name: str
    says: str
    broken: Callable[[Known, Played], Found]
    met: Callable[[Played], int]


def _gate(name: str) -> Callable[[Played], int]:
    """Count the triggers that a gate held up."""
    return lambda played: sum(_stopped(row, name) for row in played.answers)


def _stopped(row: Row, name: str) -> bool:
    gates = (gate for one in row["candidates"] for gate in one["gates"])
    return any(gate["gate"] == name and gate["result"] != "passed" for gate in gates)


def _for_reason(name: str) -> Callable[[Played], int]:
    return lambda played: sum(
        any(gate["reason"] == name for one in row["candidates"] for gate in one["gates"]) for row in played.answers
    )


def _with_action(name: str) -> Callable[[Played], int]:
    return lambda played: sum(row["action"] == name for row in played.decisions)


def _explored(played: Played) -> int:
    return sum(row["propensity"] < 1 for row in played.reserved)


EVERY = (
    Invariant("consent", "no offer without the consent that it needs", without_consent, _gate("consent")),
    Invariant("caps", "no cap is exceeded", broken_caps, _gate("caps")),
    Invariant("cooldown", "nothing is offered again too soon", broken_cooldowns, _gate("cooldown")),
    Invariant("quiet hours", "nobody is contacted in quiet hours", quiet_offers, _gate("quiet")),
    Invariant(
        "holdouts", "nothing is sent to who is held out, and nobody else is", wrong_draws, _with_action("holdout")
    ),
    Invariant("share", "a share goes only to those who are drawn", wrong_shares, _for_reason("not_in_share")),
    Invariant("exploration", "what explores is drawn as the policy says, its chance told", wrong_chances, _explored),
    Invariant("channel", "nobody is sent anything by a channel that is not theirs", off_channel, _gate("channel")),
    Invariant("pause", "nothing is sent while it is paused", paused_offers, _gate("paused")),
    Invariant("tickets", "nothing is sold while a ticket forbids it", sales_with_tickets, _gate("ticket")),
    Invariant("goals", "who did what it is for is not asked again", reached_before, _for_reason("goal_reached")),
    Invariant("answers", "each trigger has one final answer", wrong_answers, lambda played: len(played.answers)),
    Invariant("losses", "nothing is sent at a loss", losing_offers, _for_reason("below_zero")),
    Invariant("age", "nothing is sent for what is too old", late_offers, _gate("freshness")),
    Invariant("withdrawals", "what is overtaken is withdrawn, once", wrong_withdrawals, _with_action("withdrawn")),
)
