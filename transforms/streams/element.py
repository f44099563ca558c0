"""What one pull became, and how far its partitions were read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import LoadErrors
from transforms.parsing.parser import Parsed, Parser
from transforms.parsing.raw import (
    ATTEMPT,
    Rejection,
    partitions_of,
    payloads,
    positions_of,
    published_of,
    rejected_batch,
)
from transforms.streams.progress import ALONE


class Element(NamedTuple):
    """What one pull became.

    Attributes:
        parsed: Its blocks, in order.
        rejected: Batches of records that are none, in order.
        counts: What is to be counted, by namespace and name.
        time: Its timestamp, milliseconds.
        operations: Batches of what the stream's operator should look at.
    """

    parsed: Sequence[Parsed]
    rejected: Sequence[pa.RecordBatch]
    counts: Mapping[tuple[str, str], int]
    time: int
    operations: Sequence[pa.RecordBatch] = ()


def latest_times(block: pa.RecordBatch, times: pa.Array, *, capped: bool) -> dict[str, int]:
    """Return the greatest time of each partition that a raw block has signals of.

    Args:
        block: The raw block.
        times: Of its rows; NULL: it is no signal.
        capped: Whether a time that is ahead counts as when the broker got the record.
    """
    published = published_of(block)
    if capped and published is not None:
        times = pc.if_else(pc.is_null(times), None, pc.min_element_wise(times, published))
    partitions = partitions_of(block)
    if partitions is None:
        greatest = pc.max(times).as_py()
        return {} if greatest is None else {ALONE: greatest}
    table = pa.table({"partition": partitions.cast(pa.string()).fill_null(ALONE), "time": times})
    made = table.group_by("partition").aggregate([("time", "max")])
    found = zip(made["partition"].to_pylist(), made["time_max"].to_pylist(), strict=True)
    return {name: time for name, time in found if time is not None}


def first_published(block: pa.RecordBatch) -> int | None:
    """Return when the oldest row of a raw block was published, milliseconds; None where that is not known."""
    published = published_of(block)
    found: int | None = None if published is None else pc.min(published).as_py()
    return found


def element_of(parsed: Sequence[Parsed], refused: Sequence[pa.RecordBatch], time: int) -> Element:
    """Return the element of what was parsed and what pullers refused.

    Args:
        parsed: Of each block.
        refused: Batches of records that are none.
        time: Its timestamp.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for one in parsed:
        counts.update(one.counts)
    counts.update(_lost(refused))
    rejected = [*refused, *(one.rejected for one in parsed if one.rejected is not None)]
    return Element(parsed, rejected, counts, time)


def _lost(refused: Iterable[pa.RecordBatch]) -> dict[tuple[str, str], int]:
    """Return the counts of records that became no rows; what stands for nobody knows how many counts as one."""
    records = np.concatenate([np.zeros(0, np.int64), *(_records(batch) for batch in refused)])
    uncounted = int((records < 0).sum())
    lost = int(records[records > 0].sum()) + uncounted
    found = {"in": lost, "rejected": lost, "uncounted": uncounted}
    return {("signals", name): count for name, count in found.items() if count}


def _records(batch: pa.RecordBatch) -> Any:
    return batch["records"].fill_null(-1).to_numpy(zero_copy_only=False)


def parse_or_refuse(parse: Parser, block: pa.RecordBatch, *, private: bool) -> Parsed:
    """Return what a block became; one of a layout that the map does not fit is refused, and does not end the stream."""
    try:
        return parse(block)
    except LoadErrors as errors:
        rows, why = np.arange(block.num_rows), " ".join(str(errors).split())
        rejections = [
            Rejection.of(place, "misfit", why, payload)
            for place, payload in zip(positions_of(block, rows), payloads(block, rows), strict=True)
        ]
        file = block.schema.metadata[b"file"].decode()
        counts = {("signals", "in"): block.num_rows, ("signals", "rejected"): block.num_rows}
        tried = block.schema.metadata.get(ATTEMPT)
        attempt = None if tried is None else int(tried)
        rejected = rejected_batch(file, "ParseSignals", rejections, private=private, attempt=attempt)
        return Parsed([], rejected, counts, pa.nulls(block.num_rows, pa.int64()))


def bounds_of(parsed: Sequence[Parsed]) -> tuple[int | None, int | None]:
    """Return the earliest and the latest time of all signals; None: there are none."""
    found = [pc.min_max(one.times).as_py() for one in parsed]
    known = [each for each in found if each["min"] is not None]
    return min((each["min"] for each in known), default=None), max((each["max"] for each in known), default=None)
