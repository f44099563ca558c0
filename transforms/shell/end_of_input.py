"""The end of a bounded input, told to every shard as a batch of its own."""

from collections.abc import Iterable

import pyarrow as pa

END = b"@end"
"""Name of the batch that tells a shard of a bounded run its last tick."""


def end_batch(tick: int) -> pa.RecordBatch:
    """Return the batch that ends a shard's input at a tick."""
    schema = pa.schema([("time", pa.int64())], metadata={b"signal": END})
    return pa.record_batch([pa.array([tick])], schema=schema)


def end_tick(tick: int, greatest: int | None) -> int:
    """Return the first tick after a time; a bounded run ends at that of the greatest accepted event time.

    Args:
        tick: Distance of ticks, milliseconds.
        greatest: The time, None for none at all.
    """
    return 0 if greatest is None else greatest - greatest % tick + tick


def last_tick(tick: int, greatest: int | None, since: int | None) -> int:
    """Return the tick at which a run ends that is not told when: see `end_tick`, and after where it starts from.

    Args:
        tick: Distance of ticks, milliseconds.
        greatest: The greatest accepted event time, None for none at all.
        since: The tick of the cut that the run starts from; None: it starts from none.
    """
    end = end_tick(tick, greatest)
    return end if since is None else max(end, since + tick)


def split_end(batches: Iterable[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], int | None]:
    """Tell signals and the end of input apart; the end is None where it was not told."""
    signals, end = [], None
    for batch in batches:
        if batch.schema.metadata[b"signal"] == END:
            end = batch["time"][0].as_py()
        else:
            signals.append(batch)
    return signals, end
