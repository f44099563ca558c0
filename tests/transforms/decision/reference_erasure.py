"""What a contact root forgets where somebody is erased, by hand."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.transforms.decision.reference_ledger import Ledger
from tests.transforms.decision.reference_policy import Fact, Notice, Root, Trigger
from tests.transforms.decision.reference_told import Told

NOBODY = ""
"""Stands for names in what still counts."""


@dataclass(frozen=True)
class Erasure:
    """Somebody, and the tick at which it acts before all else."""

    tick: int
    who: Root

    @property
    def id(self) -> str:
        """Its id."""
        return " ".join(self.who)

    @property
    def cause(self) -> tuple[str, str, int]:
        """What a withdrawal says of it."""
        return ("erasure", self.id, self.tick)


def names(trigger: Trigger, who: Root) -> bool:
    """Tell whether a trigger is about somebody, under its root, or for it."""
    return who in (trigger.root, (trigger.kind, trigger.subject), ("subscriber", trigger.recipient))


def told_without(told: Told, one: Erasure) -> Told:
    """Return what a root is told, without what it was told of somebody until then."""

    def gone(item: Fact | Notice, subject: Root) -> bool:
        return item.tick < one.tick and one.who in (item.root, subject)

    facts = [item for item in told.facts if not gone(item, (item.segment.split(".")[0], item.subject))]
    notices = [item for item in told.notices if not gone(item, (item.subject_kind, item.subject))]
    return Told(facts, notices)


def forget(ledger: Ledger, root: Root, who: Root) -> None:
    """Forget the ledger of somebody; what was sent to it, or for it, under another root still counts, without names."""
    if who == root:
        ledger.entries.clear()
        ledger.known.clear()
        ledger.others.clear()
    ledger.known = {key for key in ledger.known if key[:2] != who}
    ledger.others = {key: reports for key, reports in ledger.others.items() if key[:2] != who}
    ledger.entries = [one for one in ledger.entries if one.decision is not None or one.subject != who]
    for entry in ledger.entries:
        if who in (entry.subject, ("subscriber", entry.recipient)):
            entry.subject = (who[0], NOBODY) if entry.subject == who else entry.subject
            entry.recipient = NOBODY if ("subscriber", entry.recipient) == who else entry.recipient
            entry.decision = None if entry.decision is None else NOBODY
            entry.read = (None, entry.read[1])


def number(places: Iterable[tuple[int, int]], resets: Iterable[int]) -> list[int]:
    """Number records at ticks, those of erasures with rank 0; after such at some ticks they begin anew."""
    found, count, left = list[int](), 0, sorted(set(resets))
    for tick, rank in places:
        while left and (left[0], 1) <= (tick, rank):
            count, left = 0, left[1:]
        count += 1
        found.append(count)
    return found
