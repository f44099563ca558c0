"""Why a customer got an offer, or did not: told from the files of a run."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

from pipelines.explained import Row, Story, dotted
from pipelines.failures import UnknownSubjectError, outputs_needed
from pipelines.report import instant
from schemas.playbook_levels import LEVELS
from schemas.visible import shortened, visible
from transforms.context.erasure.tombstones import salted
from transforms.shell.pseudonym_key import KEY_VARIABLE, key_in_environment

OUTPUTS = ("contexts", "transitions", "decisions")

_PLACE = itemgetter("root_kind", "root", "tick")

LAST = "9999"
"""Later than any instant in RFC 3339, which sort as text."""


def explain(out: str, subject: str, at: int | None = None) -> Story:
    """Read what a run wrote about a subject.

    Args:
        out: The directory of the run's outputs.
        subject: KIND/ID, or the id of a subscriber, whatever is in it.
        at: Milliseconds; nothing after it is told. By default all is.

    Raises:
        NoOutputsError: the run's Parquet outputs are not there.
        UnknownSubjectError: nothing at all is known of the subject.
    """
    until = LAST if at is None else instant(at)
    with outputs_needed(out):
        kind, name, everything, receipts = _found(out, subject)
        contexts, transitions, decisions = ([row for row in rows if row["tick"] <= until] for rows in everything)
        decisions = [*_with_what_was_null(out, _with_what_went_out(out, decisions))]
        context = _of_its_kind(out, kind, contexts[-1]) if contexts else None
    transitions = [{**row, "evidence": row["evidence"] and json.loads(row["evidence"])} for row in transitions]
    erasure = _last_erasure([row for row in receipts if row["tick"] <= until])
    return Story(f"{kind}/{name}", context, _members(transitions), transitions, decisions, *erasure)


def _found(out: str, subject: str) -> tuple[str, str, list[list[Row]], list[Row]]:
    """Return kind and id of a subject, and what was written of it: its outputs and receipts.

    Raises:
        UnknownSubjectError: nothing, and which other subjects have that id.
    """
    kind, slash, name = subject.partition("/")
    named = [(kind, name)] if slash and kind in LEVELS else []
    for kind, name in [*named, (LEVELS[0], subject)]:
        everything, receipts = _written(out, kind, name), _receipts(out, kind, name)
        if any(everything) or receipts:
            return kind, name, everything, receipts
    ids = {name for _, name in named} | {subject}
    others = [f"{kind}/{name}" for kind in LEVELS for name in sorted(ids) if any(_written(out, kind, name))]
    told = "/".join(named[0]) if named else f"{LEVELS[0]}/{subject}"
    why = f"did you mean {' or '.join(map(visible, others))}?" if others else _unknown()
    raise UnknownSubjectError(f"{visible(out)} tells nothing of {visible(shortened(told))}: {why}")


def _written(out: str, kind: str, name: str) -> list[list[Row]]:
    """Return the rows about a subject in each of `OUTPUTS`."""
    known = (pc.field("subject_kind") == kind) & (pc.field("subject") == name)
    reached = (pc.field("recipient_kind") == kind) & (pc.field("recipient") == name)
    filters = {"decisions": known | reached}
    return [_rows(f"{out}/{output}.parquet", filters.get(output, known)) for output in OUTPUTS]


def _with_what_went_out(out: str, decisions: Sequence[Row]) -> list[Row]:
    """Return decisions, those that were outranked with `went_out`: what their contact root got at that tick."""
    roots = {row["root"] for row in decisions if row["action"] == "outranked"}
    offers = (pc.field("action") == "offer") & pc.field("root").isin([*roots])
    sent = _rows(f"{out}/decisions.parquet", offers) if roots else []
    went_out = defaultdict[tuple[str, ...], list[str]](list)
    for row in sent:
        went_out[_PLACE(row)].append(f"{row['offer']} of {row['subject_kind']}/{row['subject']}")
    told = ({"went_out": went_out[_PLACE(row)]} if row["action"] == "outranked" else {} for row in decisions)
    return [{**row, **more} for row, more in zip(decisions, told, strict=True)]


def _with_what_was_null(out: str, decisions: Sequence[Row]) -> Sequence[Row]:
    """Return decisions, the last one with all that its condition read in its evidence: what was NULL too."""
    if not decisions:
        return decisions
    *before, last = decisions
    of = (pc.field("subject_kind") == last["subject_kind"]) & (pc.field("subject") == last["subject"])
    name = last["trigger"].removeprefix(f"{last['subject_kind']}.").removesuffix(".exited")
    mine = of & (pc.field("name") == name)
    rows = [row for row in _rows(f"{out}/transitions.parquet", mine) if row["tick"] == last["tick"]]
    read = {name for row in rows for name in json.loads(row["evidence"] or "{}")}
    evidence = {name: value for name, value in dotted(last["evidence"]) if value is not None or name in read}
    return [*before, {**last, "evidence": evidence}]


def _receipts(out: str, kind: str, name: str) -> list[Row]:
    """Return the receipts of a subject's erasures; they are found with the key by which its id was hashed."""
    if not (key := key_in_environment()):
        return []
    mine = (pc.field("subject_kind") == kind) & (pc.field("subject") == salted(key, kind, name))
    return _rows(f"{out}/receipts.parquet", mine)


def _unknown() -> str:
    with_key = f"; with the run's key in {KEY_VARIABLE}, `segone explain` tells of erasures"
    return f"no signals, not in the sample, or erased{'' if key_in_environment() else with_key}"


def _last_erasure(receipts: Sequence[Row]) -> tuple[str | None, dict[str, int]]:
    """Return the tick of the last erasure and what its stages removed; None and nothing if there was none."""
    if not receipts:
        return None, {}
    last = max(receipts, key=lambda row: row["tick"])
    removed = Counter[str]()
    for row in receipts:
        if (row["source"], row["id"]) == (last["source"], last["id"]):
            removed.update({one["table"]: one["rows"] for one in row["removed"]})
    return last["tick"], dict(sorted(removed.items()))


def _of_its_kind(out: str, kind: str, row: Row) -> Row:
    """Return a row of `contexts` without the columns of other levels: those that only subjects of another kind have."""
    empty = {name: pc.field("context", *name.split(".")) for name, value in dotted(row["context"]) if value is None}
    contexts, own = dataset(f"{out}/contexts.parquet"), pc.field("subject_kind") == kind
    mine, theirs = (contexts.to_table(columns=empty, filter=rows) for rows in (own, ~own))
    others = {name for name in empty if mine[name].null_count == len(mine) and theirs[name].null_count < len(theirs)}
    return {**row, "context": _without(row["context"], others)}


def _without(values: Row, names: Collection[str], prefix: str = "") -> dict[str, Any]:
    """Return values without those of some dotted names, and without structs of which nothing is left."""
    kept = {key: value for key, value in values.items() if f"{prefix}{key}" not in names}
    inner = {
        key: _without(value, names, f"{key}.") if isinstance(value, dict) else value for key, value in kept.items()
    }
    return {key: value for key, value in inner.items() if value != {}}


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
