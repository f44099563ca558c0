"""What a contact root is told of memberships and of signals that the policy reads, by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.records import EVERYBODY, MOVED, TOO_LARGE
from tests.transforms.decision.reference_policy import Fact, Notice, Root

KEYS = {
    "consent": ("purpose", "channel"),
    "profile": (),
    "ticket": ("ticket_id",),
    "control": ("scope", "target"),
}


@dataclass(frozen=True)
class Told:
    """All that one contact root is ever told."""

    facts: Sequence[Fact]
    notices: Sequence[Notice]

    def member(self, segment: str, subject: str | None, tick: int) -> bool:
        """Tell whether a membership is held at a tick; of two facts of one tick the membership counts."""
        told = [
            (fact.tick, fact.member)
            for fact in self.facts
            if (fact.segment, fact.subject) == (segment, subject) and fact.tick <= tick
        ]
        return max(told, default=(0, False))[1]

    def moved(self, recipient: str | None, tick: int) -> bool:
        """Tell whether it is told at a tick that a subscriber has another contact root."""
        about = (f"subscriber.{MOVED}", recipient, tick)
        return any((fact.segment, fact.subject, fact.tick) == about for fact in self.facts)

    def resized(self, root: Root, tick: int) -> bool:
        """Tell whether a root is told at a tick that it is too large, or is so no more."""
        about = (f"{root[0]}.{TOO_LARGE}", root[1], tick)
        return any((fact.segment, fact.subject, fact.tick) == about for fact in self.facts)

    def rows(self, signal: str, subjects: Iterable[Root | None], tick: int) -> list[Notice]:
        """Return the rows that hold at a tick, one for each key of these subjects: the latest that has not lapsed."""
        whose, latest = set(subjects), dict[tuple[object, ...], Notice]()
        for notice in self.notices:
            whom = (notice.subject_kind, notice.subject)
            about = whom in whose or (signal == "control" and notice.subject == EVERYBODY)
            if notice.signal == signal and notice.tick <= tick and about:
                key = (*whom, *(notice.payload.get(name) for name in KEYS[signal]))
                latest[key] = max(latest.get(key, notice), notice, key=lambda one: one.holds(tick))
        return list(latest.values())
