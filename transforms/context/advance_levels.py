"""Advance the contexts of a shard's subjects of several kinds, each by the plan of its level."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec
import polars as pl
import pyarrow as pa

from transforms.blobs.envelope import pack, unpack
from transforms.compiler.context_plan import ContextPlan
from transforms.context.advance import Advanced
from transforms.context.erasure import erase as erasure
from transforms.context.erasure import requests as erasure_requests
from transforms.context.erasure.erase import Erased
from transforms.context.erasure.presence import known_here
from transforms.context.erasure.tombstones import Tombstone, spare
from transforms.context.grid import CLOSED_AT
from transforms.context.live.resident import Resident
from transforms.context.run import USUAL, Options

KIND = "levels"


class _State(msgspec.Struct, array_like=True):
    closed: int
    levels: list[bytes]
    tombstones: list[list[Tombstone]]


class Levels:
    """What a shard remembers between calls, decoded.

    Attributes:
        closed: The last tick, None before the first.
        residents: Of each level.
        tombstones: Of each level.
    """

    def __init__(self, state: bytes | None = None) -> None:
        """Hold a state: what `dump` gave, None at first."""
        found = None if state is None else unpack(KIND, state, _State)
        self.closed = None if found is None else found.closed
        self.residents = [] if found is None else [Resident.load(blob) for blob in found.levels]
        self.tombstones = [] if found is None else found.tombstones

    def dump(self) -> bytes:
        """Return the state."""
        assert self.closed is not None, "nothing is kept before the first tick"
        return pack(KIND, _State(self.closed, [one.dump() for one in self.residents], self.tombstones))


@dataclass(frozen=True)
class AdvancedLevels:
    """What came of one call.

    Attributes:
        made: In the order of ticks, of each level one or more.
        next_version: The tick at which another version of the playbook takes over, None for never.
        held: Late rows from where a later tick was closed already, and erasures of later ticks.
        erased: What erasures came to, of each level one or more.
        levels: What is remembered.
    """

    made: Sequence[Sequence[Advanced]]
    levels: Levels = field(repr=False)
    next_version: int | None = None
    held: Sequence[pa.RecordBatch] = ()
    erased: Sequence[Erased] = ()

    @property
    def every(self) -> list[Advanced]:
        """All that came of the call, but for erasures."""
        return [advanced for level in self.made for advanced in level]

    @property
    def waiting(self) -> list[pa.RecordBatch]:
        """Rows of later ticks, to be given again."""
        return [*self.held, *(batch for level in self.made for batch in level[-1].waiting)]

    @property
    def pending(self) -> int:
        """How many signals wait, erasures included."""
        last = {one.level: one.counts["pending"] for one in self.erased}
        return sum(level[-1].counts["pending"] for level in self.made) + sum(last.values())

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        ticks = [self.next_version, *(resident.wake for resident in self.levels.residents)]
        return min((tick for tick in ticks if tick is not None), default=None)

    def dump(self) -> bytes:
        """Return the shard's state for the next call."""
        return self.levels.dump()


def advance_levels(
    plans: Sequence[ContextPlan],
    state: Levels | bytes | None,
    batches: Sequence[pa.RecordBatch],
    upto: int,
    options: Options = USUAL,
) -> AdvancedLevels:
    """Advance each level to a tick; see `advance`.

    Rows that were late where they came from act at the tick after the one that was closed there, so what was due
    until then comes first. Erasures act before all else at the first tick after their time, or at the first open one.

    Args:
        plans: The levels, always in the same order.
        state: What the call before remembered, which this one changes, or a state; None at first.
        batches: Signal batches with `subject_kind` in their metadata.
        upto: A tick after those of the calls before.
        options: How.
    """
    levels = state if isinstance(state, Levels) else Levels(state)
    if levels.closed is None:
        levels.residents, levels.tombstones = [Resident.load(None) for _ in plans], [[] for _ in plans]
    lines = []
    for plan, resident, stones in zip(plans, levels.residents, levels.tombstones, strict=True):
        line = _Line(plan, resident, levels.closed, stones, options)
        line.advance(batches, upto)
        lines.append(line)
    levels.closed = upto
    levels.residents, levels.tombstones = [line.resident for line in lines], [line.tombstones for line in lines]
    held = [batch for batch in batches if _closed_at(batch) >= upto] + erasure_requests.after(batches, upto)
    return AdvancedLevels([line.made for line in lines], levels, held=held, erased=[line.erased for line in lines])


