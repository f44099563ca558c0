"""Raw blocks: the columns of a part of a file as they came, with where each row is, and what could not be read."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.records import REJECTED
from transforms.parsing.shown import shown

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OURS = "\x01"
"""What the names of our own columns begin with, and no name of a column that a map reads: see `raw_types`."""

POSITION = f"{OURS}position"
"""Name of the last column of a raw block: int64, meaningless without the block's unit."""

PUBLISHED = f"{OURS}published"
"""Name of the column that tells when a broker got a record: int64, milliseconds; NULL: not known."""

PARTITION = f"{OURS}partition"
"""Name of the column that tells which partition of a broker a record came from: dictionary of text.

Only the blocks of a stream have it.
"""

CARRIED = f"{OURS}traceparent"
"""Name of the column that tells which trace a record came with, beside its own columns: text; only there if one did."""

ATTEMPT = b"attempt"
"""In the metadata of a raw block, and a header of a message: which try its records are, where it is not the first."""

_REPLAYED = re.compile(r"\.attempt-([1-9][0-9]{0,3})\.jsonl$")

MAX_RECORDS = 1 << 40
"""Records that a damaged part of a file may claim and be believed."""

MAX_PAYLOAD = 64 * 1024
"""Bytes of a rejected payload that are kept; of a longer one its hash and length remain."""


@dataclass(frozen=True)
class Rejection:
    """One record that was refused, or a part of a file that is lost with all its records.

    Attributes:
        position: Where in the file.
        reason: A lower_snake code.
        message: What is wrong.
        digest: BLAKE2b-128 of the payload, hex.
        length: Bytes of the payload.
        payload: As it came, or None where it is too long.
        records: How many it stands for; None where nobody can know.
    """

    position: str
    reason: str
    message: str
    digest: str
    length: int
    payload: bytes | None = None
    records: int | None = 1

    @classmethod
    def of(
        cls,
        position: str,
        reason: str,
        message: str,
        payload: bytes,
        *,
        records: int | None = 1,
    ) -> "Rejection":
        """Return the rejection of `payload`, kept if it is short."""
        kept = payload if len(payload) <= MAX_PAYLOAD else None
        return cls(position, reason, message, digest(payload), len(payload), kept, records)


class Parsed(NamedTuple):
    """What a part of a file gave: a raw block, and the records that are none."""

    rows: pa.RecordBatch
    rejected: Sequence[Rejection]


def believed(count: int) -> int | None:
    """Return the number of records that a lost part of a file claims, or None if no such part could hold them."""
    return count if 0 < count <= MAX_RECORDS else None


def counts_of(rejections: Sequence[Rejection]) -> dict[str, int]:
    """Return how many records were `rejected`, and how many of the rejections are `uncounted`.

    One that stands for an unknown number counts as one record, and is uncounted.
    """
    known = [item.records for item in rejections if item.records is not None]
    uncounted = len(rejections) - len(known)
    return {"rejected": sum(known) + uncounted, "uncounted": uncounted}


class Unreadable(Exception):
    """A file that cannot be read at all, why, and how many records it holds where that is known."""

    def __init__(self, why: str, records: int | None = None) -> None:
        """Tell why."""
        super().__init__(why)
        self.records = records

    @property
    def rejection(self) -> Rejection:
        """The rejection of the file."""
        return Rejection.of("file", "unreadable_file", str(self), b"", records=self.records)


def digest(payload: bytes) -> str:
    """Return the BLAKE2b-128 hash, hex."""
    return blake2b(payload, digest_size=16).hexdigest()


def raw_block(columns: Sequence[pa.Array], names: Sequence[str], positions: Ints, unit: str) -> pa.RecordBatch:
    """Join columns and positions.

    Args:
        columns: Arrow arrays of one length.
        names: Their names in the file.
        positions: Where each row is.
        unit: What positions count: `line`, `byte`, `row` and the like.
    """
    metadata = {"unit": unit}
    arrays = [*columns, pa.array(positions, pa.int64())]
    fields = [pa.field(name, array.type) for name, array in zip([*names, POSITION], arrays, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, metadata))


