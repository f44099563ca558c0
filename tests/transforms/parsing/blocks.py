"""Blocks of lines and records for tests."""

import io
from collections.abc import Sequence

import numpy as np

from transforms.parsing.csv_records import Quoting
from transforms.parsing.line_block import LineBlock
from transforms.parsing.lines import read_lines


def line_block(lines: Sequence[bytes], quoting: Quoting | None = None) -> LineBlock:
    """Return a block of lines, or of the records that they are, as the reader gives it."""
    data = b"".join(line + b"\n" for line in lines)
    records = {"ends": quoting.record_ends, "reach": quoting.reach} if quoting else {}
    found = [block for block, _ in read_lines(io.BytesIO(data), 0, None, 1 << 20, **records)]  # type: ignore[arg-type]
    cuts = np.cumsum([0, *(len(block.data) for block in found)])[:-1].tolist()
    none = np.empty(0, np.int64)
    return LineBlock(
        b"".join(block.data for block in found),
        np.concatenate([none, *(block.starts + cut for block, cut in zip(found, cuts, strict=True))]),
        np.concatenate([none, *(block.stops + cut for block, cut in zip(found, cuts, strict=True))]),
        np.concatenate([none, *(block.positions for block in found)]),
        "line",
        all(block.regular for block in found),
    )
