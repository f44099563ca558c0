"""Erasures: at their tick, before all else, every cell about a subject goes, and nothing about it comes again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from schemas.records import ERASED, REMOVED, TRANSITION
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import SUBSCRIBER
from transforms.context.emit.segment_parts import parts_of_erased
from transforms.context.erasure.requests import ERASURE, KEY
from transforms.context.erasure.tombstones import Tombstone, Who
from transforms.context.groups import membership, people
from transforms.context.state.shard_state import ShardState

_TABLES = {"rows": "features", "panes": "features", "values": "features", "steps": "sequences", "groups": "identity"}


@dataclass
class Erased:
    """What the erasures of one call came to at one level.

    Attributes:
        level: The kind of subject.
        widths: Of the windows in which to tell of segments, milliseconds.
        counts: Erasures applied, of these late, and duplicates; pending ones; signals that were only counted `erased`.
        transitions: The memberships that ended, as `schemas.records.TRANSITION`.
        forwarded: To every shard of the groups: which subscribers were erased, as a signal batch.
        everywhere: To every shard of decisions, as `schemas.records.ERASED`.
        facts: To the shard of the contact root that was erased, likewise.
        removed: What was removed, as `schemas.records.REMOVED`.
        stats: What the memberships that ended add to the windows, as `emit.segment_parts.PARTS`.
    """

    level: str
    widths: Sequence[int] = ()
    counts: Counter[str] = field(default_factory=Counter)
    transitions: list[pa.Table] = field(default_factory=list)
    forwarded: list[pa.RecordBatch] = field(default_factory=list)
    everywhere: list[pa.RecordBatch] = field(default_factory=list)
    facts: list[pa.RecordBatch] = field(default_factory=list)
    removed: list[pa.Table] = field(default_factory=list)
    stats: list[pa.Table] = field(default_factory=list)

    def wait(self, requests: pl.DataFrame) -> None:
        """Count erasures that wait; those of subjects of other levels are counted there."""
        self.counts["pending"] = self._own(requests).height

    def count(self, new: pl.DataFrame, requests: pl.DataFrame) -> None:
        """Count erasures that act, and their copies, likewise."""
        mine = self._own(new)
        copies = self._own(requests).height - mine.height
        self.counts.update(applied=mine.height, late=int(mine["late"].sum()), duplicates=copies)

    def waited(self, requests: pl.DataFrame, gone: Counter[Who]) -> None:
        """Tell how many signals, by whom they are about, waited for later ticks when they were erased."""
        rows = [(*who, "waiting", count) for who, count in gone.items()]
        schema = {"subject_kind": pl.String, "token": pl.String, "table": pl.String, "rows": pl.Int64}
        self.removed.append(removals(requests, pl.DataFrame(rows, schema=schema, orient="row")))

    @property
    def acted(self) -> bool:
        """Whether an erasure acted, of whichever level; copies do nothing."""
        return bool(self.removed)

    def _own(self, requests: pl.DataFrame) -> pl.DataFrame:
        return requests.filter(pl.col("subject_kind") == self.level)


def tombstones_of(plan: ContextPlan, requests: pl.DataFrame) -> list[Tombstone]:
    """Return the tombstones that erasures leave at a level: of its own subjects, and of groups that these may join."""
    kinds = [plan.level, *(GROUPS if plan.level == SUBSCRIBER else ())]
    mine = requests.filter(pl.col("subject_kind").is_in(kinds))
    rows = mine.select(*KEY, "tick").iter_rows()
    return [Tombstone(kind, token, request, tick + plan.erased_for) for kind, token, request, tick in rows]


def erase(plan: ContextPlan, memory: ShardState, requests: pl.DataFrame, erased: Erased) -> None:
    """Erase subjects from a state whose next tick is that of the erasures.

    A group that loses a member through it is evaluated at that tick, as when somebody leaves; members of a group
    that is erased are in it no more, as when all leave.

    Args:
        plan: The level's plan.
        memory: Settled, as of the tick before; changed in place.
        requests: Erasures of one tick, as `REQUESTS`.
        erased: What is made is added there.
    """
    removed = [*_subjects(plan, memory, requests, erased)]
    removed += _groups(plan, memory, requests) if plan.level == SUBSCRIBER else _members(memory, requests)
    announce(plan, requests, erased)
    erased.removed += [removals(requests, table) for table in removed]
    memory.forget()


def announce(plan: ContextPlan, requests: pl.DataFrame, erased: Erased) -> None:
    """Tell the later stages, and of each erasure that it was heard of, whether or not there is anything to erase.

    Args:
        plan: The level's plan.
        requests: Erasures, as `REQUESTS`.
        erased: What is made is added there.
    """
    heard = requests.select("subject_kind", "token").unique()
    heard = heard.with_columns(rows=pl.lit(0, pl.Int64), table=pl.lit(None, pl.String))
    erased.removed.append(removals(requests, heard))
    own = requests.filter(pl.col("subject_kind") == plan.level)
    others = requests.filter(pl.col("subject_kind").is_in(GROUPS) & (pl.col("subject_kind") != plan.level))
    for rows, where in ((own, erased.everywhere), (others, erased.facts)):
        addressed = rows.with_columns(root_kind="subject_kind", root="subject")
        where.extend(plain(addressed.select(ERASED.names)).cast(ERASED).combine_chunks().to_batches())
    if plan.level == SUBSCRIBER and plan.forwards:
        signals = own.select("id", "source", "subject", "token", time=pl.col("tick") - plan.grid.tick)
        metadata = {b"signal": ERASURE.encode(), b"subject_kind": SUBSCRIBER.encode()}
        erased.forwarded += plain(signals).replace_schema_metadata(metadata).combine_chunks().to_batches()


def removals(requests: pl.DataFrame, counts: pl.DataFrame) -> pa.Table:
    """Return what was removed for each erasure, as `schemas.records.REMOVED`.

    Args:
        requests: As `REQUESTS`.
        counts: Columns subject_kind, token, table, rows.
    """
    both = requests.join(counts, ["subject_kind", "token"]).with_columns(subject="token")
    return plain(both.select(REMOVED.names)).cast(REMOVED)


def _subjects(plan: ContextPlan, memory: ShardState, requests: pl.DataFrame, erased: Erased) -> Iterator[pl.DataFrame]:
    """Erase the level's own subjects and tell of the memberships that end."""
    who = requests.filter(pl.col("subject_kind") == plan.level).unique("token", maintain_order=True)
    known = memory.subjects.with_row_index("code").with_columns(pl.col("code").cast(pl.Int64))
    who = who.join(known.select("code", "subject"), "subject", maintain_order="left")
    ended = memory.members.join(who, "code")
    left = ended.select("segment", start="entered", end="tick")
    erased.stats.append(parts_of_erased(plan, left, erased.widths))
    ends = ended.select(
        "subject_kind",
        "subject",
        tick=pl.from_epoch("tick", "ms").dt.replace_time_zone("UTC"),
        kind=pl.lit("segment"),
        name="segment",
        event=pl.lit("exited"),
        reason=pl.lit("erased"),
        late="late",
        evidence=pl.lit(None, pl.String),
    )
    erased.transitions.append(plain(ends.sort("subject", "name")).cast(TRANSITION))
    yield from _drop(memory, "code", who)
    gone = known["code"].is_in(who["code"].drop_nulls().implode())
    memory.subjects = memory.subjects.with_columns(changed=pl.col("changed") & ~gone)


