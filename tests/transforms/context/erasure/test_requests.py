"""Erasures as they are asked for: copies act once."""

import polars as pl
import pytest

from transforms.context.erasure.requests import REQUESTS, news
from transforms.context.erasure.tombstones import Tombstone

Asked = tuple[str, str, str, int]
"""Kind, token and request, and when it was asked for."""


def of(rows: list[Asked]) -> pl.DataFrame:
    table = [dict(zip(("subject_kind", "token", "request", "time"), row, strict=True)) for row in rows]
    every = dict.fromkeys(REQUESTS) | {"source": "law", "id": "e"}
    return pl.DataFrame([every | row for row in table], schema=REQUESTS)


ONE = ("subscriber", "a", "r", 20)


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        ([ONE, ONE], [20]),
        ([ONE, ("subscriber", "a", "r", 10)], [10]),
        ([ONE, ("subscriber", "a", "s", 10)], [10, 20]),
        ([ONE, ("subscriber", "b", "r", 10)], [10, 20]),
        ([ONE, ("household", "a", "r", 10)], [10, 20]),
    ],
    ids=["the same twice", "at another time", "another request", "another subject", "a subject of another kind"],
)
def test_of_copies_the_first_acts_and_no_more_once_it_is_known(rows: list[Asked], first: list[int]) -> None:
    new = news(of(rows), [])
    assert new["time"].to_list() == first
    known = [Tombstone(*row, until=0) for row in new.select("subject_kind", "token", "request").rows()]
    assert news(of(rows), known).is_empty()
    assert news(of(rows), known[1:]).rows() == new.rows()[:1]
