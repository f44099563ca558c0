"""What the Parquet files of a run hold about a subject."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.dataset import dataset

from pipelines.explain_story.books import Books
from pipelines.explain_story.gates import Known
from pipelines.explain_story.values import Row, dotted, plain
from pipelines.output_files import place_of

OUTPUTS = ("contexts", "transitions", "decisions")

_PLACE = itemgetter("root_kind", "root", "tick")
_CONTACT = ("decision_id", "tick", "root_kind", "root", "subject_kind", "subject", "recipient")
_SENT = (*_CONTACT, "action", "offer", "channel", "message")


def rows_of(path: str, filters: pc.Expression, columns: Collection[str] | None = None) -> list[Row]:
    """Return the rows of a file that a filter holds for, with instants as RFC 3339."""
    rows: list[Row] = plain(pq.read_table(place_of(path), filters=filters, columns=columns and [*columns]).to_pylist())
    return rows


def written(out: str, kind: str, name: str) -> list[list[Row]]:
    """Return the rows about a subject in each of `OUTPUTS`; decisions that would have reached it, too."""
    known = (pc.field("subject_kind") == kind) & (pc.field("subject") == name)
    reached = (pc.field("recipient_kind") == kind) & (pc.field("recipient") == name)
    filters = {"decisions": known | reached}
    return [rows_of(f"{out}/{output}.parquet", filters.get(output, known)) for output in OUTPUTS]


def whose(out: str, decision: str) -> Row | None:
    """Return subject and tick of the decision of an id; None for none."""
    found = pc.starts_with(pc.field("decision_id"), decision)
    rows = rows_of(f"{out}/decisions.parquet", found, ["subject_kind", "subject", "tick"])
    return rows[0] if rows else None


def with_what_went_out(out: str, decisions: Sequence[Row]) -> list[Row]:
    """Return decisions, those that were outranked with `went_out`: what their root got, or would have, at that tick."""
    roots = {row["root"] for row in decisions if row["action"] == "outranked"}
    offers = pc.field("action").isin(["offer", "holdout"]) & pc.field("root").isin([*roots])
    sent = rows_of(f"{out}/decisions.parquet", offers, _SENT) if roots else []
    went_out = defaultdict[tuple[str, ...], list[str]](list)
    for row in sent:
        held = " (held out)" if row["action"] == "holdout" else ""
        went_out[_PLACE(row)].append(f"{row['offer']} of {row['subject_kind']}/{row['subject']}{held}")
    told = ({"went_out": went_out[_PLACE(row)]} if row["action"] == "outranked" else {} for row in decisions)
    return [{**row, **more} for row, more in zip(decisions, told, strict=True)]


def with_what_was_null(out: str, row: Row) -> dict[str, Any]:
    """Return a decision with all that its condition read in its evidence: what was NULL too."""
    of = (pc.field("subject_kind") == row["subject_kind"]) & (pc.field("subject") == row["subject"])
    name = row["trigger"].removeprefix(f"{row['subject_kind']}.").removesuffix(".exited")
    fired = row["trigger_tick"]
    rows = [
        one for one in rows_of(f"{out}/transitions.parquet", of & (pc.field("name") == name)) if one["tick"] == fired
    ]
    read = {name for one in rows for name in json.loads(one["evidence"] or "{}")}
    pairs = dotted(row["evidence"] or {})
    return {**row, "evidence": {name: value for name, value in pairs if value is not None or name in read}}


def known_of(out: str, decisions: Iterable[Row], books: Books) -> dict[str, Known]:
    """Return what there is to explain each decision with, by its id; not for withdrawals, which looked at no gate."""
    mine = [row for row in decisions if row["action"] != "withdrawn"]
    roots = {row["root"] for row in mine}
    sent = pc.field("action").isin(["offer", "holdout"]) & pc.field("root").isin([*roots])
    before = rows_of(f"{out}/decisions.parquet", sent, _SENT) if roots else []
    ledgers = defaultdict[tuple[str, ...], list[Row]](list)
    for one in before:
        ledgers[one["root_kind"], one["root"]].append(one)
    return {row["decision_id"]: _known(row, ledgers[row["root_kind"], row["root"]], books) for row in mine}


def _known(row: Row, ledger: Sequence[Row], books: Books) -> Known:
    return Known(row, [one for one in ledger if one["tick"] <= row["tick"]], books.by_hash.get(row["playbook_hash"]))


def groups_of(kind: str, name: str, decisions: Sequence[Row]) -> dict[str, str]:
    """Return the groups that a subscriber was in, by kind, as far as decisions tell: each the last."""
    found: dict[str, str] = {}
    for row in decisions:
        for group, one in ((row["subject_kind"], row["subject"]), (row["root_kind"], row["root"])):
            found |= {group: one} if group != kind else {}
    return found


def of_its_kind(out: str, kind: str, row: Row) -> Row:
    """Return a row of `contexts` without the columns of other levels: those that only subjects of another kind have."""
    empty = {name: pc.field("context", *name.split(".")) for name, value in dotted(row["context"]) if value is None}
    contexts, own = dataset(place_of(f"{out}/contexts.parquet")), pc.field("subject_kind") == kind
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


def with_evidence(transitions: Iterable[Row]) -> list[Mapping[str, Any]]:
    """Return transitions with their evidence as a mapping."""
    return [{**row, "evidence": row["evidence"] and json.loads(row["evidence"])} for row in transitions]
