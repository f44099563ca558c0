"""Who is known in a shard: others are erased there without looking any further."""

import polars as pl
import pyarrow as pa
import pytest

from schemas.playbook_file import parse_playbook
from transforms.context.erasures.presence import known_here
from transforms.context.erasures.requests import REQUESTS
from transforms.context.groups.people import member_of
from transforms.context.plan.load import load_plans

PLANS = load_plans(
    parse_playbook("""
playbook: homes
version: 1
signals: [usage, membership, erasure]
subscriber: {features: {n: {count: any, from: usage, window: 1h}}}
household: {features: {n: {count: any, from: usage, window: 1h}}}
""")
)


def batch(signal: str, **columns: list[str] | pl.Series) -> pa.RecordBatch:
    rows = pa.RecordBatch.from_pydict({name: pa.array(list(values)) for name, values in columns.items()})
    return rows.replace_schema_metadata({b"signal": signal.encode()})


SIGNALS = {
    "subscriber": [batch("usage", subject=["a"]), batch("membership", subject=["a"], group=["h"]), batch("feed")],
    "household": [batch("usage", subject=["h"], member=member_of(pl.Series(["a"])))],
}


@pytest.mark.parametrize("level", PLANS)
def test_whoever_a_signal_is_about_or_comes_from_is_known(level: str) -> None:
    asked = [("subscriber", "a"), ("subscriber", "b"), ("subscriber", "h"), ("household", "h"), ("household", "a")]
    requests = pl.DataFrame(
        [{"subject_kind": kind, "subject": subject} for kind, subject in asked], schema_overrides=REQUESTS
    )
    known = known_here(PLANS[level], None, SIGNALS[level], requests)
    assert known.to_list() == [True, False, False, True, False]
