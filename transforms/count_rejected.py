"""Count what is refused, by the transform that refused it and why."""

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa

from transforms.shell.tallied import TalliedCounter


def reasons_of(rejected: pa.RecordBatch) -> Iterator[tuple[str, str, int]]:
    """Yield stage, reason and records; a row that stands for nobody knows how many counts as one."""
    rows = pa.table({name: rejected[name] for name in ("stage", "reason")} | {"n": rejected["records"].fill_null(1)})
    summed = rows.group_by(["stage", "reason"]).aggregate([("n", "sum")])
    yield from zip(*(summed[name].to_pylist() for name in ("stage", "reason", "n_sum")), strict=True)


def _counted(rejected: pa.RecordBatch) -> pa.RecordBatch:
    for stage, reason, records in reasons_of(rejected):
        TalliedCounter(f"rejections {stage}", reason).inc(records)
    return rejected


@dataclass(eq=False, kw_only=True)
class CountRejected(beam.PTransform):
    """Pass on what is rejected, and count it as `rejections STAGE/REASON`.

    In and out: batches as `schemas.records.REJECTED`, in any window.
    """

    def __post_init__(self) -> None:
        """Name the step."""
        super().__init__()

    def expand(self, rejected: beam.PCollection[pa.RecordBatch]) -> beam.PCollection[pa.RecordBatch]:
        """Count each batch."""
        return rejected | "Count" >> beam.Map(_counted).with_output_types(pa.RecordBatch)
