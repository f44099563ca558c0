"""A `control` about everybody is about no subject: every contact root is told of it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import EVERYBODY
from transforms.arrays.plain_arrow import framed
from transforms.compiler.controls import that_act
from transforms.compiler.notices import CONTROL


def part_everybody(batches: Sequence[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Part signals about subjects from those of type `control` about everybody."""
    ours, theirs = [], []
    for batch in batches:
        if batch.schema.metadata[b"signal"] != CONTROL.encode():
            ours.append(batch)
            continue
        everybody = pc.equal(batch["subject"], EVERYBODY)
        ours.append(batch.filter(pc.invert(everybody)))
        theirs.append(batch.filter(everybody))
    return [batch for batch in ours if batch.num_rows], [batch for batch in theirs if batch.num_rows]


def notices_to_all(signals: pa.RecordBatch, schema: pa.Schema, tick: int) -> pa.RecordBatch:
    """Return signals about everybody as notices, which act from the first tick after their time.

    Those whose action there is none of are left out.

    Args:
        signals: Of type `control`.
        schema: Of the notices; NULL where the signals have no such column.
        tick: Distance of ticks, milliseconds.
    """
    acting = that_act(framed(pa.table(signals)))
    count, times = acting.height, acting["time"].to_numpy()
    everybody = dict.fromkeys(("root_kind", "root", "subject_kind", "subject"), pa.repeat(EVERYBODY, count))
    ticks = pa.array(times - times % tick + tick, pa.int64())
    given = {name: acting[name].to_arrow() for name in acting.columns} | everybody | {"tick": ticks}
    columns = [given[one.name].cast(one.type) if one.name in given else pa.nulls(count, one.type) for one in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
