"""Who reached which goal, by hand."""

from dataclasses import dataclass

from tests.transforms.decision.reference_policy import Notice, Policy, Root
from tests.transforms.decision.reference_told import Told


@dataclass(frozen=True)
class People:
    """Whose goals count for a trigger, or a decision: its subject, its recipient; of a group's own everybody there."""

    subject: Root
    recipient: str | None
    root: Root

    def did(self, notice: Notice) -> bool:
        """Tell whether a notice is by them."""
        whom = (notice.subject_kind, notice.subject)
        everybody = self.subject == self.root and self.root[0] != "subscriber"
        return everybody or whom in (self.subject, ("subscriber", self.recipient))


def own_tick(policy: Policy, notice: Notice) -> int:
    """Return the first tick after the time of a notice."""
    return (notice.time // policy.tick + 1) * policy.tick


def reached(told: Told, offer: str, people: People, tick: int) -> list[Notice]:
    """Return the notices up to a tick that somebody reached the goal of an offer, the earliest first."""
    goals = [one for one in told.notices if one.signal == "goal" and one.payload["offer"] == offer]
    return sorted((one for one in goals if one.tick <= tick and people.did(one)), key=lambda one: one.order)