def _members(memory: ShardState, requests: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Erase what groups know through subscribers; those leave the groups they are in."""
    who = requests.filter(pl.col("subject_kind") == SUBSCRIBER).unique("token", maintain_order=True)
    who = who.with_columns(member=people.member_of(who["subject"]))
    there = memory.groups.get(people.KEPT)
    yield from _drop(memory, "member", who)
    if there is not None:
        mine = pl.col("member").is_in(who["member"].implode())
        left = there.with_columns(joined=~mine, tick=pl.when(mine).then(requests["tick"][0]).otherwise("tick"))
        memory.groups[people.KEPT] = left


def _groups(plan: ContextPlan, memory: ShardState, requests: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """End the stays in groups; `identity` forgets their names once it has told that."""
    who = requests.filter(pl.col("subject_kind") != SUBSCRIBER).unique("token", maintain_order=True)
    group = {"group_kind": "subject_kind", "group": "subject"}
    events = memory.groups.get(membership.KEPT)
    if events is None or who.is_empty():
        return
    mine, closed = events.join(who.select("token", **group), [*group]), requests["tick"][0] - plan.grid.tick
    yield _counted(mine.rename({"group_kind": "subject_kind"}), ["subject_kind", "token"], "identity")
    ends = mine.select("code", *group).unique().with_columns(joined=False, since=pl.lit(closed), time=pl.lit(closed))
    both = pl.concat([events, ends.cast({"since": pl.Int64, "time": pl.Int64})], how="diagonal")
    memory.groups[membership.KEPT] = both.select(events.columns).sort(membership.ORDER)


def _drop(memory: ShardState, column: str, who: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Drop the rows of somebody from every table that has the column, and count them."""
    gone = pl.col(column).is_in(who[column].implode())
    for kind, table in memory.tables():
        if column in table.columns:
            mine = table.filter(gone).join(who.select(column, "subject_kind", "token"), column)
            yield _counted(mine, ["subject_kind", "token"], _TABLES.get(kind, kind))
    memory.change(lambda table: table.filter(~gone) if column in table.columns else table)


def _counted(rows: pl.DataFrame, of: list[str], table: str) -> pl.DataFrame:
    return rows.group_by(of).agg(rows=pl.len().cast(pl.Int64)).with_columns(table=pl.lit(table))
