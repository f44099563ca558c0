"""Names with a dot are columns inside and structs outside, there and back."""

import polars as pl

from transforms.compiler.dotted import columns_of, struct_of


def test_what_is_before_the_dot_is_a_struct() -> None:
    frame = pl.DataFrame({"n": [1], "profile.tariff": ["flex"], "x": [2], "profile.region": [None]})
    context = frame.select(context=struct_of({name: pl.col(name) for name in frame.columns}))
    assert context.to_dicts() == [{"context": {"n": 1, "profile": {"tariff": "flex", "region": None}, "x": 2}}]
    assert columns_of(context.unnest("context")).select(frame.columns).equals(frame)


def test_without_columns_there_is_nothing() -> None:
    assert columns_of(pl.DataFrame(height=0)).width == 0
