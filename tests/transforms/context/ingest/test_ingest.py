"""What one call takes in, and what of it is counted."""

import polars as pl
import pyarrow as pa
import pytest

from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plans
from transforms.context.groups.people import member_of
from transforms.context.ingest.ingest import ingest
from transforms.context.state.shard_state import ShardState

PLAYBOOK = """
playbook: p
signals: [usage, membership]
household: {features: {n: {count: any, from: usage, window: 5m}}}
"""


@pytest.mark.parametrize(("passed_on", "pending"), [(False, 2), (True, 0)], ids=["its own", "counted by the member"])
def test_a_row_that_waits_is_counted_where_it_came_in(passed_on: bool, pending: int) -> None:
    plan = load_plans(parse_playbook(PLAYBOOK))["household"]
    columns = {"id": ["1", "2"], "source": ["net"] * 2, "time": [plan.grid.tick] * 2, "subject": ["h1"] * 2}
    columns |= {"member": member_of(pl.Series(["a", "b"])).to_list()} if passed_on else {}
    batch = pa.RecordBatch.from_pydict(columns)
    batch = batch.replace_schema_metadata({b"signal": b"usage", b"subject_kind": b"household"})
    intake = ingest(plan, ShardState(), [batch], plan.grid.tick)
    assert (sum(one.num_rows for one in intake.waiting), intake.counts["pending"]) == (2, pending)
