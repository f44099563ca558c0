"""The functions of sources.yaml that make event times."""

import polars as pl
import pytest

from transforms.context.plan.expressions import ScopeColumn, compile_expression
from transforms.parsing.instants import EXTRA

MORNING = 1767593100000  # 2026-01-05T06:05:00Z


@pytest.mark.parametrize(
    ("text", "value", "instant"),
    [
        ("from_epoch_s(x)", 1767593100, MORNING),
        ("from_epoch_s(x)", 1767593100.5, MORNING + 500),
        ("from_epoch_s(x + 1767593000)", 100, MORNING),
        ("from_epoch_ms(x)", MORNING, MORNING),
        ("from_epoch_s(x)", 1e300, None),
        ("from_epoch_s(x)", None, None),
        ("from_iso(x)", "2026-01-05T06:05:00Z", MORNING),
        ("from_iso(x)", "2026-01-05t06:05:00z", MORNING),
        ("from_iso(x)", "2026-01-05 06:05:00", MORNING),
        ("from_iso(x)", "2026-01-05T08:05:00.123+02:00", MORNING + 123),
        ("from_iso(x)", "2026-01-05T08:05:00+0200", MORNING),
        ("from_iso(x)", "2026-01-05", MORNING - 21_900_000),
        ("from_iso(x)", "2026-13-05T06:05:00Z", None),
        ("from_iso(x)", "yesterday", None),
        ("from_iso(x)", None, None),
    ],
)
def test_instants(text: str, value: object, instant: int | None) -> None:
    dtype = pl.String() if "iso" in text else pl.Float64()
    made = compile_expression(text, {"x": ScopeColumn(dtype)}, functions=EXTRA)
    assert made.dtype == pl.Int64()
    assert pl.DataFrame({"x": [value]}, {"x": dtype}).select(made.expr).item() == instant
