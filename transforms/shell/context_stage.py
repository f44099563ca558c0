"""The stage that holds the contexts of a shard: signals wait for their ticks, which advance it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.versions import Versions
from transforms.context.advance_levels import AdvancedLevels, Levels
from transforms.context.erasure.requests import ERASURE
from transforms.context.ingest import bad_input
from transforms.context.run import Options
from transforms.shell.context_cuts import kept_at_end, signals_from
from transforms.shell.cuts import Alarm, Kept
from transforms.shell.end_of_input import end_tick, split_end
from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder, ShardBatch
from transforms.shell.pseudonym_key import key_in_environment
from transforms.shell.resident_shard import Owner, Residents, ResidentShard
from transforms.shell.routing import elements_of, elements_of_erasures
from transforms.shell.shard_log import Cell
from transforms.shell.tallied import TalliedCounter, TalliedDistribution, timed
from transforms.shell.timers import TickTimer
from transforms.shell.versions import load_contexts

_RESIDENTS = Residents(Levels)


@dataclass(frozen=True)
class Tracked:
    """What a stage tracks.

    Attributes:
        versions: The playbook, in all its versions.
        levels: The kinds of subjects.
        shards: Number of shards, the same in all stages.
        complete_from: Since when a run without state has all signals (milliseconds), None for ever.
        stats: Widths of the windows in which to tell of segments, milliseconds.
    """

    versions: Versions
    levels: tuple[str, ...]
    shards: int = 1
    complete_from: int | None = None
    stats: tuple[int, ...] = ()


class ContextStage(beam.DoFn):
    """What a stage of contexts does with what it keeps; `context_stage` gives it state cells and a timer."""

    READ: ClassVar = TalliedCounter("signals", "in")
    COUNTS: ClassVar = {
        name: TalliedCounter("signals", name)
        for name in ("applied", "late", "contradictory", "doubtful", "duplicates", "too_late", "erased", "pending")
    } | {
        "groups_too_large": TalliedCounter("groups", "too_large"),
        "sums_too_large": TalliedCounter("features", "sums_too_large"),
        **{name: TalliedCounter("bad_input", name) for name in bad_input.COUNTED},
    }

    def __init__(self, tracked: Tracked, timer: TickTimer) -> None:
        self._tracked, self._timer = tracked, timer

    def setup(self) -> None:
        """Load the plans."""
        tracked, self._salt = self._tracked, key_in_environment()
        self._contexts = load_contexts(tracked.versions)
        self._tick = tracked.versions.first.tick
        hashes = [book.content_hash for book in tracked.versions.playbooks]
        pipeline = repr((hashes, tracked.complete_from, tracked.stats, self._salt))
        self._owner = Owner(pipeline, self._timer.stage)
        _RESIDENTS.start(self._owner)

    def teardown(self) -> None:
        """End; what is resident stays for the next worker."""
        _RESIDENTS.end(self._owner)

    def hold(
        self, packed: PackedBatch, shard: ResidentShard[Levels], alarm: Alarm, stamp: Timestamp | None = None
    ) -> None:
        """Keep a packed batch until its first tick is due, or start from a seed."""
        before = Cell() if self._timer.bounded else Cell.read(shard.cell)
        if packed.kept is not None:
            kept = Kept.read(packed.kept)
            shard.start(kept, kept.closed)
            self.READ.inc(signals_from(kept, self._tracked.levels))
            alarm.start(packed.earliest, kept.wake, (kept.closed or 0) + self._tick)
            return
        packed = packed.came_at(before.closed)
        shard.log.add(packed)
        if not self._timer.bounded:
            shard.came(before, packed)
        open_from = (before.closed or 0) + self._tick
        alarm.at(max(end_tick(self._tick, packed.earliest), open_from), stamp)

    def fire(self, fired: Timestamp, shard: ResidentShard[Levels], alarm: Alarm) -> Iterator[Any]:
        """Advance to the tick of a timer, or only give what is known, unless it is stale."""
        ring = alarm.rings(fired)
        if ring is None:
            return iter(())
        if self._timer.bounded:
            return self._finish(ring.tick, shard, alarm)
        if not ring.acts:
            return self._cut(ring.tick, shard, alarm)
        with timed(self._tracked.versions.first.playbook, self._timer.stage, shard.number):
            return self.advance_to(ring.tick, shard, alarm)

    def _finish(self, tick: int, shard: ResidentShard[Levels], alarm: Alarm) -> Iterator[Any]:
        """Advance to the end of a bounded input, where that was told, or else to the tick."""
        signals, end = split_end(packed.open() for packed in shard.log.read())
        upto, closed = tick if end is None else end, Cell.read(shard.cell).closed
        known = None if closed is None else Levels(shard.state.read())
        advanced = self._advance(known, closed, signals, upto)
        self._count(advanced)
        yield from self._elements(advanced)
        if alarm.is_cut(upto):
            yield kept_at_end(str(shard.number), upto, self._tick, advanced).blob(self._timer.stage, upto)

    def advance_to(self, tick: int, shard: ResidentShard[Levels], alarm: Alarm) -> Iterator[Any]:
        """Advance to a tick; state is written last."""
        known = Cell.read(shard.cell)
        held = shard.held(known, self._tick, self._waiting)
        signals = held.due(tick)
        if any(batch.schema.metadata[b"signal"] == ERASURE.encode() for batch in signals):
            signals += held.every()  # what waits is erased, too
        advanced = self._advance(held.known, known.closed, signals, tick)
        elements = list(self._elements(advanced))
        due = sum(one.memory.subjects.height for one in advanced.every)
        TalliedDistribution("due", self._timer.stage).update(due)
        held.wait(advanced.waiting, self._tick, tick)
        known, cut = known.at(tick), alarm.is_cut(tick)
        renewed = known.full or any(one.acted for one in advanced.erased)  # what was erased is in the log, too
        blob = advanced.dump() if renewed or cut else None
        shard.close(held, known, blob if renewed else None)
        ticks = [at for at in (advanced.wake, held.wake(self._tick, tick)) if at is not None]
        if ticks:
            alarm.at(min(ticks))
        if cut:
            elements.append(Kept(str(shard.number), tick, alarm.wake.read(), blob).blob(self._timer.stage, tick))
        self._count(advanced)
        return iter(elements)

    def _cut(self, tick: int, shard: ResidentShard[Levels], alarm: Alarm) -> Iterator[Any]:
        """Give what is known as of a tick at which nothing acts: so a cut changes nothing."""
        known = Cell.read(shard.cell)
        held = shard.held(known, self._tick, self._waiting)
        kept = Kept(str(shard.number), known.closed, alarm.wake.read(), held.known.dump())
        shard.keep(held)
        return iter([kept.blob(self._timer.stage, tick)])

    def _waiting(self, known: Levels, signals: Sequence[pa.RecordBatch], upto: int) -> list[pa.RecordBatch]:
        """Advance once more to where it was, and return what waits."""
        return self._advance(known, known.closed, signals, upto).waiting

    def _advance(
        self, known: Levels | None, closed: int | None, signals: Sequence[pa.RecordBatch], upto: int
    ) -> AdvancedLevels:
        tracked = self._tracked
        options = Options(
            complete_from=tracked.complete_from, final=self._timer.ends, stats=tracked.stats, salt=self._salt
        )
        return self._contexts.advance(tracked.levels, known, closed, signals, upto, options)

    def _elements(self, advanced: AdvancedLevels) -> Iterator[Any]:
        yield from elements_of(advanced, self._tracked.shards)
        yield from elements_of_erasures(advanced.erased, self._timer.stage, self._tracked.shards)

    def _count(self, advanced: AdvancedLevels) -> None:
        """Count what became of signals; what waits is pending only where nothing follows."""
        counts = Counter[str]()
        for counted in (*(one.counts for one in advanced.every), *(one.counts for one in advanced.erased)):
            counts.update(counted)
        counts["too_late"], counts["pending"] = counts["rejected"], advanced.pending if self._timer.bounded else 0
        for name, counter in self.COUNTS.items():
            counter.inc(counts[name])


def context_stage(name: str) -> type[ContextStage]:
    """Return a stage whose timer has a name of its own: Beam wants state and timers in the body of each class.

    Args:
        name: Of the timer, and of the class in this module, by which workers find it.
    """

    class Stage(ContextStage):
        LOG = BagStateSpec("log", PackedBatchCoder())
        STATE = ReadModifyWriteStateSpec("state", BytesCoder())
        CELL = ReadModifyWriteStateSpec("cell", BytesCoder())
        WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
        CUT = ReadModifyWriteStateSpec("cut", VarIntCoder())
        TIMER = TimerSpec(name, TimeDomain.WATERMARK)

        def process(
            self,
            element: ShardBatch,
            stamp: Timestamp = beam.DoFn.TimestampParam,
            log: Any = beam.DoFn.StateParam(LOG),
            state: Any = beam.DoFn.StateParam(STATE),
            cell: Any = beam.DoFn.StateParam(CELL),
            wake: Any = beam.DoFn.StateParam(WAKE),
            cut: Any = beam.DoFn.StateParam(CUT),
            timer: Any = beam.DoFn.TimerParam(TIMER),
        ) -> None:
            number, packed = element
            shard = ResidentShard(_RESIDENTS, self._owner, number, log, state, cell)
            self.hold(packed, shard, Alarm(self._timer, wake, cut, timer), stamp)

        @on_timer(TIMER)
        def advance(
            self,
            fired: Timestamp = beam.DoFn.TimestampParam,
            shard: int = beam.DoFn.KeyParam,
            log: Any = beam.DoFn.StateParam(LOG),
            state: Any = beam.DoFn.StateParam(STATE),
            cell: Any = beam.DoFn.StateParam(CELL),
            wake: Any = beam.DoFn.StateParam(WAKE),
            cut: Any = beam.DoFn.StateParam(CUT),
            timer: Any = beam.DoFn.TimerParam(TIMER),
        ) -> Iterator[Any]:
            resident = ResidentShard(_RESIDENTS, self._owner, shard, log, state, cell)
            yield from self.fire(fired, resident, Alarm(self._timer, wake, cut, timer))

    Stage.__name__ = Stage.__qualname__ = name
    return Stage


track_subscribers = context_stage("track_subscribers")
track_groups = context_stage("track_groups")
