"""The stage that holds the ledgers of a shard: what they are told waits for its tick, then triggers are answered."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.versions import Versions
from transforms.compiler.offer_definitions import OfferPlan
from transforms.context.grid import CLOSED_AT
from transforms.decision.answers import ACTIONS
from transforms.decision.bad_outcomes import COUNTED
from transforms.decision.decide import Decided
from transforms.decision.first_gates import first_gates
from transforms.decision.ingest import is_fact
from transforms.decision.ledgers import Ledgers
from transforms.decision.offers import offers_of
from transforms.shell.cuts import Alarm, Kept
from transforms.shell.end_of_input import split_end
from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder, ShardBatch
from transforms.shell.resident_shard import Owner, Residents, ResidentShard
from transforms.shell.shard_log import Cell
from transforms.shell.tallied import TalliedCounter, timed
from transforms.shell.timers import TickTimer
from transforms.shell.versions import load_all_offers

Made = tuple[OfferPlan, Decided, pa.Table]
"""What one version decided, and what was then removed."""

_RESIDENTS = Residents(Ledgers.load, times="tick")


class DecisionStage(beam.DoFn):
    """Holds a shard's triggers, facts and notices until their ticks are due, then answers the triggers."""

    LOG = BagStateSpec("log", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    CELL = ReadModifyWriteStateSpec("cell", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    CUT = ReadModifyWriteStateSpec("cut", VarIntCoder())
    TIMER = TimerSpec("decide_offers", TimeDomain.WATERMARK)
    COUNTS: ClassVar = {
        name: TalliedCounter("decisions", name) for name in (*ACTIONS, "published", "past", "pending", "waiting")
    }
    BAD: ClassVar = {name: TalliedCounter("bad_input", name) for name in COUNTED}

    def __init__(self, versions: Versions, tick_timer: TickTimer, mode: str, decide_from: int | None) -> None:
        self._versions, self._timer, self._mode, self._from = versions, tick_timer, mode, decide_from

    def setup(self) -> None:
        """Load the plans."""
        self._offers = load_all_offers(self._versions, self._mode, self._from)
        self._tick = self._versions.first.tick
        hashes = [book.content_hash for book in self._versions.playbooks]
        self._owner = Owner(repr((hashes, self._mode, self._from)), self._timer.stage)
        _RESIDENTS.start(self._owner)

    def teardown(self) -> None:
        """End; what is resident stays for the next worker."""
        _RESIDENTS.end(self._owner)

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
        """Keep a packed batch until its first tick is due, or start from a seed."""
        (number, packed), alarm = element, Alarm(self._timer, wake, cut, timer)
        shard = ResidentShard(_RESIDENTS, self._owner, number, log, state, cell)
        before = Cell() if self._timer.bounded else Cell.read(cell)
        if packed.kept is not None:
            kept = Kept.read(packed.kept)
            closed = Ledgers.load(kept.state).closed
            shard.start(kept, closed)
            alarm.start(packed.earliest, kept.wake, (closed or 0) + self._tick)
            return
        open_from = 0 if before.closed is None else before.closed + self._tick
        packed = packed.came_at(before.closed, open_from)
        log.add(packed)
        if not self._timer.bounded:
            shard.came(before, packed)
        alarm.at(max(packed.earliest, open_from), stamp)

    @on_timer(TIMER)
    def decide(
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
        """Decide what is due at the tick of a timer, or only give what is known, unless it is stale."""
        alarm = Alarm(self._timer, wake, cut, timer)
        ring = alarm.rings(fired)
        if ring is None:
            return
        resident = ResidentShard(_RESIDENTS, self._owner, shard, log, state, cell)
        if not ring.acts:
            yield self._cut(ring.tick, resident, alarm)
            return
        with timed(self._versions.first.playbook, self._timer.stage, shard):
            if self._timer.bounded:
                elements = self._finish(resident, alarm)
            else:
                elements = self.decide_at(ring.tick, resident, alarm)
        yield from elements

    def _finish(self, shard: ResidentShard[Ledgers], alarm: Alarm) -> list[Any]:
        """Decide all of a bounded input, up to its end where that was told."""
        packs = [*shard.log.read()]
        given, end = split_end(packed.open() for packed in packs)
        upto = max(packed.latest for packed in packs) if end is None else end
        ledgers = Ledgers.load(shard.state.read())
        made = [*self._offers.decide(ledgers, given, upto)]
        decided = made[-1][1]
        for name, count in (("pending", decided.counts["pending"]), ("waiting", ledgers.waiting)):
            self.COUNTS[name].inc(count)
        elements = [*self._elements(made)]
        if alarm.is_cut(upto):
            left = [PackedBatch.of(batch, "tick").content for batch in decided.waiting]
            kept = Kept(str(shard.number), None, decided.wake, ledgers.dump(), left)
            elements.append(kept.blob(self._timer.stage, upto))
        return elements

    def decide_at(self, tick: int, shard: ResidentShard[Ledgers], alarm: Alarm) -> list[Any]:
        """Decide what is due at a tick; state is written last."""
        known = Cell.read(shard.cell)
        held = shard.held(known, self._tick, self._waiting)
        given = held.due(tick)
        made = [*self._offers.decide(held.known, given, tick)]
        elements, decided = [*self._elements(made)], made[-1][1]
        held.wait(decided.waiting, self._tick, tick)
        known, cut = known.at(tick), alarm.is_cut(tick)
        erased = any(len(removed) for *_, removed in made)
        renewed = known.full or erased or any(map(_is_late_fact, given))  # these must not be in a log that is replayed
        blob = held.known.dump() if renewed or cut else None
        shard.close(held, known, blob if renewed else None)
        ticks = [at for at in (decided.wake, held.wake(self._tick, tick)) if at is not None]
        if ticks:
            alarm.at(min(ticks))
        if cut:
            elements.append(Kept(str(shard.number), None, alarm.wake.read(), blob).blob(self._timer.stage, tick))
        return elements

    def _cut(self, tick: int, shard: ResidentShard[Ledgers], alarm: Alarm) -> TaggedOutput:
        """Give what is known as of a tick at which nothing acts: so a cut changes nothing."""
        held = shard.held(Cell.read(shard.cell), self._tick, self._waiting)
        kept = Kept(str(shard.number), None, alarm.wake.read(), held.known.dump())
        shard.keep(held)
        return kept.blob(self._timer.stage, tick)

    def _waiting(self, ledgers: Ledgers, given: Sequence[pa.RecordBatch], upto: int) -> list[pa.RecordBatch]:
        """Decide once more what was decided, and return what waits."""
        return [*self._offers.decide(ledgers, given, upto)][-1][1].waiting

    def _elements(self, made: Sequence[Made]) -> Iterator[Any]:
        for plan, decided, removed in made:
            self._count(decided)
            yield from decided.decisions.combine_chunks().to_batches()
            for batch in offers_of(plan, decided.decisions, decided.offers).combine_chunks().to_batches():
                yield TaggedOutput("offers", batch)
            for batch in removed.to_batches():
                yield TaggedOutput("receipts", (self._timer.stage, batch))

    def _count(self, decided: Decided) -> None:
        for name in (*ACTIONS, "published", "past"):
            self.COUNTS[name].inc(decided.counts[name])
        for name, counter in self.BAD.items():
            counter.inc(decided.bad[name])
        for (action, gate), count in first_gates(decided.decisions).items():
            TalliedCounter(f"gated {action}", gate).inc(count)


def _is_late_fact(batch: pa.RecordBatch) -> bool:
    """Tell facts that came late: one call over a log sees that they are older than others, which were forgotten."""
    return CLOSED_AT in batch.schema.metadata and is_fact(batch)
