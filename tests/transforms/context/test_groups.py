"""Subscribers and their groups by the kernel against the reference: moves, late rows, spans and shards of any kind."""

from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.editions import kernel_grid
from tests.reference.expressions import Value
from tests.reference.group_playbooks import group_cases, group_feed_cases
from tests.reference.groups import World
from tests.reference.kernel import Kernel
from tests.reference.playbooks import SMALL
from tests.reference.records import MINUTE, Context, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, Case, in_time
from tests.transforms.context.test_advance import assert_same
from transforms.shell.versions import ContextPlans, load_contexts


@lru_cache(maxsize=1)
def plans_of(text: str) -> ContextPlans:
    playbook = parse_playbook(text)
    return load_contexts(Versions((playbook,)), kernel_grid(SMALL, playbook))


def reference(case: Case, complete_from: int | None = None) -> World:
    world = World([parse_playbook(case.playbook)], SMALL, complete_from)
    for rows, upto in case.calls:
        world.advance([row for row in rows if row.subject_kind in world.levels], upto)
    return world


def kernel(
    case: Case,
    subscribers: int = 1,
    groups: int = 1,
    behind: frozenset[int] = frozenset(),
    complete_from: int | None = None,
) -> Stages:
    """Play a case; after the calls numbered in `behind`, groups are one call behind."""
    stages = Stages(plans_of(case.playbook), subscribers, groups, complete_from=complete_from)
    before, last = None, len(case.calls) - 1
    for n, (rows, upto) in enumerate(case.calls):
        mine = [row for row in rows if row.subject_kind in stages.shards]
        stages.advance(mine, upto, before if n in behind and n < last else None)
        before = upto
    return stages


def assert_alike(stages: Stages, world: World) -> None:
    assert {size for shards in stages.shards.values() for shard in shards for size in shard.sizes} == world.sizes
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


def told(minute: float, subject: str, signal: str = "usage", kind: str = "subscriber", **payload: Value) -> Signal:
    """Return a signal some minutes after the start."""
    return Signal(signal, f"{signal}{minute}", "net", START + round(minute * MINUTE), subject, payload, kind)


def joined(minute: float, subject: str, group: str = "h1", state: str = "joined") -> Signal:
    place = {"group_kind": "household", "group": group, "state": state, "role": None}
    return told(minute, subject, "membership", **place)


def withdrawn(minute: float, subject: str, until: int) -> Signal:
    said = {"purpose": "profiling", "state": "withdrawn", "valid_until": START + until * MINUTE}
    return told(minute, subject, "consent", **said)


