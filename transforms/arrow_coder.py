"""Record batches between stages as Arrow IPC, never as pickles."""

import pyarrow as pa
from apache_beam import coders


class ArrowBatchCoder(coders.Coder):
    """Encodes one `pa.RecordBatch`, its schema metadata included.

    A pickle of a slice drags the whole parent buffer along; IPC writes the slice only.
    """

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Return the IPC stream of one batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Return the batch; its columns point into `encoded`."""
        return pa.ipc.open_stream(pa.py_buffer(encoded)).read_next_batch()

    def is_deterministic(self) -> bool:
        """Equal batches of equal layout give equal bytes, but it is never a key."""
        return False


coders.registry.register_coder(pa.RecordBatch, ArrowBatchCoder)
