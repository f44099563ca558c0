"""The functions of sources.yaml that make event times."""

import polars as pl
import pytest

from transforms.compiler.compile_expression import ScopeColumn, compile_expression
from transforms.parsing.instants import EXTRA

MORNING = 1767593100000  # 2026-01-05T06:05:00Z
LAX = (
    *("2015-8-2T1:2:3Z", "2015-08-02 \f0:50:12", "2015-08-02T20:50: 2Z", "+2015-08-02T20:50:12Z", "2015-08-02T20:50Z"),
    *("2015-08-02T20:50:60Z", "2015-08-02T24:00:00Z", "2015-08-02T20:50:12 Z", " 2015-08-02T20:50:12Z", "2015-02-29"),
    *("2015-08-02T20:50:12+24:00", "\uff12015-08-02T20:50:12Z", "2015-08-02T20:50:12.Z", "2015-08-02T20:50:12Z\n"),
)
"""Texts that are not RFC 3339, however little is missing."""


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
        ("from_iso(x)", "2026-01-05T06:05:00.1239-00:00", MORNING + 123),
        ("from_iso(x)", "2016-12-31T23:59:60Z", 1_483_228_800_000),
        *(("from_iso(x)", text, None) for text in LAX),
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


def test_instants_of_several_forms_stand_side_by_side() -> None:
    texts = ["2026-01-05T06:05:00Z", "2026-01-05T06:05:00.5Z", "2026-01-05T07:05:00+01:00", "2026-01-05"]
    made = compile_expression("from_iso(x)", {"x": ScopeColumn(pl.String())}, functions=EXTRA)
    assert pl.DataFrame({"x": texts}).select(made.expr).to_series().to_list() == [
        MORNING,
        MORNING + 500,
        MORNING,
        MORNING - 21_900_000,
    ]
