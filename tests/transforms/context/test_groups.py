"""Subscribers and their groups by the kernel against the reference: moves, late rows, spans and shards of any kind."""

from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from tests.reference.group_playbooks import group_cases
from tests.reference.groups import World
from tests.reference.kernel import Kernel
from tests.reference.playbooks import SMALL
from tests.reference.records import Context
from tests.reference.stages import Stages
from tests.reference.strategies import Case
from tests.transforms.context.test_advance import assert_same
from transforms.context.definitions import ContextPlan
from transforms.context.plan import load_plans
from transforms.context.ticks import Grid


def examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


@lru_cache(maxsize=1)
def plans_of(text: str) -> dict[str, ContextPlan]:
    playbook = parse_playbook(text)
    grid = Grid(playbook.tick, SMALL.exact_limit, SMALL.short_pane, SMALL.long_pane, SMALL.short_span)
    return load_plans(playbook, grid)


def reference(case: Case) -> World:
    world = World(parse_playbook(case.playbook), SMALL)
    for rows, upto in case.calls:
        world.advance([row for row in rows if row.subject_kind in world.levels], upto)
    return world


def kernel(case: Case, subscribers: int = 1, groups: int = 1, rests: frozenset[int] = frozenset()) -> Stages:
    """Play a case; in calls that are among `rests`, groups wait."""
    plans = plans_of(case.playbook)
    stages = Stages(plans, subscribers, groups)
    for n, (rows, upto) in enumerate(case.calls):
        mine = [row for row in rows if row.subject_kind in plans]
        stages.advance(mine, upto, groups_rest=n in rests and n < len(case.calls) - 1)
    return stages


def assert_alike(stages: Stages, world: World) -> None:
    for kind, level in world.levels.items():
        known = set(level.contexts[next(iter(level.contexts))].values) if level.contexts else set()
        for shard in stages.shards[kind]:
            _only(shard, known)
        assert_same(stages.shards[kind], level)


def _only(shard: Kernel, known: set[str]) -> None:
    """Leave out the names of other levels, which must be NULL."""
    for where, context in shard.contexts.items():
        assert all(value is None for name, value in context.values.items() if name not in known)
        shard.contexts[where] = _less(context, known)
    shard.triggers = [type(one)(**{**vars(one), "context": _less(one.context, known)}) for one in shard.triggers]


def _less(context: Context, known: set[str]) -> Context:
    return Context({name: value for name, value in context.values.items() if name in known}, context.segments)


@examples(80)
@given(group_cases(), st.integers(1, 3), st.integers(1, 3))
def test_agrees_with_the_reference(case: Case, subscribers: int, groups: int) -> None:
    assert_alike(kernel(case, subscribers, groups), reference(case))
