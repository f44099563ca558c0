"""Rows of an output as messages: one JSON text a row, its id, and the key that keeps its order."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from io import BytesIO
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import TRACE
from transforms.sinks.target import Messages

IDS = {"decisions": ("decision_id", "action"), "offers": ("id", "type")}
"""What tells the rows of an output apart, as a withdrawal has the decision's id, too; of others a hash of the text."""

CONTENT_TYPES = {"offers": "application/cloudevents+json; charset=UTF-8"}
"""Of outputs that are not just JSON."""

KEYS = (("root_kind", "root"), ("subject_kind", "subject"), ("subject_kind", "segment"), ("subject",), ("source",))
"""The columns of a key, of which the first take effect that a batch has: the contact root, else whom a row is about."""

TIMES = ("tick", "time", "end")
"""When a row was made: the first of these columns that an output has."""


def rows_of(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Return the columns of a schema; int64 milliseconds become timestamps."""
    plain = schema.remove_metadata()
    return pa.Table.from_batches([batch]).select(plain.names).cast(plain)


def latest(rows: pa.Table) -> int | None:
    """Return the greatest tick of rows, milliseconds; None where the output has none."""
    times = [name for name in TIMES if name in rows.column_names]
    return pc.max(rows[times[0]]).cast(pa.int64()).as_py() if times else None


def messages_of(
    name: str, batch: pa.RecordBatch, schema: pa.Schema, write: Callable[[pa.Table, BinaryIO], None]
) -> Messages:
    """Return a message a row, in the order of the rows.

    Args:
        name: Of the output.
        batch: At least the columns of the schema. `root_kind` and `root` beside them are the key alone.
        schema: The columns of the texts.
        write: What writes one JSON object a line.
    """
    sink = BytesIO()
    rows = rows_of(batch, schema)
    write(rows, sink)
    texts = sink.getvalue().split(b"\n")[:-1]  # JSON has no line break within
    if len(texts) != batch.num_rows:
        raise ValueError(f"{name}: {len(texts)} texts of {batch.num_rows} rows")
    ids = _joined(rows, IDS[name]) if name in IDS else [blake2b(text, digest_size=16).hexdigest() for text in texts]
    traces = rows[TRACE.name].to_pylist() if TRACE.name in rows.column_names else ()
    return Messages(name, CONTENT_TYPES.get(name, "application/json"), texts, _keys(batch), ids, traces)


def _keys(batch: pa.RecordBatch) -> Sequence[str]:
    there = next(columns for columns in KEYS if {*columns} <= {*batch.schema.names})
    return _joined(pa.Table.from_batches([batch]), there)


def _joined(rows: pa.Table, columns: Sequence[str]) -> list[str]:
    texts = [rows[name].cast(pa.string()) for name in columns]
    found: list[str] = pc.binary_join_element_wise(*texts, "/").to_pylist()
    return found
