"""Decide offers: one answer to every trigger, by the ledger of its contact root."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.modes import MODES
from schemas.playbook import Playbook
from schemas.versions import Versions
from transforms.decision.answers import ACTIONS
from transforms.decision.bad_outcomes import COUNTED
from transforms.decision.decide import Decided
from transforms.decision.offers import offers_of
from transforms.shell.end_of_input import split_end
from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder, ShardBatch
from transforms.shell.tallied import TalliedCounter
from transforms.shell.timers import Backlog, TickTimer
from transforms.shell.versions import load_all_offers
from transforms.sum_receipts import Removed

OUTPUTS = ("decisions", "offers", "receipts")


class _Decide(beam.DoFn):
    """Holds a shard's triggers and facts until their ticks are due, then answers the triggers."""

    WAITING = BagStateSpec("waiting", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec("decide_offers", TimeDomain.WATERMARK)
    COUNTS: ClassVar = {
        name: TalliedCounter("decisions", name) for name in (*ACTIONS, "published", "pending", "waiting")
    }
    BAD: ClassVar = {name: TalliedCounter("bad_input", name) for name in COUNTED}

    def __init__(self, versions: Versions, tick_timer: TickTimer, mode: str) -> None:
        self._versions, self._timer, self._mode = versions, tick_timer, mode

    def setup(self) -> None:
        self._offers = load_all_offers(self._versions, self._mode)

    def process(
        self,
        element: ShardBatch,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        packed = element[1]
        waiting.add(packed)
        self._timer.at(packed.earliest, wake, timer)

    @on_timer(TIMER)
    def decide(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        state: Any = beam.DoFn.StateParam(STATE),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        tick = self._timer.due(fired, wake)
        if tick is None:
            return
        packs = list(waiting.read())
        given, end = split_end(packed.open() for packed in packs)
        upto = tick
        if self._timer.bounded:
            upto = max(packed.latest for packed in packs) if end is None else end
        for plan, decided, removed in self._offers.decide(state.read(), given, upto):
            self._count(decided)
            yield from decided.decisions.combine_chunks().to_batches()
            for batch in offers_of(plan, decided.decisions).combine_chunks().to_batches():
                yield beam.pvalue.TaggedOutput("offers", batch)
            for batch in removed.to_batches():
                yield beam.pvalue.TaggedOutput("receipts", (self._timer.stage, batch))
        waiting.clear()
        if self._timer.bounded:
            for name in ("pending", "waiting"):
                self.COUNTS[name].inc(decided.counts[name])
            return
        for batch in decided.waiting:
            waiting.add(PackedBatch.of(batch, "tick"))
        state.write(decided.state)
        if decided.wake is not None:
            self._timer.at(decided.wake, wake, timer)

    def _count(self, decided: Decided) -> None:
        for name in (*ACTIONS, "published"):
            self.COUNTS[name].inc(decided.counts[name])
        for name, counter in self.BAD.items():
            counter.inc(decided.bad[name])


@dataclass(eq=False, kw_only=True)
class DecideOffers(beam.PTransform):
    """Answer every trigger of a contact root, a shard at a time.

    In: (shard of the contact root, packed batch of triggers of one level, of facts, of notices, or of erasures), in the
    global window. A bounded run also brings each shard one `end_batch`: what waits is looked at until then.

    Out: `decisions`, record batches as `transforms.decision.records.decision_schema` says, one row a trigger;
    `offers`, those that send one, as `schemas.offer.OFFER` says; and `receipts`, what `SumReceipts` takes. A trigger
    that comes after its tick was decided is decided at the next and marked late. Any error of our own fails the bundle.

    Attributes:
        playbook: Its offers and policy.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        mode: What the offers are for, one of `MODES`.
        backlog: History that an unbounded run catches up with; the same as of `TrackContexts`.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    mode: str = "live"
    backlog: Backlog | None = None

    def __post_init__(self) -> None:
        super().__init__()
        if self.mode not in MODES:
            raise ValueError(f"no mode {self.mode!r}; use one of {', '.join(MODES)}")

    def stage(self) -> beam.DoFn:
        """Return what holds the shards."""
        timer = TickTimer("decide_offers", self.bounded, self.backlog)
        return _Decide(Versions((self.playbook, *self.later)), timer, self.mode)

    def expand(self, triggers: beam.PCollection[ShardBatch]) -> Any:
        """Return the outputs by name."""
        decide = beam.ParDo(self.stage()).with_output_types(pa.RecordBatch, offers=pa.RecordBatch, receipts=Removed)
        made = triggers | "Decide" >> decide.with_outputs(*OUTPUTS[1:], main=OUTPUTS[0])
        return {name: made[name] for name in OUTPUTS}
