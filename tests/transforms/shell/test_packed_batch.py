"""Packed batches: what is packed comes out, and what is known of it without opening it is true."""

import pyarrow as pa
from apache_beam import coders
from hypothesis import given
from hypothesis import strategies as st

from transforms.shell.packed_batch import PackedBatch, PackedBatchCoder

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(INT64, st.none() | st.text()), min_size=1), st.data())
def test_a_slice_comes_out_as_it_was_put_in(rows: list[tuple[int, str | None]], data: st.DataObject) -> None:
    schema = pa.schema([("tick", pa.int64()), ("subject", pa.string())], metadata={b"signal": b"usage"})
    first = data.draw(st.integers(0, len(rows) - 1))
    batch = pa.record_batch([pa.array(column) for column in zip(*rows, strict=True)], schema=schema).slice(first)
    packed = PackedBatchCoder().decode(PackedBatchCoder().encode(PackedBatch.of(batch, "tick")))
    assert packed.open().equals(batch, check_metadata=True)
    assert (packed.earliest, packed.latest) == (min(batch["tick"].to_pylist()), max(batch["tick"].to_pylist()))


def test_beam_knows_the_coder() -> None:
    assert isinstance(coders.registry.get_coder(PackedBatch), PackedBatchCoder)
    assert not PackedBatchCoder().is_deterministic()
