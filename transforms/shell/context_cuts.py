"""What a shard of contexts takes in from a cut, and what it keeps at the end of a bounded input."""

from collections.abc import Container

from transforms.context.advance_levels import AdvancedLevels, Levels
from transforms.context.ingest.ingest import passed_on
from transforms.context.ingest.source_liveness import FEED
from transforms.shell.cuts import Kept
from transforms.shell.held import Held
from transforms.shell.packed_batch import PackedBatch


def signals_from(kept: Kept, levels: Container[str]) -> int:
    """Return how many signals come in from a cut: those that wait in it, each where its subject is known."""
    waiting = (PackedBatch(content).open() for content in kept.waiting)
    return sum(
        batch.num_rows
        for batch in waiting
        if batch.schema.metadata[b"subject_kind"].decode() in levels and not passed_on(batch)
    )


def kept_at_end(key: str, end: int, tick: int, advanced: AdvancedLevels) -> Kept:
    """Return what is known at the end of a bounded input, and what waits, since nobody gives it again.

    What it was told of feeds after the end is left out: who watches them goes on, and may hear of them.

    Args:
        key: Of the shard, as text.
        end: The tick.
        tick: Distance of ticks, milliseconds.
        advanced: What came of the last call.
    """
    held = Held[Levels](b"", advanced.levels)
    held.wait([batch for batch in advanced.waiting if batch.schema.metadata[b"signal"] != FEED], tick, end)
    ticks = [at for at in (advanced.wake, held.wake(tick, end)) if at is not None]
    return Kept(key, end, min(ticks, default=None), advanced.dump(), [packed.content for packed in held.left()])
