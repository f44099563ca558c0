"""Fast where a block is in order, line by line only around what is not."""

from collections.abc import Callable

import pyarrow as pa

from transforms.parsing.line_block import LineBlock
from transforms.parsing.raw import Parsed

CAREFUL_LINES = 4_096
"""Blocks up to this length are parsed line by line once they failed as a whole; longer ones are halved first."""


def parse_lines(
    block: LineBlock, fast: Callable[[LineBlock], pa.RecordBatch | None], careful: Callable[[LineBlock], Parsed]
) -> Parsed:
    """Parse a block so that the result is that of `careful` on each line alone.

    Args:
        block: The lines.
        fast: Returns one row for each line as `careful` would, or None if it cannot be sure.
        careful: Returns a row or a rejection for each line.
    """
    rows = fast(block) if len(block) else None
    if rows is not None:
        return Parsed(rows, [])
    if len(block) <= CAREFUL_LINES:
        return careful(block)
    parts = [parse_lines(half, fast, careful) for half in block.halves()]
    return Parsed(pa.concat_batches([part.rows for part in parts]), [item for part in parts for item in part.rejected])
