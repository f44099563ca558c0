"""The kernel against the reference: one history, however it is cut into spans, shards, files and orders."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook
from tests.cases import examples
from tests.reference import records
from tests.reference.contexts import Reference
from tests.reference.editions import kernel_grid
from tests.reference.kernel import Kernel, batches
from tests.reference.playbooks import LARGE_REACHES, SMALL, playbooks
from tests.reference.records import MINUTE, Context, Signal
from tests.reference.strategies import Call, Case, cases, consent_cases, ends, in_time, signals
from transforms.arrays.hashing import shard_of
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plan
from transforms.context.advance import advance

Player = Reference | Kernel


@lru_cache(maxsize=1)
def playbook_of(text: str) -> Playbook:
    return parse_playbook(text)


@lru_cache(maxsize=1)
def plan_of(text: str, grid: records.Grid = SMALL) -> ContextPlan:
    playbook = playbook_of(text)
    return load_plan(playbook, grid=kernel_grid(grid, playbook))


def reference(case: Case, grid: records.Grid = SMALL) -> Reference:
    return played(Reference(playbook_of(case.playbook), grid), case.calls)


def kernel(case: Case, grid: records.Grid = SMALL) -> Kernel:
    return played(Kernel(plan_of(case.playbook, grid)), case.calls)


def played(player: Player, calls: Iterable[Call]) -> Player:
    for rows, upto in calls:
        player.advance(rows, upto)
    return player


def assert_same(kernels: Sequence[Kernel], truth: Reference) -> None:
    """Compare all that shards told with the reference; float means may differ in the last bit."""
    assert sorted(one for shard in kernels for one in shard.transitions) == sorted(truth.transitions)
    assert_all_alike({one: told for shard in kernels for one, told in shard.evidence.items()}, truth.evidence)
    named = {(one.tick, one.subject, one.trigger, one.late, one.address) for one in truth.triggers}
    told = {(one.tick, one.subject, one.trigger, one.late, one.address) for shard in kernels for one in shard.triggers}
    assert told == named
    assert sum(len(shard.triggers) for shard in kernels) == len(truth.triggers)
    counts = truth.counts | {"pending": len(truth.waiting)}
    assert {key: sum(shard.counts[key] for shard in kernels) for key in counts} == counts
    told = {where: context for shard in kernels for where, context in shard.contexts.items()}
    assert told.keys() >= truth.written
    for where, context in told.items():
        assert_alike(context, truth.contexts[where])
    made = {(one.tick, one.subject, one.trigger): one.made for one in truth.triggers}
    for trigger in (one for shard in kernels for one in shard.triggers):
        assert trigger.made == made[trigger.tick, trigger.subject, trigger.trigger]
        assert_alike(trigger.context, truth.contexts[trigger.subject, trigger.tick])


def assert_alike(told: Context, truth: Context) -> None:
    assert told.segments == truth.segments
    assert_all_alike(told.values, truth.values)


def assert_all_alike(told: object, truth: object, name: object = None) -> None:
    """Compare values, and mappings of values, of any depth."""
    if isinstance(truth, dict) and isinstance(told, dict):
        assert told.keys() == truth.keys()
        for key, value in truth.items():
            assert_all_alike(told[key], value, key)
    else:
        both_floats = isinstance(truth, float) and isinstance(told, float)
        same = math.isclose(truth, told, rel_tol=1e-12) if both_floats else truth == told
        assert same, f"{name}: {told} is not {truth}"


@examples(60)
@given(cases())
def test_agrees_with_the_reference(case: Case) -> None:
    assert_same([kernel(case)], reference(case))


@examples(30)
@given(cases(least=3))
def test_exclusive_sets_agree_with_the_reference(case: Case) -> None:
    assert_same([kernel(case)], reference(case))


@examples(20)
@given(consent_cases())
def test_consents_agree_with_the_reference(case: Case) -> None:
    assert_same([kernel(case)], reference(case))


@examples(30)
@given(cases(ticks=15, sequences=2))
def test_sequences_agree_with_the_reference(case: Case) -> None:
    assert_same([kernel(case)], reference(case))


@examples(20)
@given(cases(tick=5, ticks=900, reaches=LARGE_REACHES))
def test_agrees_with_the_reference_on_the_grid_of_the_design(case: Case) -> None:
    assert_same([kernel(case, records.Grid())], reference(case, records.Grid()))


@examples(25)
@given(playbooks(), signals(), ends())
def test_spans_may_be_cut_anywhere(playbook: str, rows: list[Signal], spans: list[int]) -> None:
    cut, whole = Case(playbook, in_time(rows, spans)), Case(playbook, in_time(rows, spans[-1:]))
    player = kernel(cut)
    assert_same([player], reference(whole))
    assert player.contexts.keys() == kernel(whole).contexts.keys()


@examples(25)
@given(cases())
def test_shards_make_no_difference(case: Case) -> None:
    kernels = []
    for shard in range(2):
        calls = [([row for row in rows if _shard(row, 2) == shard], upto) for rows, upto in case.calls]
        kernels.append(kernel(Case(case.playbook, calls)))
    assert_same(kernels, reference(case))


def _shard(row: Signal, shards: int) -> int:
    return int(shard_of("subscriber", pa.array([row.subject]), shards)[0])


@examples(30)
@given(cases(), st.data())
def test_files_and_their_order_make_no_difference(case: Case, data: st.DataObject) -> None:
    """Rows of a call come in batches of any size, in any order, copies at one time that differ in content included."""
    rows, upto = max(case.calls, key=lambda call: len(call[0]))
    rows = rows + [Signal(**(vars(row) | {"payload": {}})) for row in rows[:3]]
    plan = plan_of(case.playbook)
    once = played(Kernel(plan), [(rows, upto)])
    files = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    order = data.draw(st.permutations(range(len(rows))))
    parts = [batch for file in range(4) for batch in batches(plan, [rows[i] for i in order if files[i] == file])]
    shuffled = Kernel(plan)
    shuffled.take(advance(plan, None, data.draw(st.permutations(parts)), upto))
    assert (shuffled.transitions, shuffled.triggers) == (once.transitions, once.triggers)
    assert (shuffled.contexts, shuffled.counts) == (once.contexts, once.counts)
    assert shuffled.advanced.dump() == once.advanced.dump()


@examples(30)
@given(cases())
def test_wakes_before_anything_changes(case: Case) -> None:
    """A shell that sleeps until `wake`, or until the tick of a row that waits, misses nothing."""
    case = Case(case.playbook, case.calls[: len(case.calls) // 2 + 1])
    (_, upto), before, told = case.calls[-1], reference(case), kernel(case).advanced
    wakes = [row.time // MINUTE * MINUTE + MINUTE for row in before.waiting] + [wake for wake in [told.wake] if wake]
    known = len(before.transitions)
    before.advance([], upto + 60 * MINUTE)
    changes = [one.tick for one in before.transitions[known:]]
    assert min(wakes, default=math.inf) <= min(changes, default=math.inf)


@pytest.mark.parametrize("upto", [10 * MINUTE, 9 * MINUTE, 10 * MINUTE + 1])
def test_only_a_later_tick_can_be_closed(upto: int) -> None:
    text = "playbook: p\nsignals: [usage]\nsubscriber: {features: {n: {count: any, from: usage, window: 5m}}}\n"
    player = kernel(Case(text, [([], 10 * MINUTE)]))
    with pytest.raises(ValueError, match="cannot advance"):
        player.advance([], upto)
