"""What a record says of a look at a trigger, by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.transforms.decision.reference_gates import Candidate, Gate, Look
from tests.transforms.decision.reference_ledger import Entry

Decision = dict[str, Any]
Cause = tuple[str | None, str | None, int | None]
"""What overtook an offer: the type of the signal, its id and time."""
Judged = list[tuple[Candidate, list[Gate]]]
"""The candidates of a look, the best first, with what each gate says."""
IN_FULL = 32
"""So many candidates are recorded in full."""


@dataclass(frozen=True)
class Lines:
    """What is recorded of candidates: of the first ones all, of the others how many by what shuts them out."""

    candidates: list[tuple[Any, ...]] = field(default_factory=list)
    others: list[tuple[str | None, int]] = field(default_factory=list)


def lines_of(look: Look, judged: Judged, ledger: Sequence[Entry]) -> Lines:
    """Return what is recorded of candidates, as of a ledger."""
    reads = "read" in look.policy.says
    full = judged[:IN_FULL] if "others" in look.policy.says else judged
    found: list[tuple[Any, ...]] = []
    for one, gates in full:
        told = [(*gate, look.read(gate[0], gate[2], one, ledger)) for gate in gates] if reads else gates
        found.append((one.offer.name, one.channel, one.micros, told))
    others = Counter(_shut_by(gates) for _, gates in judged[len(full) :])
    return Lines(found, sorted(others.items(), key=lambda one: (one[0] is not None, one[0])))


def _shut_by(gates: list[Gate]) -> str | None:
    for wanted in ("blocked", "deferred"):
        for _, result, reason, _ in gates:
            if result == wanted:
                return reason
    return None


def decision_of(look: Look, action: str, reason: str | None, lines: Lines | None = None) -> Decision:
    """Return a decision that sends nothing."""
    lines, known = lines or Lines(), action != "withdrawn"
    more = {
        "propensity": None,
        "valid_until": None,
        "others": lines.others,
        "zone": look.profile("zone") if known else None,
        "channels": look.profile("channels") if known else None,
        "consents": _consents(look) if known else [],
    }
    return {name: value for name, value in more.items() if name in look.policy.says} | {
        "decision_id": look.id,
        "n": look.n,
        "tick": look.tick,
        "trigger_tick": look.trigger.own,
        "root": look.root,
        "action": action,
        "offer": None,
        "channel": None,
        "value_micros": None,
        "reason": reason,
        "cause": None,
        "until": None,
        "arm": None,
        "candidates": lines.candidates,
    }


def _consents(look: Look) -> list[tuple[Any, ...]]:
    rows = look.told.rows("consent", (look.recipient,), look.tick)
    told = [tuple(row.payload.get(name) for name in ("purpose", "channel", "state", "valid_until")) for row in rows]
    return sorted(told, key=lambda one: (one[0], one[1] is not None, one[1]))
