"""Keeps the signals of a share of the subjects, the same ones each time."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import apache_beam as beam
import numpy as np
import pyarrow as pa

from transforms.arrays.hashing import subject_hash
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.tallied import TalliedCounter


def sampled(batch: pa.RecordBatch, share: Fraction) -> pa.RecordBatch:
    """Return the rows of the subjects whose hash is in the lowest `share` of all hashes."""
    kind = batch.schema.metadata[b"subject_kind"].decode()
    hashes = subject_hash(kind, batch["subject"])
    return batch.filter(pa.array(hashes < np.uint64(share * 2**64)))


class _Sample(beam.DoFn):
    """Samples a batch."""

    def __init__(self, share: Fraction) -> None:
        self._share = share

    def process(self, element: ShardBatch) -> Iterator[ShardBatch]:
        shard, batch = element[0], element[1].open()
        kept = sampled(batch, self._share)
        TalliedCounter("signals", "not_sampled").inc(batch.num_rows - kept.num_rows)
        if kept.num_rows:
            yield shard, PackedBatch.of(kept)


@dataclass(eq=False, kw_only=True)
class SampleSubjects(beam.PTransform):
    """Take a share of the subjects with all their signals.

    In and out: (shard, packed batch of signals); batches without rows are left out. Windows and timestamps are passed
    on. Counts `signals/not_sampled`. A larger share takes the subjects of a smaller one, and more.

    Attributes:
        share: More than 0 and less than 1.
    """

    share: Fraction

    def __post_init__(self) -> None:
        """Check the share.

        Raises:
            ValueError: it takes nobody or everybody.
        """
        super().__init__()
        if not 0 < self.share < 1:
            raise ValueError(f"a sample is more than nobody and less than everybody, not {self.share}")

    def expand(self, signals: beam.PCollection[ShardBatch]) -> beam.PCollection[ShardBatch]:
        """Sample each batch."""
        return signals | "Sample" >> beam.ParDo(_Sample(self.share)).with_output_types(ShardBatch)
