"""The state of a shard: the same bytes, whatever order came to it."""

from itertools import permutations

import polars as pl
import pyarrow as pa

from transforms.context.state import shard_state
from transforms.context.state.shard_state import ShardState

ROWS = [(0, 5, 7), (0, 5, 3), (0, 6, 1), (1, 6, 2), (1, 6, 1)]


def test_rows_of_one_time_have_one_order() -> None:
    blobs = set()
    for some in permutations(ROWS):
        memory = ShardState(closed=10)
        memory.rows["usage"] = pl.DataFrame(some, ("code", "time", "mb"), orient="row").sort("code", "time")
        memory.order()
        blobs.add(shard_state.dump(memory))
    assert len(blobs) == 1


def test_new_subjects_find_their_place_among_those_known() -> None:
    memory = ShardState()
    for names in (["m", "c"], ["z", "a", "m"], ["d", "n", "b", "zz"], ["a"]):
        before = dict(zip(memory.subjects["subject"], memory.subjects["changed"], strict=True))
        codes, new = memory.know(pa.array(names))
        assert memory.subjects["subject"].gather(codes).to_list() == names
        assert new.tolist() == [name not in before for name in names]
        assert memory.subjects["subject"].is_sorted()
