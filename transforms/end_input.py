"""Tells every shard of a bounded run the tick at which its input ends."""

from collections.abc import Iterable
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows, TimestampCombiner

from transforms.shell.end_of_input import end_batch, last_tick
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.tallied import TalliedDistribution

Latest = tuple[int, int | None]


def greatest_time(element: ShardBatch) -> Latest:
    """Return the greatest event time of a packed batch, milliseconds, for the one who tells."""
    return 0, element[1].latest


class _End(beam.DoFn):
    """Makes the batches that end the input of all shards."""

    def __init__(self, end: "EndInput") -> None:
        self._tick, self._shards, self._until, self._since = end.tick, end.shards, end.until, end.since

    def process(self, element: tuple[int, Iterable[int | None]]) -> Iterable[ShardBatch]:
        greatest = max((time for time in element[1] if time is not None), default=None)
        tick = last_tick(self._tick, greatest, self._since) if self._until is None else self._until
        TalliedDistribution("signals", "end_tick").update(tick)
        end = PackedBatch.of(end_batch(tick))
        yield from ((shard, end) for shard in range(self._shards))


@dataclass(eq=False, kw_only=True)
class EndInput(beam.PTransform):
    """Tell each shard the last tick, the same for all.

    In: (shard, packed batch of signals), bounded, in the global window. Out: (shard, packed batch of an
    `end_batch`), one a shard, also for shards without signals. Counts the tick as `signals/end_tick`.

    Attributes:
        tick: That of the playbook, milliseconds.
        shards: Number of shards.
        until: The last tick, milliseconds; by default the first after the greatest event time of all signals.
        since: The tick of the cut that the run starts from, which its end is after.
    """

    tick: int
    shards: int
    until: int | None = None
    since: int | None = None

    def __post_init__(self) -> None:
        """Check that the end is a tick.

        Raises:
            ValueError: it is not.
        """
        super().__init__()
        if self.until is not None and self.until % self.tick:
            raise ValueError(f"--until: not a tick of the playbook, which has one every {self.tick} ms")

    def expand(self, signals: beam.PCollection[ShardBatch]) -> beam.PCollection[ShardBatch]:
        """Gather the greatest time of each batch, and tell all; also where there is none."""
        times = signals | "Times" >> beam.Map(greatest_time).with_output_types(Latest)
        none = signals.pipeline | "NoTime" >> beam.Create([(0, None)], reshuffle=False).with_output_types(Latest)
        gathered = (times, none) | "All" >> beam.Flatten() | "HoldBack" >> _held_back() | "Gather" >> beam.GroupByKey()
        told = gathered | "Tell" >> beam.ParDo(_End(self)).with_output_types(ShardBatch)
        return told | "LetGo" >> beam.WindowInto(GlobalWindows())


def _held_back() -> beam.WindowInto:
    """Return a window whose group holds the watermark until it is made.

    A group is of the end of its window, else: the stages' timers, a little before that, need not wait for it.
    """
    return beam.WindowInto(GlobalWindows(), timestamp_combiner=TimestampCombiner.OUTPUT_AT_EARLIEST)
