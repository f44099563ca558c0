"""Memberships: a small state machine over the intervals between which the conditions of a segment do not change."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.context.definitions import Segment
from transforms.context.memory import MEMBERS
from transforms.context.ticks import Bools, Grid, Ints
from transforms.context.timeline import Points, keys_of

NEVER = np.iinfo(np.int64).max // 2
REASONS = np.array(["condition_false", "expired"])


@dataclass(frozen=True)
class Span:
    """The ticks of one call: `(closed, upto]`."""

    grid: Grid
    closed: int | None
    upto: int

    @property
    def first(self) -> int:
        """The first tick of the call; 0 where nothing was closed before."""
        return 0 if self.closed is None else self.closed + self.grid.tick

    @property
    def end(self) -> int:
        """The tick after the call."""
        return self.upto + self.grid.tick


@dataclass
class Changes:
    """What happened to the memberships of one segment.

    Attributes:
        events: Columns code, tick, event, reason; sorted by code and tick.
        members: The memberships at the end, as in `memory.MEMBERS`.
        before: Codes of the members at the start, sorted.
    """

    events: pl.DataFrame
    members: pl.DataFrame
    before: Ints

    def member_at(self, grid: Grid, points: Points) -> Bools:
        """Tell whether each subject is a member at its tick, a transition at that very tick included."""
        turns = self.events.filter(pl.col("event") != "refreshed")
        keys = np.concatenate([keys_of(grid, self.before, np.zeros_like(self.before)), _keys(grid, turns)])
        entered = np.concatenate([np.ones(len(self.before), bool), (turns["event"] == "entered").to_numpy()])
        order = np.argsort(keys, kind="stable")
        last = np.searchsorted(keys[order], points.keys(grid), "right") - 1
        if not len(keys):
            return np.zeros(len(points), bool)
        same = (last >= 0) & (keys[order][last] >> 40 == points.codes)
        return same & entered[order][last]

    def wake(self, segment: Segment) -> int:
        """Return the next tick at which a membership ends if nothing else happens, or `NEVER`."""
        ends = self.members.select(
            pl.when("exit").then(pl.col("entered") + segment.hold).otherwise(NEVER).min(),
            expires=pl.when(~pl.col("enter")).then(pl.col("last_true") + (segment.expire or NEVER)).otherwise(NEVER).min(),
        )
        return min((end for end in ends.row(0) if end is not None), default=NEVER)


def run(segment: Segment, span: Span, points: Points, enter: Bools, exit_: Bools, members: pl.DataFrame) -> Changes:
    """Advance one segment over a span.

    A subject enters when `enter` holds and `exit` does not; it leaves at max(start of the exit run, entered + hold)
    or, earlier, at the last tick at which `enter` was true + expire; a tie is told as the condition's.

    Args:
        segment: The definition; hold and expire are whole ticks.
        span: The ticks of the call.
        points: Where the conditions were evaluated; they do not change elsewhere.
        enter: Level of `enter` at each point.
        exit_: Level of `exit` at each point.
        members: The memberships at the start, sorted by code.
    """
    spells = _spells(span, points, enter, exit_, members)
    codes, subject = np.unique(spells["code"], return_inverse=True)
    member = np.isin(codes, members["code"].to_numpy())
    entered, last_true = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
    entered[member], last_true[member] = members["entered"].to_numpy(), members["last_true"].to_numpy()
    events = []
    for rows in _rounds(subject):
        s, start, end = subject[rows], spells["start"][rows], spells["end"][rows]
        en, ex, rises = spells["enter"][rows], spells["exit"][rows], spells["rises"][rows]
        by_condition = np.where(ex, np.maximum(start, entered[s] + segment.hold), NEVER)
        by_expiry = np.where(~en, last_true[s] + segment.expire, NEVER) if segment.expire else np.full(len(s), NEVER)
        leave = np.minimum(by_condition, by_expiry)
        leaves = member[s] & (leave < end)
        enters = ~member[s] & en & ~ex & (start < end)
        refreshed = member[s] & en & rises & (start < end) & ~(leaves & (leave == start))
        events += [
            _events(codes[s], start, enters, "entered"),
            _events(codes[s], start, refreshed, "refreshed"),
            _events(codes[s], leave, leaves, "exited", REASONS[(by_expiry < by_condition).astype(int)]),
        ]
        member[s] = (member[s] & ~leaves) | enters
        entered[s] = np.where(enters, start, entered[s])
        last_true[s] = np.where(en & (start < end), end - span.grid.tick, last_true[s])
    left = spells["last"] & member[subject]
    after = {"code": codes[member], "entered": entered[member], "last_true": last_true[member]}
    after |= {"enter": spells["enter"][left], "exit": spells["exit"][left], "segment": [segment.name] * int(member.sum())}
    happened = pl.concat(events).sort("code", "tick") if events else _events(codes, codes, np.zeros(0, bool), "")
    return Changes(happened, pl.DataFrame(after, schema_overrides=MEMBERS).select(MEMBERS.keys()), members["code"].to_numpy())


def _spells(
    span: Span, points: Points, enter: Bools, exit_: Bools, members: pl.DataFrame
) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Return the intervals `[start, end)` of constant levels of all subjects that are or become members.

    A member's first interval begins with the span, at the levels it had before.
    """
    old = members["code"].to_numpy()
    may = np.zeros(max(points.codes.max(initial=-1), old.max(initial=-1)) + 1, bool)
    may[old] = True
    may[points.codes[enter & ~exit_]] = True
    rows = np.flatnonzero(may[points.codes]) if len(points) else np.empty(0, np.int64)
    code = np.concatenate([old, points.codes[rows]])
    start = np.concatenate([np.full(len(old), span.first), points.ticks[rows]])
    levels = [
        np.concatenate([members[name].to_numpy(), level[rows]]) for name, level in (("enter", enter), ("exit", exit_))
    ]
    order = np.argsort(keys_of(span.grid, code, start), kind="stable")
    code, start, en, ex = code[order], start[order], levels[0][order], levels[1][order]
    first = np.diff(code, prepend=-1) != 0
    changed = first | (np.diff(en, prepend=False) | np.diff(ex, prepend=False))
    code, start, en, ex, first = code[changed], start[changed], en[changed], ex[changed], first[changed]
    last = np.append(first[1:], True) if len(first) else first
    end = np.where(last, span.end, np.append(start[1:], 0)) if len(start) else start
    before = np.append(False, en[:-1]) & ~first if len(en) else en
    rises = en & ~before & ~(first & np.isin(code, old))
    return {"code": code, "start": start, "end": end, "enter": en, "exit": ex, "rises": rises, "last": last}


def _rounds(subject: Ints) -> list[Ints]:
    """Return the rows of the k-th interval of every subject, for each k."""
    starts = np.flatnonzero(np.diff(subject, prepend=-1))
    rank = np.arange(len(subject)) - np.repeat(starts, np.diff(starts, append=len(subject)))
    order = np.argsort(rank, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(rank[order])) + 1) if len(subject) else []


def _events(codes: Ints, ticks: Ints, happened: Bools, event: str, reasons: np.ndarray | None = None) -> pl.DataFrame:  # type: ignore[type-arg]
    rows = np.flatnonzero(happened)
    reason = pl.Series([None] * len(rows), dtype=pl.String) if reasons is None else pl.Series(reasons[rows], dtype=pl.String)
    columns = {"code": codes[rows], "tick": ticks[rows], "event": [event] * len(rows), "reason": reason}
    return pl.DataFrame(columns, schema_overrides={"event": pl.String, "reason": pl.String})


def _keys(grid: Grid, events: pl.DataFrame) -> Ints:
    return keys_of(grid, events["code"].to_numpy(), events["tick"].to_numpy())
