"""Parts of windows made by hand."""

from typing import Any

import polars as pl

from schemas.durations import DAY
from transforms.context.emit.segment_parts import KEYS, STEP, SUMS

Part = tuple[Any, ...]


def frame(parts: list[Part]) -> pl.DataFrame:
    """Return parts of width, end (in widths), segment, measure, name, value, n, total, squares."""
    rows = [(part[0], part[0] * part[1], *part[2:], *[None] * (9 - len(part))) for part in parts]
    return pl.DataFrame(rows, schema=KEYS | SUMS, orient="row")


def number(end: int, segment: str | None, name: str, values: list[float]) -> Part:
    steps = [round(value / STEP) for value in values]
    return (DAY, end, segment, "number", name, None, len(steps), sum(steps), sum(step * step for step in steps))


def value(end: int, segment: str | None, name: str, text: str, n: int) -> Part:
    return (DAY, end, segment, "value", name, text, n)
