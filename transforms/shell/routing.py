"""What a shard of contexts gives the stages after it, and the outputs."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from transforms.arrays.hashing import shard_of
from transforms.context.advance_levels import AdvancedLevels
from transforms.context.erasure.erase import Erased
from transforms.parsing.batches import by_shard
from transforms.parsing.raw import Rejection, rejected_batch
from transforms.shell.packed_batch import PackedBatch, to_all


def addressed(rows: pa.RecordBatch, shards: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the triggers, or facts, of each shard of contact roots, in their order."""
    kinds = rows["root_kind"].dictionary_encode()
    for n, kind in enumerate(kinds.dictionary.to_pylist()):
        mine = rows.filter(pc.equal(kinds.indices, n))
        of_row = shard_of(kind, mine["root"], shards)
        for shard in np.unique(of_row).tolist():
            yield shard, mine.filter(pa.array(of_row == shard))


def reject_too_late(signal: str, rows: pa.Table) -> pa.RecordBatch:
    """Return the rejections of signals that came after the allowed lateness, the payload as JSON."""
    message = f"`{signal}` came later than `allowed_lateness`; replay it into a new run from before its time"
    rejections = {}
    for source, mine in pl.DataFrame(rows).partition_by("source", as_dict=True, maintain_order=True).items():
        lines = mine.write_ndjson().encode().splitlines()
        found = [Rejection.of(f"id {i}", "too_late", message, line) for i, line in zip(mine["id"], lines, strict=True)]
        rejections[str(source[0])] = found
    return pa.concat_batches([rejected_batch(name, "TrackContexts", found) for name, found in rejections.items()])


def elements_of(advanced: AdvancedLevels, shards: int) -> Iterator[Any]:
    """Yield the outputs of a call but for those of erasures, as `TrackContexts` says."""
    for one in advanced.every:
        made = one.outputs
        for batch in (made.triggers, *one.facts):
            yield from ((shard, PackedBatch.of(rows, "tick")) for shard, rows in addressed(batch, shards))
        for signals in one.forwarded:
            yield from (
                TaggedOutput("forwarded", (shard, PackedBatch.of(batch))) for shard, batch in by_shard(signals, shards)
            )
        records = [("rejected", reject_too_late(name, rows)) for name, rows in sorted(made.too_late.items())]
        for name, table in (
            ("transitions", made.transitions),
            ("contexts", made.contexts),
            ("segment_stats", made.stats),
        ):
            records += [(name, batch) for batch in table.combine_chunks().to_batches()]
        yield from (TaggedOutput(name, batch) for name, batch in records if batch.num_rows)


def elements_of_erasures(erased: Iterable[Erased], stage: str, shards: int) -> Iterator[Any]:
    """Yield what erasures came to, for every shard of the stages after this one, and for the outputs."""
    for one in erased:
        for signals in one.forwarded:
            yield from (TaggedOutput("forwarded", element) for element in to_all(signals, shards))
        for request in one.everywhere:
            yield from to_all(request, shards, "tick")
        for request in one.facts:
            yield from ((shard, PackedBatch.of(rows, "tick")) for shard, rows in addressed(request, shards))
        for name, tables in (("transitions", one.transitions), ("segment_stats", one.stats)):
            batches = (batch for table in tables for batch in table.to_batches())
            yield from (TaggedOutput(name, batch) for batch in batches if batch.num_rows)
        removed = [batch for table in one.removed for batch in table.to_batches()]
        yield from (TaggedOutput("receipts", (stage, batch)) for batch in removed if batch.num_rows)
