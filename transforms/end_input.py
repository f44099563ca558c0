"""Tells every shard of a bounded run the tick at which its input ends."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from transforms.context.definitions import ContextPlan
from transforms.track_contexts import ShardBatch, end_batch, end_tick


def greatest_time(element: ShardBatch) -> int:
    """Return the greatest event time of a signal batch, milliseconds."""
    return int(pc.max(element[1]["time"]).as_py())


def greatest_of(times: Iterable[int | None]) -> int | None:
    """Return the greatest of several times, None for none."""
    return max((time for time in times if time is not None), default=None)


class _Tell(beam.DoFn):
    """Makes the batch that ends a shard's input."""

    def __init__(self, plan: ContextPlan, until: int | None) -> None:
        self._plan, self._until = plan, until

    def process(self, shard: int, greatest: int | None) -> Iterable[ShardBatch]:
        tick = end_tick(self._plan, greatest) if self._until is None else self._until
        Metrics.distribution("signals", "end_tick").update(tick)
        yield shard, end_batch(tick)


@dataclass(eq=False, kw_only=True)
class EndInput(beam.PTransform):
    """Tell each shard the last tick, the same for all.

    In: (shard, signal batch), bounded, in the global window. Out: (shard, `end_batch`), one a shard, also for shards
    without signals. Counts the tick as `signals/end_tick`.

    Attributes:
        plan: Has the grid.
        shards: Number of shards.
        until: The last tick, milliseconds; by default the first after the greatest event time of all signals.
    """

    plan: ContextPlan
    shards: int
    until: int | None = None

    def __post_init__(self) -> None:
        """Check that the end is a tick.

        Raises:
            ValueError: it is not.
        """
        super().__init__()
        if self.until is not None and self.until % self.plan.grid.tick:
            raise ValueError(f"--until: not a tick of the playbook, which has one every {self.plan.grid.tick} ms")

    def expand(self, signals: beam.PCollection[ShardBatch]) -> beam.PCollection[ShardBatch]:
        """Find the greatest time, then tell it to all."""
        times = signals | "Times" >> beam.Map(greatest_time).with_output_types(int)
        greatest = times | "Greatest" >> beam.CombineGlobally(greatest_of)
        tell = beam.ParDo(_Tell(self.plan, self.until), beam.pvalue.AsSingleton(greatest))
        shards = signals.pipeline | "Shards" >> beam.Create(range(self.shards), reshuffle=False)
        return shards | "Tell" >> tell.with_output_types(ShardBatch)
