"""Memberships: a small state machine over the intervals between which the conditions of a segment do not change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.definitions import Segment
from transforms.context.features.timeline import EvaluationPoints, keys_in, keys_of
from transforms.context.grid import NEVER, Grid, Span
from transforms.context.state.shard_state import MEMBERS

WITHDRAWN = "consent_withdrawn"
"""The reason of an exit for want of consent."""

EVENTS = {"code": pl.Int64, "tick": pl.Int64, "event": pl.String, "reason": pl.String}


@dataclass
class MembershipChanges:
    """What happened to the memberships of one segment.

    Attributes:
        events: Columns code, tick, event, reason; sorted by code and tick.
        members: The memberships at the end, as in `shard_state.MEMBERS`.
        before: Codes of the members at the start, sorted.
    """

    events: pl.DataFrame
    members: pl.DataFrame
    before: Ints

    def member_at(self, grid: Grid, points: EvaluationPoints) -> Bools:
        """Tell whether each subject is a member at its tick, a transition at that very tick included."""
        turns = self.events.filter(pl.col("event") != "refreshed")
        keys = np.concatenate([keys_of(grid, self.before, np.zeros_like(self.before)), keys_in(grid, turns)])
        entered = np.concatenate([np.ones(len(self.before), bool), (turns["event"] == "entered").to_numpy()])
        order = np.argsort(keys, kind="stable")
        last = np.searchsorted(keys[order], points.keys(grid), "right") - 1
        if not len(keys):
            return np.zeros(len(points), bool)
        same = (last >= 0) & (keys[order][last] >> 40 == points.codes)
        return same & entered[order][last]

    def wakes(self, segment: Segment) -> tuple[Ints, Ints]:
        """Return code and tick at which a membership ends if nothing else happens, `NEVER` where it does not."""
        code, entered, last_true, enter, leaves = (
            self.members[name].to_numpy() for name in ("code", "entered", "last_true", "enter", "exit")
        )
        expires = np.where(enter, NEVER, last_true + (segment.expire or NEVER))
        return code, np.minimum(expires, np.where(leaves, entered + segment.hold, NEVER))


Changes = Mapping[str, MembershipChanges]
"""By segment."""


class Levels(NamedTuple):
    """What decides about one segment, in columns.

    Attributes:
        enter: Level of `enter`.
        exit: Level of `exit`.
        above: Whether the subject is a member of a segment that goes before in an exclusive set.
        withdrawn: Whether it needs the subject's consent and has not got it.
    """

    enter: Bools
    exit: Bools
    above: Bools
    withdrawn: Bools

    @property
    def bars(self) -> Bools:
        """Whether something forbids to be a member."""
        return self.exit | self.above | self.withdrawn

    def at(self, rows: Ints | Bools) -> "Levels":
        """Return some of the rows."""
        return Levels(*(column[rows] for column in self))


def run(
    segment: Segment, span: Span, points: EvaluationPoints, levels: Levels, members: pl.DataFrame
) -> MembershipChanges:
    """Advance one segment over a span.

    A subject enters when `enter` holds and nothing else does; it leaves when `withdrawn` begins, at max(start of the
    exit run, entered + hold), at the last tick at which `enter` was true + expire, or when `above` begins, whichever is
    first; of a tie the reason is told that comes first here.

    Args:
        segment: The definition; hold and expire are whole ticks.
        span: The ticks of the call.
        points: Where the levels were evaluated; they do not change elsewhere.
        levels: The levels at each point.
        members: The memberships at the start, sorted by code.
    """
    if members.is_empty() and not (levels.enter & ~levels.bars).any():
        return MembershipChanges(pl.DataFrame(schema=EVENTS), members, members["code"].to_numpy())
    spells = _spells(span, points, levels, members)
    codes, subject = np.unique(spells.code, return_inverse=True)
    machine = _Machine(segment, span.grid.tick, codes, members)
    happened = [each for rows in _rounds(subject) for each in machine.step(subject[rows], spells.at(rows))]
    still = spells.levels.at(spells.last & machine.member[subject])
    after = {"code": codes, "entered": machine.entered, "last_true": machine.last_true}
    left = pl.DataFrame(after).filter(machine.member)
    left = left.with_columns(enter=pl.Series(still.enter), exit=pl.Series(still.exit), segment=pl.lit(segment.name))
    return MembershipChanges(_events(happened), left.select(MEMBERS.keys()), members["code"].to_numpy())


class _Machine:
    """The memberships of some subjects, advanced one interval of each at a time."""

    def __init__(self, segment: Segment, tick: int, codes: Ints, members: pl.DataFrame) -> None:
        self._segment, self._tick, self._codes = segment, tick, codes
        self.member = np.isin(codes, members["code"].to_numpy())
        self.entered, self.last_true = np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        self.entered[self.member] = members["entered"].to_numpy()
        self.last_true[self.member] = members["last_true"].to_numpy()

    def step(self, subjects: Ints, spell: "_Spells") -> "list[_Happened]":
        """Take the next interval of some subjects, with at most one beginning or end each; return what happened."""
        member, now, lasts = self.member[subjects], spell.levels, spell.start < spell.end
        by_condition = np.where(now.exit, np.maximum(spell.start, self.entered[subjects] + self._segment.hold), NEVER)
        expiry = np.where(now.enter, NEVER, self.last_true[subjects] + (self._segment.expire or NEVER))
        expiry = np.maximum(expiry, spell.start)  # a version of the playbook may have shortened `expire`
        superseded, withdrawn = (np.where(bars, spell.start, NEVER) for bars in (now.above, now.withdrawn))
        leave = np.minimum.reduce([withdrawn, by_condition, expiry, superseded])
        leaves = member & (leave < spell.end)
        enters = ~member & now.enter & ~now.bars & lasts
        refreshed = member & spell.rises & lasts & ~(leaves & (leave == spell.start))
        self.member[subjects] = (member & ~leaves) | enters
        self.entered[subjects] = np.where(enters, spell.start, self.entered[subjects])
        self.last_true[subjects] = np.where(now.enter & lasts, spell.end - self._tick, self.last_true[subjects])
        codes = self._codes[subjects]
        ends = {WITHDRAWN: withdrawn, "condition_false": by_condition, "expired": expiry}
        reasons = np.select([end == leave for end in ends.values()], [*ends], "superseded")
        return [
            (codes[enters], spell.start[enters], "entered", np.full(enters.sum(), "")),
            (codes[refreshed], spell.start[refreshed], "refreshed", np.full(refreshed.sum(), "")),
            (codes[leaves], leave[leaves], "exited", reasons[leaves]),
        ]


@dataclass(frozen=True)
class _Spells:
    """Intervals `[start, end)` in which the levels of a subject do not change, sorted by subject and start.

    Attributes:
        code: The subject.
        start: The first tick.
        end: The tick after the last.
        levels: What decides.
        rises: Whether `enter` was false before.
        last: Whether it is the subject's last interval.
    """

    code: Ints
    start: Ints
    end: Ints
    levels: Levels
    rises: Bools
    last: Bools

    def at(self, rows: Ints | Bools) -> "_Spells":
        return _Spells(
            code=self.code[rows],
            start=self.start[rows],
            end=self.end[rows],
            levels=self.levels.at(rows),
            rises=self.rises[rows],
            last=self.last[rows],
        )


def _spells(span: Span, points: EvaluationPoints, levels: Levels, members: pl.DataFrame) -> _Spells:
    """Return the intervals of all subjects that are or may become members.

    A member's first interval begins with the span, at the levels it had before: nothing barred it but `exit`.
    """
    old = members["code"].to_numpy()
    may = np.zeros(max(points.codes.max(initial=-1), old.max(initial=-1)) + 1, bool)
    may[old] = True
    may[points.codes[levels.enter & ~levels.bars]] = True
    rows = np.flatnonzero(may[points.codes])
    code = np.concatenate([old, points.codes[rows]])
    start = np.concatenate([np.full(len(old), span.first), points.ticks[rows]])
    nothing = np.zeros(len(old), bool)
    before = Levels(members["enter"].to_numpy(), members["exit"].to_numpy(), nothing, nothing)
    now = Levels(*map(np.concatenate, zip(before, levels.at(rows), strict=True)))
    order = np.argsort(keys_of(span.grid, code, start), kind="stable")
    code, start, now = code[order], start[order], now.at(order)
    changed = (np.diff(code, prepend=-1) != 0) | np.any([np.diff(column, prepend=False) for column in now], axis=0)
    code, start, now = code[changed], start[changed], now.at(changed)
    first, last = np.diff(code, prepend=-1) != 0, np.diff(code, append=-1) != 0
    rises = now.enter & np.where(first, ~np.isin(code, old), ~np.roll(now.enter, 1))
    return _Spells(code, start, np.where(last, span.end, np.roll(start, -1)), now, rises, last)


def _rounds(subject: Ints) -> list[Ints]:
    """Return the rows of the k-th interval of every subject, for each k."""
    starts = np.flatnonzero(np.diff(subject, prepend=-1))
    rank = np.arange(len(subject)) - np.repeat(starts, np.diff(starts, append=len(subject)))
    order = np.argsort(rank, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(rank[order])) + 1) if len(subject) else []


_Happened = tuple[Ints, Ints, str, NDArray[np.str_]]
"""Codes and ticks of one event, and its reasons, empty for none."""


def _events(happened: Sequence[_Happened]) -> pl.DataFrame:
    """Return what happened, sorted by code and tick."""
    codes, ticks, reasons = (np.concatenate([each[n] for each in happened]) for n in (0, 1, 3))
    events = np.repeat([event for _, _, event, _ in happened], [len(each) for each, *_ in happened])
    columns = {"code": codes, "tick": ticks, "event": events, "reason": reasons}
    return pl.DataFrame(columns, schema=EVENTS).with_columns(pl.col("reason").replace("", None)).sort("code", "tick")
