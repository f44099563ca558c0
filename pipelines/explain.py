"""Why a customer got an offer, or did not: told from the files of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.failures import UnknownSubjectError
from pipelines.report import instant
from transforms.context.erasures.tombstones import salted
from transforms.pseudonym_key import key_in_environment

OUTPUTS = ("contexts", "transitions", "decisions")

LAST = "9999"
"""Later than any instant in RFC 3339, which sort as text."""

LATELY = 10
"""How many transitions and decisions the text shows."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Story:
    """All that a run wrote about one subject up to a time, each part by time.

    Attributes:
        subject: KIND/ID.
        context: The latest row of `contexts`, None before the first.
        members: Segment to the tick at which the subject entered it.
        transitions: Rows of `transitions`, the evidence as a mapping.
        decisions: Rows of `decisions` about the subject, and of those about its groups that would have reached it.
        erased: The tick of its last erasure, None for none; what was written before is still told.
    """

    subject: str
    context: Row | None
    members: Mapping[str, str]
    transitions: Sequence[Row]
    decisions: Sequence[Row]
    erased: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the story as values that JSON knows."""
        return asdict(self)

    def text(self) -> str:
        """Return the story as text: context, memberships, what happened, decisions, and why the last one."""
        parts = [
            [self.subject, *([f"erased at {self.erased}; what follows was written before"] if self.erased else [])],
            [*_context(self.context)] if self.context else ["no context was written yet"],
            ["segments", *(f"  {name}  since {since}" for name, since in self.members.items())] if self.members else [],
            ["lately", *map(_transition, self.transitions[-LATELY:])] if self.transitions else [],
            ["decisions", *map(_decision, self.decisions[-LATELY:])] if self.decisions else ["no decisions"],
            [*_why(self.decisions[-1])] if self.decisions else [],
        ]
        return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def explain(out: str, subject: str, at: int | None = None) -> Story:
    """Read what a run wrote about a subject.

    Args:
        out: The directory of the run's outputs.
        subject: Its id, for a subscriber, or KIND/ID.
        at: Milliseconds; nothing after it is told. By default all is.

    Raises:
        FileNotFoundError: the run's Parquet outputs are not there.
        UnknownSubjectError: nothing at all is known of the subject.
    """
    kind, slash, name = subject.partition("/")
    kind, name = (kind, name) if slash else ("subscriber", subject)
    known = (pc.field("subject_kind") == kind) & (pc.field("subject") == name)
    reached = (pc.field("recipient_kind") == kind) & (pc.field("recipient") == name)
    filters = {"decisions": known | reached}
    everything = [_rows(f"{out}/{output}.parquet", filters.get(output, known)) for output in OUTPUTS]
    if not any(everything):
        raise UnknownSubjectError(f"{out} tells nothing of {kind}/{name}: no signals, or not in the sample")
    until = LAST if at is None else instant(at)
    contexts, transitions, decisions = ([row for row in rows if row["tick"] <= until] for rows in everything)
    transitions = [{**row, "evidence": row["evidence"] and json.loads(row["evidence"])} for row in transitions]
    erased = _erased(out, kind, name, until)
    context = contexts[-1] if contexts else None
    return Story(f"{kind}/{name}", context, _members(transitions), transitions, decisions, erased)


def _erased(out: str, kind: str, name: str, until: str) -> str | None:
    """Return the tick of the last erasure up to a time; receipts are found with the key by which they were hashed."""
    key = key_in_environment()
    if not key:
        return None
    mine = (pc.field("subject_kind") == kind) & (pc.field("subject") == salted(key, kind, name))
    ticks = (row["tick"] for row in _rows(f"{out}/receipts.parquet", mine))
    return max((tick for tick in ticks if tick <= until), default=None)


def _rows(path: str, filters: pc.Expression) -> list[Row]:
    rows: list[Row] = _plain(pq.read_table(path, filters=filters).to_pylist())
    return rows


def _plain(value: Any) -> Any:
    """Return a value with instants as RFC 3339."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(value, datetime) else value


def _members(transitions: Sequence[Row]) -> dict[str, str]:
    since: dict[str, str] = {}
    for row in transitions:
        if row["event"] == "entered":
            since[row["name"]] = row["tick"]
        elif row["event"] == "exited":
            since.pop(row["name"], None)
    return since


def _context(row: Row) -> Iterator[str]:
    yield f"context at {row['tick']}"
    yield from _aligned((f"  {name}", _value(value)) for name, value in _dotted(row["context"]))


def _dotted(values: Row) -> Iterator[tuple[str, Any]]:
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
    return "outranked by another offer of that tick" if row["action"] == "outranked" else f"no offer: {row['reason']}"


def _why(row: Row) -> Iterator[str]:
    """Tell of a decision what made it and how each candidate fared."""
    yield f"why {_answer(row)}"
    read = [(name, value) for name, value in _dotted(row["evidence"]) if value is not None]
    yield f"  {row['trigger']}{_address(row)} at {row['tick']}: {_values(read)}"
    yield from _aligned(_candidate(row, candidate) for candidate in row["candidates"])
    yield f"  decision {row['decision_id']}, {row['playbook']} version {row['version']}, {row['mode']}"


def _candidate(row: Row, candidate: Row) -> tuple[str, ...]:
    blocked = [gate for gate in candidate["gates"] if gate["result"] != "passed"]
    sent = (row["offer"], row["channel"]) == (candidate["offer"], candidate["channel"])
    fate = "blocked: " + ", ".join(gate["reason"] for gate in blocked) if blocked else "passed, not the best"
    assumed = " assumed" if candidate["p_accept_assumed"] else ""
    value = candidate["value_micros"]
    return (
        f"  {candidate['offer']} by {candidate['channel']}",
        f"priority {candidate['priority']}",
        f"value {_value(None if value is None else value / 1e6)}",
        f"p_accept {_value(candidate['p_accept'])}{assumed}",
        "sent" if sent else fate,
    )


def _values(pairs: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{name} = {_value(value)}" for name, value in pairs)


def _value(value: Any) -> str:
    return "NULL" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)


def _aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = [*rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
