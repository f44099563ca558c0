"""Whole numbers that leave 64 bits: exact, or NULL, in windows, panes and over members; never wrong."""

from itertools import pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal
from transforms.compiler.load import load_plan
from transforms.context.features.aggregates import Ranges
from transforms.context.features.timeline import EvaluationPoints, Timeline
from transforms.context.grid import Grid
from transforms.context.ingest.dedup import signal_hash
from transforms.context.state import shard_state as memories
from transforms.context.state.partial_aggregates import WIDE
from transforms.context.state.shard_state import ShardState

WHOLE = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**62, 2**63 - 1, -(2**63), 0])
GRID = Grid(MINUTE, exact_limit=4 * MINUTE, short_pane=2 * MINUTE)
PLAYBOOK = """
playbook: p
signals: [usage]
subscriber:
  features:
    exact: {sum: bytes, from: usage, window: 2m}
    panes: {sum: bytes, from: usage, window: 10m}
    mean:  {mean: bytes, from: usage, window: 10m}
    kinds: {distinct: bytes, from: usage, window: 10m}
  segments: {never: {enter: exact < 0 OR panes < 0}}
  moments: {each: {when: panes IS NULL OR panes >= 0, repeat: 1m}}
"""


@given(st.lists(WHOLE, min_size=1), st.lists(st.integers(0, 30)), st.sampled_from([pl.Int64(), WIDE]))
def test_sums_of_ranges_are_those_of_python(values: list[int], edges: list[int], dtype: pl.DataType) -> None:
    bounds = sorted(min(edge, len(values)) for edge in [0, *edges, 30])
    lo, hi = (np.array(side, np.int64) for side in zip(*pairwise(bounds), strict=True))
    over = Ranges(pl.DataFrame(), lo, lo, hi)
    total = over.total(pl.Series(values, dtype=pl.Int64).cast(dtype))
    assert total.to_list() == [sum(values[first:last]) for first, last in pairwise(bounds)]


@pytest.mark.parametrize("cuts", [(12,), tuple(range(1, 13))])
def test_a_sum_with_no_room_is_null_until_it_has_room_again(cuts: tuple[int, ...]) -> None:
    kernel = Kernel(load_plan(parse_playbook(PLAYBOOK), grid=GRID))
    rows = [Signal("usage", f"{n}", "net", n * MINUTE + 30_000, "ann", {"bytes": 2**62 + n}) for n in range(6)]
    for cut in cuts:
        kernel.advance([row for row in rows if row.time < cut * MINUTE], cut * MINUTE)
        rows = [row for row in rows if row.time >= cut * MINUTE]
    assert [one for one in kernel.transitions if one.name == "never"] == []
    values = [context.values[name] for context in kernel.contexts.values() for name in ("exact", "panes")]
    assert kernel.counts["sums_too_large"] == values.count(None) > 0
    seen = {tick // MINUTE: context.values for (_, tick), context in kernel.contexts.items()}
    assert [seen[tick]["exact"] for tick in range(1, 8)] == [2**62, None, None, None, None, None, 2**62 + 5]
    assert [seen[tick]["panes"] for tick in range(1, 7)] == [2**62, *[None] * 5]
    assert [seen[tick]["mean"] for tick in range(1, 7)] == [float(2**62)] * 6
    assert [seen[tick]["kinds"] for tick in range(1, 7)] == [1, 2, 3, 4, 5, 6]


def test_different_values_are_counted_without_end() -> None:
    kernel = Kernel(load_plan(parse_playbook(PLAYBOOK), grid=GRID))
    rows = [Signal("usage", f"{n}", "net", 30_000 + n % 3 * MINUTE, "ann", {"bytes": n}) for n in range(20_001)]
    kernel.advance(rows, 5 * MINUTE)
    kernel.advance([Signal("usage", "last", "net", 7 * MINUTE, "ann", {"bytes": 7})], 8 * MINUTE)
    assert kernel.contexts["ann", 8 * MINUTE].values["kinds"] == 20_001


def test_parts_of_an_id_stay_apart() -> None:
    pairs = [("a\0b", "c"), ("a", "b\0c"), ("a\0", "bc"), ("a", "\0bc"), ("", "a\0bc")]
    hashes = [int(signal_hash("usage", pa.array([source]), pa.array([id_]))[0]) for source, id_ in pairs]
    assert len({*hashes}) == len(pairs)


def test_subjects_and_times_that_leave_no_room_are_told_apart() -> None:
    """Two subjects far apart in number, and sixty years of milliseconds."""
    codes, times = np.array([0, 0, 2**22, 2**22]), np.array([0, 2**41, 5, 2**41])
    timeline = Timeline(pl.DataFrame({"code": codes, "time": times}))
    points = EvaluationPoints(np.array([0, 0, 2**22, 2**22]), np.array([1, 2**41 + 1, 6, 2**41 + 1]))
    assert timeline.first_since(points, 1, 0).tolist() == [0, 1, 2, 3]
    assert timeline.first_since(points, 0, 0).tolist() == [1, 2, 3, 4]
    assert timeline.first_since(points, None, 0).tolist() == [0, 0, 2, 2]


def test_a_shard_says_that_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "MOST_SUBJECTS", 2)
    memory = ShardState()
    memory.know(pa.array(["a", "b"]))
    memory.know(pa.array(["b"]))
    with pytest.raises(ValueError, match="more than 2 subjects: run with more `--shards`"):
        memory.know(pa.array(["c"]))
