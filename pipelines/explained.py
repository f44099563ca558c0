"""What a run wrote about one subject, as a record and as text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

from pipelines.explain_story.gates import gate_lines
from pipelines.explain_story.tale import address, answer, is_best, tale_lines, tales
from pipelines.explain_story.values import Row, aligned, dotted, money, pairs, shown
from pipelines.explain_story.why_not import why_not_lines
from schemas.visible import visible_values

LATELY = 10
"""How many transitions, and stories of decisions, the text shows."""


@dataclass(frozen=True)
class Story:
    """All that a run wrote about one subject up to a time, each part by time.

    Attributes:
        subject: KIND/ID.
        context: The latest row of `contexts`, with the columns of its kind of subject; None before the first.
        members: Segment to the tick at which the subject entered it.
        transitions: Rows of `transitions`, the evidence as a mapping.
        decisions: Rows of `decisions` about the subject, and of those about its groups that would have reached it;
            those that were outranked with `went_out`: what their contact root got at that tick, or was held
            out from, and for whom.
        erased: The tick of its last erasure, None for none; what was written before is still told.
        removed: How many rows of what that erasure removed.
        explained: The decision that is explained, with the evidence of its own condition only, and `told`: what
            else there is to say of it as a whole; None for none.
        gates: Of each of its candidates, what it met at each gate, in words too.
        why_not: Why an offer was not made, where that was asked.
    """

    subject: str
    context: Row | None
    members: Mapping[str, str]
    transitions: Sequence[Row]
    decisions: Sequence[Row]
    erased: str | None = None
    removed: Mapping[str, int] = field(default_factory=dict)
    explained: Row | None = None
    gates: Sequence[Row] = ()
    why_not: Row | None = None

    def record(self) -> dict[str, Any]:
        """Return the story as values that JSON knows."""
        return asdict(self)

    def text(self) -> str:
        """Return the story as text: context, memberships, what happened, decisions, and why the one that is explained.

        Where it was asked why an offer was not made, that alone.
        """
        parts = self.parts()
        chosen = [parts["subject"], parts["why_not"]] if self.why_not else parts.values()
        return "\n\n".join("\n".join(lines) for lines in chosen if lines) + "\n"

    def parts(self) -> dict[str, list[str]]:
        """Return the parts of the text by name, each as lines, all of them visible; empty where there is nothing."""
        return Story(**visible_values(vars(self)))._parts()

    def _parts(self) -> dict[str, list[str]]:
        told = tales(self.decisions)
        listed = [
            tale for number, tale in enumerate(told, LATELY - len(told)) if number >= 0 or self._is_explained(tale)
        ]
        lately = [*_more(len(told) - len(listed)), *chain.from_iterable(map(tale_lines, listed))]
        members = [f"  {name}  since {since}" for name, since in self.members.items()]
        happened = map(_transition, self.transitions[-LATELY:])
        return {
            "subject": [self.subject, *self._erasure()],
            "context": [*_context(self.context)] if self.context else ["no context was written yet"],
            "segments": ["segments", *members] if members else [],
            "lately": ["lately", *_more(len(self.transitions) - LATELY), *happened] if self.transitions else [],
            "decisions": ["decisions", *lately] if lately else ["no decisions"],
            "why": [*_why(self.explained, self.gates, self._gone())] if self.explained else [],
            "why_not": [*why_not_lines(self.subject, self.why_not)] if self.why_not else [],
        }

    def _is_explained(self, tale: Sequence[Row]) -> bool:
        return self.explained is not None and any(row["decision_id"] == self.explained["decision_id"] for row in tale)

    def _gone(self) -> Row | None:
        """Return what withdrew the decision that is explained."""
        return next((row for row in self.decisions if row["action"] == "withdrawn" and self._is_explained([row])), None)

    def _erasure(self) -> Iterator[str]:
        if self.erased:
            removed = (
                ", ".join(f"{name} {rows:,}" for name, rows in self.removed.items()) or "nothing, for none was kept"
            )
            yield f"erased at {self.erased}; removed from memory: {removed}"
            yield "what the outputs told of it before stays until they are rewritten"


def _context(row: Row) -> Iterator[str]:
    yield f"context at {row['tick']}"
    yield from aligned((f"  {name}", shown(value)) for name, value in dotted(row["context"]))


def _transition(row: Row) -> str:
    late = ", late" if row["late"] else ""
    reason = f" ({row['reason']})" if row["reason"] else ""
    read = f": {pairs(row['evidence'].items())}" if row["evidence"] else ""
    return f"  {row['tick']}  {row['name']} {row['event']}{reason}{late}{read}"


def _more(left: int) -> list[str]:
    return [f"  … and {left:,} more"] if left > 0 else []


def _why(row: Row, gates: Sequence[Row], gone: Row | None) -> Iterator[str]:
    """Tell of a decision what made it, how each candidate fared, and what each met at each gate."""
    yield f"why {answer(row)}"
    yield f"  {row['trigger']}{address(row)} at {row['tick']}: {pairs(dotted(row['evidence'] or {}))}"
    if row.get("traceparent"):
        yield f"  trace: {row['traceparent']}"
    yield from aligned(_candidate(row, candidate) for candidate in row["candidates"])
    yield from (f"  {line}" for line in row.get("told") or ())
    if gone:
        yield f"  {gone['tick']}: {answer(gone)}"
    yield f"  decision {row['decision_id']}, {row['playbook']} version {row['version']}, {row['mode']}"
    yield from ["", "gates", *gate_lines(gates)] if gates else []


def _candidate(row: Row, candidate: Row) -> tuple[str, ...]:
    shut = [_gate(gate) for gate in candidate["gates"] if gate["result"] != "passed"]
    sent = (row["offer"], row["channel"]) == (candidate["offer"], candidate["channel"])
    fate = ", ".join(shut) if shut else f"passed, {'' if is_best(row, candidate) else 'not '}the best"
    assumed = " assumed" if candidate["p_accept_assumed"] else ""
    return (
        f"  {candidate['offer']} by {candidate['channel']}",
        f"priority {candidate['priority']}",
        f"value {money(candidate['value_micros'])}",
        f"p_accept {shown(candidate['p_accept'])}{assumed}",
        ("held out" if row["action"] == "holdout" else "sent") if sent else fate,
    )


def _gate(gate: Row) -> str:
    """Return what shut a gate, and until when if somebody waits for it."""
    until = f" until {gate['until'] or 'something opens it'}" if gate["result"] == "deferred" else ""
    return f"{gate['result']}: {gate['reason']}{until}"
