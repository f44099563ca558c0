"""Blocks of lines for tests."""

import io
from collections.abc import Sequence

import numpy as np

from transforms.parsing.lines import LineBlock, read_lines


def line_block(lines: Sequence[bytes]) -> LineBlock:
    """Return a block of lines as the reader gives it; it must be one."""
    data = b"".join(line + b"\n" for line in lines)
    found = [block for block, _ in read_lines(io.BytesIO(data), 0, None, 1 << 20) if len(block)]
    if not found:
        none = np.empty(0, np.int64)
        return LineBlock(b"", none, none, none, "line")
    (block,) = found
    return block