HEAD = "playbook: p\nallowed_lateness: 1h\nsignals: [usage, membership]\n"
LINES = "household: {features: {n: {%s, from: usage, window: 8m}}, moments: {busy: {when: n > 0, repeat: 1m}}}\n"
CASES = {
    "a group's own signals are of no member": (
        HEAD + LINES % "distinct: subscriber",
        [([joined(0, "a"), told(1, "a"), told(1.5, "h1", kind="household")], 9)],
    ),
    "what is inferred of a member lapses and comes back": (
        HEAD.replace("membership]", "membership, consent]")
        + "policy: {consent: {profiling: opt_out}}\n"
        + "subscriber: {features: {n: {count: any, from: usage, window: 1h, inferred: true}}}\n"
        + "household: {features: {most: {max: n, from: members}}, segments: {some: {enter: most > 0}}}\n",
        [([joined(0, "a"), told(1, "a"), withdrawn(3, "a", until=6)], 4), ([], 9)],
    ),
    "what members tell becomes NULL": (
        HEAD
        + "subscriber: {features: {most: {max: mb, from: usage, window: 3m}}}\n"
        + "household: {features: {x: {max: most, from: members}}, moments: {none: {when: x IS NULL}}}\n",
        [([joined(0, "a"), told(1, "a", mb=1.0)], 9)],
    ),
    "a shard without rows": (
        HEAD + "household: {features: {size: {count: any, from: members}}, moments: {one: {when: size = 1}}}\n",
        [([joined(0, "a")], 3), ([joined(4, "a", "h2")], 9)],
    ),
    "a late signal of one who has left": (
        HEAD + LINES % "count: any",
        [([joined(0, "a"), joined(4.5, "a", "h2")], 5), ([told(3, "a")], 12)],
    ),
    "a late signal of one who left and came back within the tick": (
        HEAD + LINES % "count: any",
        [([joined(0, "a"), joined(4.2, "a", state="left"), joined(4.5, "a")], 5), ([told(3, "a")], 12)],
    ),
    "a late signal of one who left and came back later": (
        HEAD + LINES % "count: any",
        [([joined(0, "a"), joined(4.2, "a", state="left"), joined(5.5, "a")], 6), ([told(3, "a")], 12)],
    ),
    "a bar that ends at the tick": (
        HEAD
        + "subscriber: {features: {n: {count: any, from: usage, window: 9m}},"
        + " moments: {busy: {when: n > 0, repeat: 1m}}}\n"
        + "household: {features: {n: {count: any, from: usage, window: 9m}}}\n"
        + "offers: {gift: {for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h,"
        + " cooldown: 4m}}\n",
        [([told(1, "a"), joined(3, "a")], 12)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_where_it_did_not(name: str) -> None:
    text, calls = CASES[name]
    case = Case(text, [(rows, START + minute * MINUTE) for rows, minute in calls])
    behind = frozenset(range(len(calls)))
    truth = reference(case)
    assert truth.levels["household"].contexts
    for shards in (1, 3):
        assert_alike(kernel(case, shards, shards), truth)
        if not any(row.subject_kind == "household" for rows, _ in case.calls for row in rows):
            assert_alike(kernel(case, shards, shards, behind), truth)


@examples(30)
@given(group_cases(), st.integers(1, 3), st.integers(1, 3))
def test_agrees_with_the_reference(case: Case, subscribers: int, groups: int) -> None:
    assert_alike(kernel(case, subscribers, groups), reference(case))


@examples(12)
@given(group_cases(), st.integers(-5, 30), st.integers(1, 2))
def test_a_cold_start_agrees_with_the_reference(case: Case, minute: int, shards: int) -> None:
    complete_from = START + minute * MINUTE
    assert_alike(kernel(case, shards, shards, complete_from=complete_from), reference(case, complete_from))


COLD = (
    HEAD
    + "subscriber: {features: {n: {count: any, from: usage, window: 5m}, latest: {last: mb, from: usage}},"
    + " derived: {half: {expr: n / 2.0, half_life: 1m, refresh: 1m}},"
    + " segments: {active: {enter: half > 0.5}, calm: {enter: NOT active}}}\n"
    + "household: {features: {x: {%s, from: members}}, segments: {known: {enter: x IS NOT NULL}}}\n"
)


@pytest.mark.parametrize(
    ("reads", "ready"),
    [
        ("count: n", 5),
        ("count: any, where: n > 1", 5),
        ("count: half", 5),
        ("count: any, where: active", 5),
        ("count: any, where: role IS NULL AND NOT calm", 5),
        ("count: latest", 1),
        ("count: any, where: role = 'owner'", 1),
    ],
)
def test_what_is_read_of_members_must_be_complete(reads: str, ready: int) -> None:
    stages = kernel(Case(COLD % reads, [([joined(0, "a")], START + 9 * MINUTE)]), complete_from=START)
    (shard,) = stages.shards["household"]
    assert [one.tick for one in shard.transitions] == [START + ready * MINUTE]


@examples(8)
@given(group_feed_cases(), st.integers(1, 3))
def test_absences_of_groups_wait_as_the_reference_says(case: Case, shards: int) -> None:
    assert_alike(kernel(case, shards, shards), reference(case))


@examples(12)
@given(group_cases(), st.frozensets(st.integers(0, 5), min_size=1))
def test_groups_may_be_behind(case: Case, behind: frozenset[int]) -> None:
    """What a group is told waits for its tick; only its own signals come when they come."""
    own = [row for rows, _ in case.calls for row in rows if row.subject_kind != "subscriber"]
    in_order = in_time(own, [upto for _, upto in case.calls])
    calls = [
        ([row for row in rows if row.subject_kind == "subscriber"] + mine, upto)
        for (rows, upto), (mine, _) in zip(case.calls, in_order, strict=True)
    ]
    case = Case(case.playbook, calls)
    assert_alike(kernel(case, behind=behind), reference(case))
