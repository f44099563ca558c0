"""One shard's state as bytes: a header and named Arrow tables, compressed with zstd, in the envelope."""

import json
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from transforms.blobs.envelope import StateError, seal, unseal

_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))


def dump(kind: str, header: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> bytes:
    """Write a state: length of the header, header (JSON), then one Arrow IPC stream a table; see `envelope`.

    Args:
        kind: What it is a state of.
        header: JSON values; `tables` is added.
        tables: The tables by name; equal content gives equal bytes.

    Returns:
        The blob.
    """
    streams = {name: _stream(table) for name, table in sorted(tables.items()) if table.num_rows}
    sizes = {name: len(stream) for name, stream in streams.items()}
    head = json.dumps({**header, "tables": sizes}, sort_keys=True).encode()
    return seal(kind, b"".join([struct.pack("<I", len(head)), head, *streams.values()]))


def load(kind: str, blob: bytes) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Read what `dump` wrote; tables without rows are absent.

    Raises:
        StateError: it is none of this kind, or of a layout that this release does not read.
    """
    content = unseal(kind, blob)
    try:
        header, start = _head(content)
        tables = {}
        for name, size in header.pop("tables").items():
            tables[name] = pa.ipc.open_stream(pa.py_buffer(content)[start : start + size]).read_all()
            start += size
    except (struct.error, ValueError, KeyError, AttributeError) as error:
        raise StateError(f"the state `{kind}` cannot be read: {error!r}; use the release that wrote it") from error
    return header, tables


def sizes(kind: str, blob: bytes) -> dict[str, int]:
    """Return how many bytes each table takes of what `dump` wrote."""
    header, _ = _head(unseal(kind, blob))
    return dict(header["tables"])


def _head(content: bytes) -> tuple[dict[str, Any], int]:
    """Return the header of a state, and where its tables begin."""
    start = 4 + struct.unpack_from("<I", content)[0]
    return json.loads(content[4:start]), start


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()