def raw_layout(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Return the columns of a raw block that its records have, with their types."""
    return {field.name: field.type for field in schema if not field.name.startswith(OURS)}


def published_of(block: pa.RecordBatch) -> pa.Array | None:
    """Return when a broker got the rows of a raw block, int64, milliseconds; None: it is of a file."""
    return block.column(PUBLISHED) if _streamed(block.schema) else None


def carried_of(block: pa.RecordBatch) -> pa.Array | None:
    """Return the traces that the rows of a raw block came with, text; None: none did."""
    return block.column(CARRIED) if CARRIED in block.schema.names else None


def partitions_of(block: pa.RecordBatch) -> pa.DictionaryArray | None:
    """Return the partitions of the rows of a raw block, a dictionary of text; None: it is of a file."""
    return block.column(PARTITION) if _streamed(block.schema) else None


def _streamed(schema: pa.Schema) -> bool:
    return PARTITION in schema.names


def positions_of(block: pa.RecordBatch, rows: Ints) -> list[str]:
    """Return where some rows of a raw block are, in words."""
    unit = block.schema.metadata[b"unit"].decode()
    numbers = block.column(POSITION).take(pa.array(rows)).to_pylist()
    if not _streamed(block.schema):
        return [f"{unit} {number}" for number in numbers]
    partitions = block.column(PARTITION).take(pa.array(rows)).to_pylist()
    return [place_of(partition, unit, number) for partition, number in zip(partitions, numbers, strict=True)]


def place_of(partition: str, unit: str, number: int) -> str:
    """Return where a message is, in words; a broker without partitions has one of no name."""
    return f"partition {partition} {unit} {number}" if partition else f"{unit} {number}"


def payloads(block: pa.RecordBatch, rows: Ints) -> list[bytes]:
    """Return the columns of some rows of a raw block as JSON objects; what cannot be shown is told as text."""
    names = list(raw_layout(block.schema))
    columns = [shown(block.column(name), rows) for name in names]
    return [
        json.dumps(dict(zip(names, values, strict=True)), default=str, ensure_ascii=False).encode(
            errors="backslashreplace"
        )
        for values in zip(*columns, strict=True)
    ]


def replayed_name(feed: str, content: str, attempt: int) -> str:
    """Return the name of a file of records that are given again: by feed, hash of its content, and which try it is."""
    return f"{feed}.{content}.attempt-{attempt}.jsonl"


def attempt_of(file: str) -> int:
    """Return which try the records of a file are; of others than `replayed_name` tells it is the first."""
    found = _REPLAYED.search(file)
    return int(found[1]) if found else 1


def printable(text: str) -> str:
    """Return a text that is UTF-8 for sure: names of files and fields may hold lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


def mask_of(array: pa.Array) -> Bools:
    """Return a boolean column without nulls as a numpy mask."""
    mask: Bools = array.to_numpy(zero_copy_only=False)
    return mask


def rejected_batch(
    source: str, stage: str, rejections: Sequence[Rejection], *, private: bool = False, attempt: int | None = None
) -> pa.RecordBatch:
    """Return rejections as rows of `schemas.records.REJECTED`, without payloads that are private.

    Args:
        source: The file, the address, or the producer.
        stage: Who refuses them.
        rejections: One or more records of it.
        private: Whether payloads are withheld.
        attempt: Which try it was; None: what the name of the file tells.
    """
    tried = attempt_of(source) if attempt is None else attempt
    rows = [
        {
            "source": printable(source),
            "position": item.position,
            "stage": stage,
            "reason": item.reason,
            "message": printable(item.message),
            "payload": None if private else item.payload,
            "payload_hash": item.digest,
            "payload_length": item.length,
            "records": item.records,
            "attempt": tried,
        }
        for item in rejections
    ]
    return pa.RecordBatch.from_pylist(rows, REJECTED)
