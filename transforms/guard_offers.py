"""What stands before the offer topic of a live stream: no flood, and nothing that is no longer valid."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from transforms.shell.arrow_coder import ArrowBatchCoder
from transforms.shell.tallied import TalliedCounter
from transforms.shell.timers import TickTimer
from transforms.sinks.hourly_limit import Kept, Released, release
from transforms.sinks.refused_offers import AT_SINK, HELD, STAGE, are_over, refused

REFUSED = "refused"
"""The tag of what is not published."""

COUNTS = "offers"
"""Metrics namespace: `held`, hours in which offers had to wait, and how many were refused by reason."""

log = logging.getLogger(__name__)


def wall_clock() -> int:
    """Return what the clock says, milliseconds."""
    return time.time_ns() // 1_000_000


def keyed(batch: pa.RecordBatch) -> tuple[int, pa.RecordBatch]:
    """Put all offers under one key: their number is limited over all."""
    return 0, batch


class _Hold(beam.DoFn):
    """Holds offers until their tick is over in all shards, and then as long as their hour has no room."""

    WAITING = BagStateSpec("waiting", ArrowBatchCoder())
    STATE = ReadModifyWriteStateSpec("state", BytesCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec(STAGE, TimeDomain.WATERMARK)

    def __init__(self, most: int) -> None:
        self._most, self._timer = most, TickTimer(STAGE, bounded=False)

    def process(
        self,
        element: tuple[int, pa.RecordBatch],
        waiting: Any = beam.DoFn.StateParam(WAITING),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        batch = element[1]
        if batch.num_rows:
            waiting.add(batch)
            self._timer.at(_earliest(batch), wake, timer)

    @on_timer(TIMER)
    def let_out(
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
        came = pa.Table.from_batches(waiting.read(), ROOTED)
        due = pc.less_equal(came["time"].cast(pa.int64()), tick)
        released = release(self._most, Kept.read(state.read()), came.filter(due), tick)
        self._tell(released)
        yield from released.offers.combine_chunks().to_batches()
        if released.expired:
            yield TaggedOutput(REFUSED, refused(released.expired, HELD))
        waiting.clear()
        for batch in came.filter(pc.invert(due)).combine_chunks().to_batches():
            waiting.add(batch)
            self._timer.at(_earliest(batch), wake, timer)
        state.write(released.kept.packed())
        if released.wake is not None:
            self._timer.at(released.wake, wake, timer)

    def _tell(self, released: Released) -> None:
        TalliedCounter(COUNTS, HELD).inc(len(released.expired))
        if released.holding:
            TalliedCounter(COUNTS, "held").inc()
            log.warning("%s offers are held: --max-offers-per-hour is %s", f"{released.waiting:,}", f"{self._most:,}")


class _Expire(beam.DoFn):
    """Takes out what is no longer valid by the clock."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        offers = pa.Table.from_batches([batch])
        over = are_over(offers, self._clock())
        if pc.any(over).as_py():
            gone = offers.filter(over)
            TalliedCounter(COUNTS, AT_SINK).inc(len(gone))
            log.warning("%s offers were no longer valid when they were to be published", f"{len(gone):,}")
            yield TaggedOutput(REFUSED, refused(gone, AT_SINK))
            offers = offers.filter(pc.invert(over))
        yield from offers.combine_chunks().to_batches()


def _earliest(batch: pa.RecordBatch) -> int:
    return int(pc.min(batch["time"]).cast(pa.int64()).as_py())


@dataclass(eq=False, kw_only=True)
class GuardOffers(beam.PTransform):
    """Hold offers of which there are too many in an hour, and take out those that are no longer valid.

    In: batches as `transforms.decision.offers.ROOTED`, of a stream, in the global window. Out: `offers`, those to
    publish, and `refused`, those that are not to be, as `schemas.records.REJECTED`. Only for what is live: in a replay
    every offer is long over by the clock. Withdrawals always pass, in their turn.

    With `most` offers wait until their tick is over in all shards, and then as long as their hour of event time has no
    room, as `transforms.sinks.hourly_limit` says; what waits is in the runner's state. When offers begin to wait in an
    hour it is counted and logged. Without `most` nothing is held. What the clock says is over is taken out after that:
    a bundle that is tried again later may refuse what it published before. Counts as `COUNTS` says.

    Attributes:
        most: Offers in an hour of event time; None for no limit.
        clock: What says what time it is, milliseconds.
    """

    most: int | None = None
    clock: Callable[[], int] = wall_clock

    def __post_init__(self) -> None:
        """Check the limit.

        Raises:
            ValueError: it lets nothing out.
        """
        super().__init__()
        if self.most is not None and self.most < 1:
            raise ValueError(
                f"--max-offers-per-hour {self.most}: at least 1; leave the offer topic out to publish none"
            )

    def expand(self, offers: beam.PCollection[pa.RecordBatch]) -> dict[str, Any]:
        """Return `offers` and `refused`."""
        given = [offers] if self.most is None else self._held(offers, self.most)
        expire = beam.ParDo(_Expire(self.clock)).with_output_types(pa.RecordBatch, **{REFUSED: pa.RecordBatch})
        left = given[0] | "Expire" >> expire.with_outputs(REFUSED, main="offers")
        return {"offers": left.offers, REFUSED: (*given[1:], left[REFUSED]) | "Refused" >> beam.Flatten()}

    def _held(self, offers: beam.PCollection[pa.RecordBatch], most: int) -> list[Any]:
        """Return what goes out in its hour, and what is refused."""
        hold = beam.ParDo(_Hold(most)).with_output_types(pa.RecordBatch, **{REFUSED: pa.RecordBatch})
        one = offers | "Together" >> beam.Map(keyed).with_output_types(tuple[int, pa.RecordBatch])
        out = one | "Hold" >> hold.with_outputs(REFUSED, main="offers")
        return [out.offers, out[REFUSED]]
