"""One shard's state as bytes: a header and named Arrow tables, compressed with zstd."""

import json
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

LAYOUT = 1
"""Version of the layout below; a reader of N also reads N - 1."""

_MAGIC = b"S1ST"
_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))


def dump(header: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> bytes:
    """Write a state: magic, length of the header, header (JSON), then one Arrow IPC stream a table.

    Args:
        header: JSON values; `layout` and `tables` are added.
        tables: The tables by name; equal content gives equal bytes.

    Returns:
        The blob.
    """
    streams = {name: _stream(table) for name, table in sorted(tables.items()) if table.num_rows}
    sizes = {name: len(stream) for name, stream in streams.items()}
    head = json.dumps({**header, "layout": LAYOUT, "tables": sizes}, sort_keys=True).encode()
    return b"".join([_MAGIC, struct.pack("<I", len(head)), head, *streams.values()])


def load(blob: bytes) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Read what `dump` wrote; tables without rows are absent.

    Raises:
        ValueError: if it is not a state, or one of a layout that this release does not read.
    """
    if blob[:4] != _MAGIC:
        raise ValueError("not a state of Segment of One: its first bytes are wrong; restore it from a snapshot")
    start = 8 + struct.unpack_from("<I", blob, 4)[0]
    header = json.loads(blob[8:start])
    if header["layout"] != LAYOUT:
        raise ValueError(
            f"state has layout {header['layout']}, this release reads {LAYOUT}; use the release that wrote it"
        )
    tables = {}
    for name, size in header.pop("tables").items():
        tables[name] = pa.ipc.open_stream(pa.py_buffer(blob)[start : start + size]).read_all()
        start += size
    return header, tables


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()
