"""However often what is known is spread over other shards, it is what it was."""

from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stories.signals import salted
from tests.transforms.cuts.flow import Flow
from tests.transforms.cuts.test_cuts import STORIES, events_of, kept_at, play
from transforms.blobs import table_blob
from transforms.context.advance_levels import Levels
from transforms.context.state import shard_state
from transforms.decision import ledger_state as ledgers
from transforms.shell.cuts import Kept
from transforms.shell.resharding import SHARDED, as_of_cut, sources_of
from transforms.shell.timers import Cuts

ABOUT = ("a_mover_takes_contacts_along", "a_pause_for_everybody", "a_member_is_erased", "a_dead_feed", "an_sme_grows")
OF_ONE_SHARD: dict[str, tuple[list[str], int, dict[tuple[str, str], Kept]]] = {}


def known(name: str) -> tuple[list[str], int, dict[tuple[str, str], Kept]]:
    """Return the kinds of subjects of a story, a cut in its middle, and what one shard of each stage keeps there."""
    if name not in OF_ONE_SHARD:
        (story,) = (one for one in STORIES if one.name == name)
        tick = story.playbook.tick
        with salted():
            flow = Flow(story, 1, Cuts(tick, tick), Random(name))
            play(flow, events_of(story, flow))
        ticks = sorted({one[2] for one in flow.blobs})
        cut = ticks[len(ticks) // 2]
        kept = {at: Kept.read(content) for at, content in kept_at(flow, 1, cut, anew=True).items() if at[0] in SHARDED}
        OF_ONE_SHARD[name] = [*story.playbook.levels], cut, kept
    return OF_ONE_SHARD[name]


def content(stage: str, kept: Kept) -> Any:
    """Return all that is kept, as plain values."""
    if stage == "decide_offers":
        _, tables = table_blob.load(ledgers.KIND, kept.state or b"")
        return kept.wake, {name: table.to_pylist() for name, table in tables.items()}
    levels = Levels(kept.state)
    blobs = [table_blob.load(shard_state.KIND, one.dump()) for one in levels.residents]
    told = [({**head, "tables": None}, {name: t.to_pylist() for name, t in tables.items()}) for head, tables in blobs]
    return kept.wake, levels.closed, levels.tombstones, told


def spread(
    kinds: list[str], cut: int, kept: dict[tuple[str, str], Kept], before: int, shards: int
) -> dict[tuple[str, str], Kept]:
    made = {}
    for stage, shard in product(SHARDED, range(shards)):
        mine = [kept[stage, str(one)] for one in sources_of(shard, shards, before) if (stage, str(one)) in kept]
        if (start := as_of_cut(stage, kinds, mine, shard, shards, cut)) is not None:
            made[stage, str(shard)] = start
    return made


@given(st.sampled_from(ABOUT), st.lists(st.integers(1, 5), min_size=1, max_size=3))
@settings(max_examples=25)
def test_it_is_the_same_when_it_is_together_again(name: str, shards: list[int]) -> None:
    kinds, cut, kept = known(name)
    now, before = kept, 1
    for number in (*shards, 1):
        now, before = spread(kinds, cut, now, before, number), number
    assert {at: content(at[0], one) for at, one in now.items()} == {at: content(at[0], one) for at, one in kept.items()}


@given(st.sampled_from(ABOUT), st.integers(2, 5))
@settings(max_examples=10)
def test_each_is_in_one_shard(name: str, shards: int) -> None:
    kinds, cut, kept = known(name)
    every = spread(kinds, cut, kept, 1, shards)
    for stage in {stage for stage, _ in kept}:
        parts = [one for (of, _), one in every.items() if of == stage]
        assert len(parts) == shards
        if stage == "decide_offers":
            rows = [len(ledgers.load(one.state).reservations) for one in parts]
            assert sum(rows) == len(ledgers.load(kept[stage, "0"].state).reservations)
        else:
            names = [s for one in parts for r in Levels(one.state).residents for s in r.memory().subjects["subject"]]
            whole = [s for r in Levels(kept[stage, "0"].state).residents for s in r.memory().subjects["subject"]]
            assert sorted(names) == sorted(whole)


@pytest.mark.parametrize(
    ("shard", "shards", "before", "found"), [(0, 3, 2, [0, 1]), (3, 4, 2, [1]), (1, 2, 6, [1, 3, 5])]
)
def test_where_the_subjects_of_a_shard_may_be(shard: int, shards: int, before: int, found: list[int]) -> None:
    assert sources_of(shard, shards, before) == found