class _Line:
    """One level on its way to a tick, piece by piece: each ends where late rows, or erasures, come in."""

    def __init__(
        self,
        plan: ContextPlan,
        resident: Resident,
        closed: int | None,
        tombstones: list[Tombstone],
        options: Options,
    ) -> None:
        self.plan, self.tombstones, self.made = plan, tombstones, list[Advanced]()
        self.erased = Erased(plan.level, options.stats)
        self.resident, self._closed, self._options = resident, closed, options

    def advance(self, batches: Sequence[pa.RecordBatch], upto: int) -> None:
        """Advance to the last tick."""
        requests, mine = erasure_requests.asked(self.plan, batches, self._first, self._options.salt)
        if requests.height:
            requests = self._to_erase(requests, mine, upto)
        ends = {_closed_at(batch) for batch in mine} | {tick - self.plan.grid.tick for tick in requests["tick"]}
        for end in (*sorted(end for end in ends if self._first <= end < upto), upto):
            if requests.height or self.tombstones:
                mine = self._erase(requests.filter(pl.col("tick") == self._first), mine)
            due = [batch for batch in mine if _closed_at(batch) < end]
            ends_run = self._options.final and end == upto
            self.made.append(self.resident.advance(self.plan, due, end, replace(self._options, final=ends_run)))
            mine = [*self.made[-1].waiting, *(batch for batch in mine if _closed_at(batch) >= end)]
            self._closed = end
        self.tombstones = sorted(one for one in self.tombstones if one.until > upto)

    @property
    def _first(self) -> int:
        """The first open tick."""
        return 0 if self._closed is None else self._closed + self.plan.grid.tick

    def _to_erase(self, requests: pl.DataFrame, mine: Sequence[pa.RecordBatch], upto: int) -> pl.DataFrame:
        """Return the erasures up to a tick of those who are known here; only tell of the others."""
        self.erased.wait(requests.filter(pl.col("tick") > upto))
        requests = requests.filter(pl.col("tick") <= upto)
        known = known_here(self.plan, self.resident, mine, requests)
        for (tick, *_), unknown in requests.filter(~known).sort("tick").group_by("tick", maintain_order=True):
            erasure.announce(self.plan, self._new(unknown, cast(int, tick)), self.erased)
        return requests.filter(known)

    def _erase(self, requests: pl.DataFrame, mine: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Let the erasures of the next tick act; return the signals that are left."""
        self.tombstones = [one for one in self.tombstones if one.until > self._first]
        new = self._new(requests, self._first)
        if new.height:
            assert self._closed is not None, "no erasure acts before the first tick"
            memory = self.resident.memory()
            erasure.erase(self.plan, memory, new, self.erased)
            self.resident = Resident(memory)
        mine, gone, signals = spare(self.plan.grid, self._first, mine, self.tombstones, self._options.salt)
        self.erased.counts["erased"] += signals
        if new.height:
            self.erased.waited(new, gone)
        return mine

    def _new(self, requests: pl.DataFrame, tick: int) -> pl.DataFrame:
        """Return the erasures of a tick that are no copies, counted, with a tombstone each."""
        new = erasure_requests.news(requests, [one for one in self.tombstones if one.until > tick])
        self.erased.count(new, requests)
        self.tombstones = [*self.tombstones, *erasure.tombstones_of(self.plan, new)]
        return new


def _closed_at(batch: pa.RecordBatch) -> int:
    """Return the tick that was closed where late rows came from; -1 for others."""
    return int(batch.schema.metadata.get(CLOSED_AT, -1))
