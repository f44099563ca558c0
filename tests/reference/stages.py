"""Both stages of contexts by the kernel, each in shards, in the words of the reference."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import cast

import pyarrow as pa

from schemas.playbook_levels import GROUPS
from tests.reference.kernel import Kernel, batch
from tests.reference.records import Signal
from transforms.context.advance import Advanced
from transforms.context.advance_levels import Levels
from transforms.context.erasure.erase import Erased
from transforms.context.erasure.requests import ERASURE
from transforms.context.ingest.source_liveness import Watch
from transforms.context.run import Options
from transforms.parsing.batches import by_shard
from transforms.shell.versions import ContextPlans

SALT = b"a salt for tests"


class Stages:
    """Subscribers, and the groups that they tell, advanced by the kernel.

    Attributes:
        shards: What each shard of either stage told, by kind of subject.
    """

    def __init__(
        self,
        plans: ContextPlans,
        subscribers: int = 1,
        groups: int = 1,
        stats: Sequence[int] = (),
        complete_from: int | None = None,
        *,
        live: bool = False,
    ) -> None:
        """Start without state.

        Args:
            plans: The levels, in one version or several.
            subscribers: Number of shards of the first stage.
            groups: Number of shards of the second.
            stats: Widths of the windows in which to tell of segments.
            complete_from: Since when the input is complete, None for ever.
            live: Whether shards stay decoded.
        """
        options = Options(salt=SALT, stats=stats, complete_from=complete_from)
        self._columns, kinds = plans.columns, [*plans.plans[0]]
        self._first = [_Shard(plans, ["subscriber"], options, live) for _ in range(subscribers)]
        self._second = [_Shard(plans, [kind for kind in kinds if kind in GROUPS], options, live) for _ in range(groups)]
        book, grid = plans.versions.first, plans.plans[0]["subscriber"].grid
        self._watch, self._lateness, self._closed = Watch(book.feed_timeout, grid, kinds), book.allowed_lateness, 0
        self.shards = {kind: [s.told[kind] for s in (*self._first, *self._second) if kind in s.told] for kind in kinds}

    def advance(self, signals: Iterable[Signal], upto: int, groups_upto: int | None = None) -> list[Advanced]:
        """Advance over one span, groups as far as said: what they are told of later ticks waits.

        Returns:
            What came of it.
        """
        by_type: dict[tuple[str, str], list[Signal]] = defaultdict(list)
        for row in signals:
            by_type[row.signal, row.subject_kind].append(row)
        for (name, kind), rows in by_type.items():
            stage = self._second if kind in GROUPS else self._first
            given = batch(name, kind, self._columns.get(name, ()), rows)
            _deal(given, stage)
            known = [row for row in rows if row.time >= self._closed - self._lateness]
            self._watch.hear([batch(name, kind, (), known)])
            if name == ERASURE and kind in GROUPS:
                _broadcast(given, self._first)
        for turn in self._watch.turns(upto):
            _broadcast(turn, self._second if _kind(turn) in GROUPS else self._first)
        self._closed = upto
        made = [advanced for shard in self._first for advanced in shard.advance(upto)]
        for told in (told for advanced in made for told in advanced.forwarded):
            _deal(told, self._second)
        for told in (told for shard in self._first for one in shard.erased for told in one.forwarded):
            _broadcast(told, self._second)
        ends = upto if groups_upto is None else groups_upto
        return made + [advanced for shard in self._second for advanced in shard.advance(ends)]

    @property
    def erased(self) -> list[Erased]:
        """What the erasures of the last call came to."""
        return [one for shard in (*self._first, *self._second) for one in shard.erased]

    @property
    def states(self) -> list[bytes]:
        """The states of all shards."""
        return [shard.state for shard in (*self._first, *self._second) if shard.state is not None]

    @property
    def waiting(self) -> list[pa.RecordBatch]:
        """What waits in all shards."""
        return [batch for shard in (*self._first, *self._second) for batch in shard.waiting]


class _Shard:
    """One shard of a stage, with its state, what waits, and what was erased in the last call."""

    def __init__(self, plans: ContextPlans, levels: Sequence[str], options: Options, live: bool) -> None:
        self._plans, self._levels, self._options = plans, levels, options
        self._closed: int | None = None
        self._live, self._known = live, cast(Levels | None, None)
        self.state: bytes | None = None
        self.waiting: list[pa.RecordBatch] = []
        self.erased: Sequence[Erased] = ()
        self.told = {level: Kernel(plans.plans[0][level]) for level in levels}

    def advance(self, upto: int) -> Sequence[Advanced]:
        """Advance to a tick, unless it is closed already."""
        self.erased = ()
        if self._closed is not None and upto <= self._closed:
            return []
        closed, self._closed = self._closed, upto
        known = self._known if self._live else self.state
        advanced = self._plans.advance(self._levels, known, closed, self.waiting, upto, self._options)
        self.waiting, self.erased = advanced.waiting, advanced.erased
        self.state, self._known = None if self._live else advanced.dump(), advanced.levels
        for level, made in zip(self._levels, advanced.made, strict=True):
            for one in made:
                self.told[level].take(one)
        for erased in advanced.erased:
            self.told[erased.level].take_erased(erased)
        return advanced.every


def _deal(rows: pa.RecordBatch, stage: Sequence[_Shard]) -> None:
    """Let rows wait where they belong."""
    for shard, mine in by_shard(rows, len(stage)):
        stage[shard].waiting.append(mine)


def _kind(rows: pa.RecordBatch) -> str:
    return rows.schema.metadata[b"subject_kind"].decode()


def _broadcast(rows: pa.RecordBatch, stage: Sequence[_Shard]) -> None:
    """Let rows wait everywhere."""
    for shard in stage:
        shard.waiting.append(rows)
