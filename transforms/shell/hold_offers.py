"""Offers that wait for room in their hour, as a stage of a stream."""

import logging
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from transforms.decision.offers import ROOTED
from transforms.shell.cuts import Alarm
from transforms.shell.cuts import Kept as Seed
from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder, ShardBatch
from transforms.shell.tallied import TalliedCounter
from transforms.shell.timers import TickTimer
from transforms.sinks.hourly_limit import Kept, Released, release
from transforms.sinks.operations import OPERATIONS, offers_held
from transforms.sinks.refused_offers import STAGE, WHILE_HELD, refused

REFUSED = "refused"
"""The tag of what is not published."""

EXPIRED, HELD = "expired", "held"
"""Metrics namespaces: offers that were no longer valid, and by the name of an offer how many began to wait."""

TICK = "tick"
TIMED = ROOTED.append(pa.field(TICK, pa.int64()))
"""Offers on their way to the stage, with their time as milliseconds."""

log = logging.getLogger(__name__)


def packed(batch: pa.RecordBatch) -> Iterator[ShardBatch]:
    """Put all offers under one key: their number is limited over all."""
    if batch.num_rows:
        yield 0, PackedBatch.of(batch.append_column(TICK, batch["time"].cast(pa.int64())), TICK)


class Hold(beam.DoFn):
    """Holds offers until their tick is over in all shards, and then as long as their hour has no room."""

    WAITING = BagStateSpec("waiting", PackedBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    CUT = ReadModifyWriteStateSpec("cut", VarIntCoder())
    TIMER = TimerSpec(STAGE, TimeDomain.WATERMARK)

    def __init__(self, most: int, timer: TickTimer) -> None:
        self._most, self._timer = most, timer

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
        """Keep what comes until its tick; what was held at a cut is taken up."""
        packed, alarm = element[1], Alarm(self._timer, wake, cut, timer)
        if packed.kept is None:
            waiting.add(packed)
            alarm.at(packed.earliest, stamp)
            return
        seed = Seed.read(packed.kept)
        state.write(seed.state)
        alarm.start(packed.earliest, seed.wake)

    @on_timer(TIMER)
    def let_out(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        key: int = beam.DoFn.KeyParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        state: Any = beam.DoFn.StateParam(STATE),
        wake: Any = beam.DoFn.StateParam(WAKE),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        """Let out what goes at a tick; give what is held at a cut."""
        alarm = Alarm(self._timer, wake, cut, timer)
        ring = alarm.rings(fired)
        if ring is None:
            return
        if ring.acts:
            packs = [pa.Table.from_batches([each.open()]) for each in waiting.read()]
            came = pa.concat_tables([TIMED.empty_table(), *packs], promote_options="default")
            due = pc.less_equal(came[TICK], ring.tick)
            kept, offers = Kept.read(state.read()), came.filter(due).select(ROOTED.names)
            released = release(self._most, kept, offers, ring.tick)
            yield from self._told(released)
            waiting.clear()
            for batch in came.filter(pc.invert(due)).combine_chunks().to_batches():
                later = PackedBatch.of(batch, TICK)
                waiting.add(later)
                alarm.at(later.earliest)
            state.write(released.kept.packed())
            if released.wake is not None:
                alarm.at(released.wake)
        if not ring.acts or alarm.is_cut(ring.tick):
            yield Seed(str(key), None, wake.read(), state.read()).blob(STAGE, ring.tick)

    def _told(self, released: Released) -> Iterator[Any]:
        yield from released.offers.combine_chunks().to_batches()
        if released.expired:
            TalliedCounter(EXPIRED, "offers").inc(len(released.expired))
            yield TaggedOutput(REFUSED, refused(released.expired, WHILE_HELD))
        for data in released.held["data"].to_pylist():
            TalliedCounter(HELD, data["offer"]).inc()
        if released.holding:
            told = offers_held(released.holding, self._most)
            for message in told["message"].to_pylist():
                log.warning("%s", message)
            yield TaggedOutput(OPERATIONS, told)
