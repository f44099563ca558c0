"""Decide offers: one answer to every trigger, by the ledger of its contact root."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.modes import MODES
from schemas.playbook import Playbook
from schemas.versions import Versions
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.answers import ACTIONS
from transforms.decision.bad_outcomes import COUNTED
from transforms.decision.decide import Decided
from transforms.decision.first_gates import first_gates
from transforms.decision.offers import offers_of
from transforms.shell.cuts import BLOBS, Alarm, Blob, Kept
from transforms.shell.end_of_input import split_end
from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder, ShardBatch
from transforms.shell.tallied import TalliedCounter, timed
from transforms.shell.timers import Backlog, Cuts, TickTimer
from transforms.shell.versions import load_all_offers
from transforms.sum_receipts import Removed

OUTPUTS = ("decisions", "offers", "receipts")


class _Decide(beam.DoFn):
    """Holds a shard's triggers and facts until their ticks are due, then answers the triggers."""

    WAITING = BagStateSpec("waiting", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
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
        self._offers = load_all_offers(self._versions, self._mode, self._from)

    def process(
        self,
        element: ShardBatch,
        stamp: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        state: Any = beam.DoFn.StateParam(STATE),
        wake: Any = beam.DoFn.StateParam(WAKE),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        packed, alarm = element[1], Alarm(self._timer, wake, cut, timer)
        if packed.kept is None:
            waiting.add(packed)
            alarm.at(packed.earliest, stamp)
            return
        kept = Kept.read(packed.kept)
        state.write(kept.state)
        for content in kept.waiting:
            waiting.add(PackedBatch(content))
        alarm.start(packed.earliest, kept.wake)

    @on_timer(TIMER)
    def decide(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        shard: int = beam.DoFn.KeyParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        state: Any = beam.DoFn.StateParam(STATE),
        wake: Any = beam.DoFn.StateParam(WAKE),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        alarm = Alarm(self._timer, wake, cut, timer)
        ring = alarm.rings(fired)
        if ring is None:
            return
        if not ring.acts:
            yield Kept(str(shard), None, wake.read(), state.read()).blob(self._timer.stage, ring.tick)
            return
        packs = list(waiting.read())
        given, end = split_end(packed.open() for packed in packs)
        upto = ring.tick
        if self._timer.bounded:
            upto = max(packed.latest for packed in packs) if end is None else end
        with timed(self._versions.first.playbook, self._timer.stage, shard):
            made = [*self._offers.decide(state.read(), given, upto)]
        for plan, decided, removed in made:
            yield from self._told(plan, decided, removed)
        waiting.clear()
        left, kept = [PackedBatch.of(batch, "tick") for batch in decided.waiting], list[bytes]()
        if self._timer.bounded:
            for name in ("pending", "waiting"):
                self.COUNTS[name].inc(decided.counts[name])
            at, kept = decided.wake, [packed.content for packed in left]
        else:
            at = self._keep(decided, left, waiting, state, alarm)
        if alarm.is_cut(upto):
            yield Kept(str(shard), None, at, decided.state, kept).blob(self._timer.stage, upto)

    def _told(self, plan: OfferPlan, decided: Decided, removed: pa.Table) -> Iterator[Any]:
        self._count(decided)
        yield from decided.decisions.combine_chunks().to_batches()
        for batch in offers_of(plan, decided.decisions, decided.offers).combine_chunks().to_batches():
            yield TaggedOutput("offers", batch)
        for batch in removed.to_batches():
            yield TaggedOutput("receipts", (self._timer.stage, batch))

    def _keep(
        self, decided: Decided, left: Sequence[PackedBatch], waiting: Any, state: Any, alarm: Alarm
    ) -> int | None:
        """Write what is known, and return the tick at which something is due."""
        for packed in left:
            waiting.add(packed)
        state.write(decided.state)
        if decided.wake is not None:
            alarm.at(decided.wake)
        due: int | None = alarm.wake.read()
        return due

    def _count(self, decided: Decided) -> None:
        for name in (*ACTIONS, "published", "past"):
            self.COUNTS[name].inc(decided.counts[name])
        for name, counter in self.BAD.items():
            counter.inc(decided.bad[name])
        for (action, gate), count in first_gates(decided.decisions).items():
            TalliedCounter(f"gated {action}", gate).inc(count)


@dataclass(eq=False, kw_only=True)
class DecideOffers(beam.PTransform):
    """Answer every trigger of a contact root, a shard at a time.

    In: (shard of the contact root, packed batch of triggers of one level, of facts, of notices, or of erasures), in the
    global window. A bounded run also brings each shard one `end_batch`: what waits is looked at until then. A run that
    starts from a cut brings a seed to each shard that has one.

    Out: `decisions`, record batches as `transforms.decision.records.decision_schema` says, one row a trigger;
    `offers`, those that send one, as `schemas.offer.OFFER` says; and `receipts`, what `SumReceipts` takes. A trigger
    that comes after its tick was decided is decided at the next and marked late. Any error of our own fails the bundle.

    Attributes:
        playbook: Its offers and policy.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        mode: What the offers are for, one of `MODES`.
        decide_from: Triggers of earlier ticks (milliseconds) get no answer, those that wait in a cut included; they are
            counted as `decisions/past`. None: all are answered.
        backlog: History that an unbounded run catches up with; the same as of `TrackContexts`.
        cuts: When the shards' states are given as `blobs`, for `SaveState`; None for never.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    mode: str = "live"
    decide_from: int | None = None
    backlog: Backlog | None = None
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        super().__init__()
        if self.mode not in MODES:
            raise ValueError(f"no mode {self.mode!r}; use one of {', '.join(MODES)}")

    def stage(self) -> beam.DoFn:
        """Return what holds the shards."""
        timer = TickTimer("decide_offers", self.bounded, self.backlog, self.cuts)
        return _Decide(Versions((self.playbook, *self.later)), timer, self.mode, self.decide_from)

    def expand(self, triggers: beam.PCollection[ShardBatch]) -> Any:
        """Return the outputs by name."""
        tags = {"offers": pa.RecordBatch, "receipts": Removed} | ({} if self.cuts is None else {BLOBS: Blob})
        decide = beam.ParDo(self.stage()).with_output_types(pa.RecordBatch, **tags)
        made = triggers | "Decide" >> decide.with_outputs(*tags, main=OUTPUTS[0])
        return {name: made[name] for name in (OUTPUTS[0], *tags)}
