"""What stands before the offer topic of a live stream: no flood, and nothing that is no longer valid."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from transforms.shell.cuts import BLOBS, Blob
from transforms.shell.hold_offers import EXPIRED, REFUSED, Hold, packed
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.tallied import TalliedCounter
from transforms.shell.timers import Backlog, Cuts, TickTimer
from transforms.sinks.operations import OPERATIONS
from transforms.sinks.refused_offers import AT_SINK, STAGE, are_over, refused

NO_LIMIT = 2**53

log = logging.getLogger(__name__)


def wall_clock() -> int:
    """Return what the clock says, milliseconds."""
    return time.time_ns() // 1_000_000


class _Expire(beam.DoFn):
    """Takes out what is no longer valid by the clock."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        offers = pa.Table.from_batches([batch])
        over = are_over(offers, self._clock())
        if pc.any(over).as_py():
            gone = offers.filter(over)
            TalliedCounter(EXPIRED, "offers").inc(len(gone))
            log.warning("%s offers were no longer valid when they were to be published", f"{len(gone):,}")
            yield TaggedOutput(REFUSED, refused(gone, AT_SINK))
            offers = offers.filter(pc.invert(over))
        yield from offers.combine_chunks().to_batches()


@dataclass(eq=False, kw_only=True)
class GuardOffers(beam.PTransform):
    """Hold offers of which there are too many in an hour, and take out those that are no longer valid.

    In: by name, `offers`, batches as `transforms.decision.offers.ROOTED`, of a stream, in the global window; and where
    the run starts from a cut, `seeds`, those of the stage `guard_offers`. Out: `offers`, those to publish; `refused`,
    those that are not to be, as `schemas.records.REJECTED`; where there is a limit, or seeds, `operations`, one row an
    hour in which offers began to be held, as `schemas.records.OPERATION`, and with cuts `blobs`. Only for what is live:
    in a replay every offer is long over by the clock. Withdrawals always pass, in their turn.

    With `most` offers wait until their tick is over in all shards, and then as long as their hour of event time has no
    room, as `transforms.sinks.hourly_limit` says. Without `most` nothing is held, and what seeds hold goes out. What
    the clock says is over is taken out after that: a bundle that is tried again later may refuse what it published
    before.

    Attributes:
        most: Offers in an hour of event time; None for no limit.
        clock: What says what time it is, milliseconds.
        backlog: History that the run catches up with; the same as of the stages before.
        cuts: When what is held is given as `blobs`, for `SaveState`; None for never.
    """

    most: int | None = None
    clock: Callable[[], int] = wall_clock
    backlog: Backlog | None = None
    cuts: Cuts | None = None

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

    def expand(self, told: Any) -> Any:
        """Hold what is too much, then refuse what is over."""
        given = {"offers": told["offers"]}
        if self.most is not None or "seeds" in told:
            given = self._held(told)
        expire = beam.ParDo(_Expire(self.clock)).with_output_types(pa.RecordBatch, **{REFUSED: pa.RecordBatch})
        left = given["offers"] | "Expire" >> expire.with_outputs(REFUSED, main="offers")
        both = (left[REFUSED], *([given[REFUSED]] if REFUSED in given else []))
        return given | {"offers": left.offers, REFUSED: both | "Refused" >> beam.Flatten()}

    def _held(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return what goes out in its hour, what is refused, and blobs."""
        timer = TickTimer(STAGE, bounded=False, backlog=self.backlog, cuts=self.cuts)
        tags = dict.fromkeys((REFUSED, OPERATIONS), pa.RecordBatch) | ({} if self.cuts is None else {BLOBS: Blob})
        hold = beam.ParDo(Hold(NO_LIMIT if self.most is None else self.most, timer))
        together = told["offers"] | "Together" >> beam.FlatMap(packed).with_output_types(ShardBatch)
        every = (together, *([told["seeds"]] if "seeds" in told else [])) | "All" >> beam.Flatten()
        out = every | "Hold" >> hold.with_output_types(pa.RecordBatch, **tags).with_outputs(*tags, main="offers")
        return {name: out[name] for name in ("offers", *tags)}
