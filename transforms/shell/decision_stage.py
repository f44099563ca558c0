"""The stage that holds the ledgers of a shard: what they are told waits for its tick, then triggers are answered."""

import logging
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
from transforms.shell.shard_log import Cell, Held, Owner, Residents, fold, replay, start_from
from transforms.shell.tallied import TalliedCounter, TalliedDistribution, timed
from transforms.shell.timers import TickTimer
from transforms.shell.versions import load_all_offers

Made = tuple[OfferPlan, Decided, pa.Table]
"""What one version decided, and what was then removed."""

_RESIDENTS = Residents[Ledgers]()
_log = logging.getLogger(__name__)


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
        (shard, packed), alarm = element, Alarm(self._timer, wake, cut, timer)
        before = Cell() if self._timer.bounded else Cell.read(cell)
        if packed.kept is not None:
            kept = Kept.read(packed.kept)
            closed = Ledgers.load(kept.state).closed
            start_from(kept, closed, log, state, cell)
            alarm.start(packed.earliest, kept.wake, (closed or 0) + self._tick)
            return
        open_from = 0 if before.closed is None else before.closed + self._tick
        packed = packed.came_at(before.closed, open_from)
        log.add(packed)
        if not self._timer.bounded:
            after = before.after(packed)
            after.write(cell)
            _RESIDENTS.came(self._owner, shard, before, packed, after)
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
        if not ring.acts:
            yield self._cut(ring.tick, shard, log, state, cell, alarm)
            return
        with timed(self._versions.first.playbook, self._timer.stage, shard):
            if self._timer.bounded:
                elements = self._finish(ring.tick, shard, log, state, alarm)
            else:
                elements = self.decide_at(ring.tick, shard, log, state, cell, alarm)
        yield from elements

    def _finish(self, tick: int, shard: int, log: Any, state: Any, alarm: Alarm) -> list[Any]:
        """Decide all of a bounded input, up to its end where that was told."""
        packs = [*log.read()]
        given, end = split_end(packed.open() for packed in packs)
        upto = max(packed.latest for packed in packs) if end is None else end
        ledgers = Ledgers.load(state.read())
        made = [*self._offers.decide(ledgers, given, upto)]
        decided = made[-1][1]
        for name, count in (("pending", decided.counts["pending"]), ("waiting", ledgers.waiting)):
            self.COUNTS[name].inc(count)
        elements = [*self._elements(made)]
        if alarm.is_cut(upto):
            left = [PackedBatch.of(batch, "tick").content for batch in decided.waiting]
            kept = Kept(str(shard), None, decided.wake, self._offers.dump(ledgers), left)
            elements.append(kept.blob(self._timer.stage, upto))
        return elements

    def decide_at(self, tick: int, shard: int, log: Any, state: Any, cell: Any, alarm: Alarm) -> list[Any]:
        """Decide what is due at a tick; state is written last."""
        known = Cell.read(cell)
        held = _RESIDENTS.take(self._owner, shard, known) or self._rebuilt(known, log, state)
        given = held.due(tick)
        made = [*self._offers.decide(held.known, given, tick)]
        elements, decided = [*self._elements(made)], made[-1][1]
        held.wait(decided.waiting, self._tick, tick)
        known, blob, cut = known.at(tick), None, alarm.is_cut(tick)
        erased = any(len(removed) for *_, removed in made)
        if known.full or erased or any(map(_is_late_fact, given)):  # these must not be in a log that is played again
            blob = self._offers.dump(held.known)
            TalliedDistribution("state", self._timer.stage).update(len(blob))
            known = fold(known, blob, held.left(), log, state)
        known.write(cell)
        held.token = known.token
        ticks = [at for at in (decided.wake, held.wake(self._tick, tick)) if at is not None]
        if ticks:
            alarm.at(min(ticks))
        if cut:
            blob = self._offers.dump(held.known) if blob is None else blob
            elements.append(Kept(str(shard), None, alarm.wake.read(), blob).blob(self._timer.stage, tick))
        _RESIDENTS.keep(self._owner, shard, held)
        return elements

    def _cut(self, tick: int, shard: int, log: Any, state: Any, cell: Any, alarm: Alarm) -> TaggedOutput:
        """Give what is known as of a tick at which nothing acts: so a cut changes nothing."""
        known = Cell.read(cell)
        held = _RESIDENTS.take(self._owner, shard, known) or self._rebuilt(known, log, state)
        kept = Kept(str(shard), None, alarm.wake.read(), self._offers.dump(held.known))
        _RESIDENTS.keep(self._owner, shard, held)
        return kept.blob(self._timer.stage, tick)

    def _rebuilt(self, cell: Cell, log: Any, state: Any) -> Held[Ledgers]:
        """Return what blob and log amount to."""
        held = Held(cell.token, Ledgers.load(state.read()), [*log.read()], times="tick")
        if cell.closed is not None:
            TalliedCounter("resident", self._timer.stage).inc()
            _log.info("ledgers are made again from their state: they were not in memory")
        if cell.closed is not None and cell.closed != held.known.closed:
            replay(held, cell, self._tick, lambda given, upto: self._waiting(held.known, given, upto))
        return held

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
