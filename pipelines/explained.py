"""What a run wrote about one subject, as a record and as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.visible import visible_values

LATELY = 10
"""How many transitions and decisions the text shows."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Story:
    """All that a run wrote about one subject up to a time, each part by time.

    Attributes:
        subject: KIND/ID.
        context: The latest row of `contexts`, with the columns of its kind of subject; None before the first.
        members: Segment to the tick at which the subject entered it.
        transitions: Rows of `transitions`, the evidence as a mapping.
        decisions: Rows of `decisions` about the subject, and of those about its groups that would have reached it;
            those that were outranked with `went_out`: what their contact root got at that tick, and for whom; the last
            with the evidence of its own condition only.
        erased: The tick of its last erasure, None for none; what was written before is still told.
        removed: How many rows of what that erasure removed.
    """

    subject: str
    context: Row | None
    members: Mapping[str, str]
    transitions: Sequence[Row]
    decisions: Sequence[Row]
    erased: str | None = None
    removed: Mapping[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the story as values that JSON knows."""
        return asdict(self)

    def text(self) -> str:
        """Return the story as text: context, memberships, what happened, decisions, and why the last one."""
        return Story(**visible_values(vars(self)))._text()

    def _text(self) -> str:
        parts = [
            [self.subject, *self._erasure()],
            [*_context(self.context)] if self.context else ["no context was written yet"],
            ["segments", *(f"  {name}  since {since}" for name, since in self.members.items())] if self.members else [],
            ["lately", *map(_transition, self.transitions[-LATELY:])] if self.transitions else [],
            ["decisions", *map(_decision, self.decisions[-LATELY:])] if self.decisions else ["no decisions"],
            [*_why(self.decisions[-1])] if self.decisions else [],
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"

    def _erasure(self) -> Iterator[str]:
        if self.erased:
            removed = (
                ", ".join(f"{name} {rows:,}" for name, rows in self.removed.items()) or "nothing, for none was kept"
            )
            yield f"erased at {self.erased}; removed from memory: {removed}"
            yield "what the outputs told of it before stays until they are rewritten"


def _context(row: Row) -> Iterator[str]:
    yield f"context at {row['tick']}"
    yield from _aligned((f"  {name}", _value(value)) for name, value in dotted(row["context"]))


def dotted(values: Row) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those of a struct under its name and a dot."""
    for name, value in values.items():
        inner = value.items() if isinstance(value, dict) else []
        yield from ((f"{name}.{key}", each) for key, each in inner)
        yield from [] if inner else [(name, value)]


def _transition(row: Row) -> str:
    late = ", late" if row["late"] else ""
    reason = f" ({row['reason']})" if row["reason"] else ""
    read = f": {_values(row['evidence'].items())}" if row["evidence"] else ""
    return f"  {row['tick']}  {row['name']} {row['event']}{reason}{late}{read}"


def _decision(row: Row) -> str:
    return f"  {row['tick']}  {row['trigger']}{_address(row)}: {_answer(row)}"


def _address(row: Row) -> str:
    """Return who is meant, to whom it would go and whose ledger answers, as far as that is not the same."""
    subject, recipient, root = (
        row[name] and f"{row[f'{name}_kind']}/{row[name]}" for name in ("subject", "recipient", "root")
    )
    parts = [
        *([f"of {subject}", f"to {recipient or 'nobody'}"] if recipient != subject else []),
        *([f"contact root {root}"] if root != subject else []),
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _answer(row: Row) -> str:
    if row["action"] == "offer":
        return (
            f"{row['offer']} by {row['channel']}, value {_value(row['value_micros'] / 1e6)}, until {row['valid_until']}"
        )
    if row["action"] == "holdout":
        return f"held out by {row['holdout']}, else {row['offer']} by {row['channel']}"
    if row["action"] == "deferred":
        return f"deferred until {row['until'] or 'something opens it'}: {row['reason']}"
    if row["action"] == "outranked":
        return f"outranked; at that tick went out {', '.join(row['went_out'])}"
    return f"no offer: {row['reason']}"


def _why(row: Row) -> Iterator[str]:
    """Tell of a decision what made it and how each candidate fared."""
    yield f"why {_answer(row)}"
    yield f"  {row['trigger']}{_address(row)} at {row['tick']}: {_values(dotted(row['evidence']))}"
    yield from _aligned(_candidate(row, candidate) for candidate in row["candidates"])
    yield f"  decision {row['decision_id']}, {row['playbook']} version {row['version']}, {row['mode']}"


def _candidate(row: Row, candidate: Row) -> tuple[str, ...]:
    shut = [_gate(gate) for gate in candidate["gates"] if gate["result"] != "passed"]
    sent = (row["offer"], row["channel"]) == (candidate["offer"], candidate["channel"])
    fate = ", ".join(shut) if shut else "passed, not the best"
    assumed = " assumed" if candidate["p_accept_assumed"] else ""
    value = candidate["value_micros"]
    return (
        f"  {candidate['offer']} by {candidate['channel']}",
        f"priority {candidate['priority']}",
        f"value {_value(None if value is None else value / 1e6)}",
        f"p_accept {_value(candidate['p_accept'])}{assumed}",
        ("held out" if row["action"] == "holdout" else "sent") if sent else fate,
    )


def _gate(gate: Row) -> str:
    """Return what shut a gate, and until when if somebody waits for it."""
    until = f" until {gate['until'] or 'something opens it'}" if gate["result"] == "deferred" else ""
    return f"{gate['result']}: {gate['reason']}{until}"


def _values(pairs: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in pairs)


def _value(value: Any) -> str:
    """Return a value with all its digits: those that decide may be the last."""
    return "NULL" if value is None else f"{value:,}".removesuffix(".0") if isinstance(value, float) else str(value)


def _aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = [*rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
