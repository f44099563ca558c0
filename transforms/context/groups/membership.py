"""Who is in which group as of event time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Ints
from transforms.context.grid import NEVER, Grid
from transforms.context.state.shard_state import ShardState

EVENTS = {
    "code": pl.Int64,
    "group_kind": pl.String,
    "group": pl.String,
    "joined": pl.Boolean,
    "role": pl.String,
    "since": pl.Int64,
    "time": pl.Int64,
    "source": pl.String,
    "id": pl.String,
}
"""Columns of what was told about memberships; `since` is when it acts: the time, or the closed tick if it was late.

Nobody (`source` NULL) told of a stay that ends because its group is erased.
"""

ORDER = ("code", "group_kind", "since", "time", "source", "id")

KEPT = "stays"
"""The name under which a memory keeps the events."""

STAYS = {
    "code": pl.Int64,
    "group_kind": pl.String,
    "group": pl.String,
    "role": pl.String,
    "start": pl.Int64,
    "end": pl.Int64,
    "contradicts": pl.Boolean,
}


def stays_of(events: pl.DataFrame) -> pl.DataFrame:
    """Return who was in which group from when to when.

    A subject is in one group of a kind at most: joining another ends the stay before, joining the same one begins a
    new stay in it (with another role, say). A `left` ends the stay only in the group that it names; others say
    nothing. Who joined a group that is erased since (NULL) left the one before, and was nowhere.

    Args:
        events: As `EVENTS`, sorted by `ORDER`.

    Returns:
        Columns of `STAYS`: the subject was in the group at times in [start, end), end `NEVER` where it still is;
        `contradicts` says that it joined while in another group. Sorted by code, kind and start.
    """
    other = (pl.col("code") != pl.col("code").shift()) | (pl.col("group_kind") != pl.col("group_kind").shift())
    subject = events.select(other.fill_null(True).cum_sum()).to_series().to_numpy()
    joined, since = events["joined"].to_numpy(), events["since"].to_numpy()
    begins = np.flatnonzero(joined)
    following = np.full(len(begins), NEVER)
    again = np.flatnonzero(np.diff(subject[begins]) == 0)
    following[again] = since[begins[again + 1]]
    left = np.full(len(begins), NEVER)
    leaves = np.flatnonzero(~joined)
    stay = np.searchsorted(begins, leaves) - 1
    own = (stay >= 0) & (subject[begins[stay]] == subject[leaves]) if len(begins) else np.zeros(len(leaves), bool)
    leaves, stay = leaves[own], stay[own]
    named = (events["group"].gather(leaves) == events["group"].gather(begins[stay])).fill_null(False).to_numpy()
    np.minimum.at(left, stay[named], since[leaves[named]])
    stays = events[begins].select("code", "group_kind", "group", "role", start="since")
    moved = np.zeros(len(begins), bool)
    moved[again + 1] = left[again] == NEVER
    unlike = (pl.col("group") != pl.col("group").shift()).fill_null(False)
    stays = stays.with_columns(end=pl.Series(np.minimum(left, following)), contradicts=pl.Series(moved) & unlike)
    return stays.filter(pl.col("group").is_not_null()) if stays["group"].null_count() else stays


@dataclass(frozen=True)
class Stays:
    """The stays in groups of one kind, to be looked up; sorted by code and start."""

    table: pl.DataFrame

    def at(self, codes: Ints, times: Ints) -> Ints:
        """Return the row of the stay in which each subject is at a time, -1 for none."""
        starts, ends = self.table["start"].to_numpy(), np.append(self.table["end"].to_numpy(), 0)
        bounds = np.searchsorted(self.table["code"].to_numpy(), np.arange(codes.max(initial=-1) + 2))
        following, last = bounds[codes], bounds[codes + 1]
        found = np.full(len(codes), -1)
        asking = np.flatnonzero(following < last)
        while len(asking):  # as often as there are stays of one subject
            asking = asking[starts[following[asking]] <= times[asking]]
            found[asking] = following[asking]
            following[asking] += 1
            asking = asking[following[asking] < last[asking]]
        return np.where(times < ends[found], found, -1)

    @cached_property
    def groups(self) -> pa.DictionaryArray:
        """The group of each stay."""
        return self.table["group"].to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string()).dictionary_encode()

    def gone_at(self, grid: Grid) -> Ints:
        """Return of each stay the first tick at which its subject is no longer in the group.

        Who comes back within the tick never left.
        """
        codes, starts = self.table["code"].to_numpy(), self.table["start"].to_numpy()
        groups, gone = self.groups.indices.to_numpy(), grid.after(self.table["end"].to_numpy())
        order = np.lexsort((starts, groups, codes))
        same = (np.diff(codes[order]) == 0) & (np.diff(groups[order]) == 0)
        final = np.append(~(same & (starts[order[1:]] < gone[order[:-1]])), True)[: len(order)]
        spell = np.cumsum(final) - final
        gone[order] = gone[order[final]][spell]
        return gone


def of_kind(stays: pl.DataFrame, kind: str) -> Stays:
    """Return the stays in groups of one kind."""
    return Stays(stays.filter(pl.col("group_kind") == kind))


@dataclass(frozen=True)
class Identity:
    """Who is in which group, as far as a call can see it.

    Attributes:
        stays: By kind of group.
        since: Stays that began or ended at this time or later are news.
        contradictory: How many of the news contradict what was known: joining while in another group, leaving one
            without being there.
        doubtful: How many of what was told were not believed.
    """

    stays: Mapping[str, Stays]
    since: int
    contradictory: int
    doubtful: int

    def edges(self, kind: str) -> Iterator[tuple[Ints, Ints]]:
        """Yield code and time of the stays that begin, then of those that end, and are news."""
        table = self.stays[kind].table
        for edge in ("start", "end"):
            new = table.filter(pl.col(edge).is_between(self.since, NEVER, "left"))
            yield new["code"].to_numpy(), new[edge].to_numpy()


def identify(
    memory: ShardState, memberships: pl.DataFrame | None, allowed_lateness: int, min_confidence: float
) -> Identity:
    """Take in what was told about memberships; it acts from its time, or from the closed tick if it is late.

    Args:
        memory: Its events are changed in place.
        memberships: The membership signals of the call: columns code, time and those of the contract.
        allowed_lateness: So far back signals may come, milliseconds.
        min_confidence: What is told with less is not believed; without a confidence it is certain.
    """
    floor = 0 if memory.closed is None else memory.closed
    events = memory.groups.get(KEPT, pl.DataFrame(schema=EVENTS))
    doubtful = 0
    if memberships is not None and len(memberships):
        joined = (pl.col("state") == "joined").fill_null(False)
        believed = memberships.filter(pl.col("confidence").fill_null(1.0) >= min_confidence)
        doubtful = memberships.height - believed.height
        new = believed.with_columns(joined=joined, since=pl.max_horizontal("time", pl.lit(floor)))
        events = pl.concat([events, new.select(EVENTS.keys()).cast(pl.Schema(EVENTS))]).sort(ORDER)
    memory.groups[KEPT] = _unnamed(memorable(events, floor - allowed_lateness))
    stays = stays_of(events)
    new = events.filter((pl.col("since") >= floor) & pl.col("source").is_not_null())
    ends = stays.select("code", "group_kind", "group", since="end")
    idle = new.filter(~pl.col("joined")).join(ends, ["code", "group_kind", "group", "since"], "anti")
    moves = stays.filter(pl.col("contradicts") & (pl.col("start") >= floor))
    return Identity({kind: of_kind(stays, kind) for kind in GROUPS}, floor, len(idle) + len(moves), doubtful)


def memorable(events: pl.DataFrame, since: int) -> pl.DataFrame:
    """Return the events that say who is where from a time on: the last to join before it, and what came after that."""
    subject = ["code", "group_kind"]
    last = pl.col("since").filter(pl.col("joined") & (pl.col("since") < since)).max().over(subject)
    return events.filter(pl.col("since") >= last.fill_null(-NEVER))


def _unnamed(events: pl.DataFrame) -> pl.DataFrame:
    """Return events without the names of the groups that are erased, and their roles."""
    if not events["source"].null_count():
        return events
    group = ["code", "group_kind", "group"]
    gone = events.filter(pl.col("source").is_null()).select(*group, erased=pl.lit(True))
    kept = events.filter(pl.col("source").is_not_null()).join(gone, group, "left", maintain_order="left")
    names = (pl.when(pl.col("erased").is_null()).then(name).alias(name) for name in ("group", "role"))
    return kept.with_columns(names).select(events.columns)
