"""Cases at random: policies, and what happens in a small world; features where they are asked for."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.transforms.decision.reference_policy import HOUR, INBOUND, Fact, Notice, Policy, Trigger
from tests.transforms.decision.strategies_features import featured_policy
from tests.transforms.decision.strategies_policy import policy_of
from tests.transforms.decision.strategies_world import STARTS, TICKS, World

FEATURES = ("explore", "goals", "inbound")
"""What `case_of` can add."""


@dataclass(frozen=True)
class Case:
    """What is decided, and up to when."""

    policy: Policy
    triggers: Sequence[Trigger]
    facts: Sequence[Fact]
    notices: Sequence[Notice]
    upto: int


def cases(shrinks: bool = False, features: frozenset[str] = frozenset()) -> st.SearchStrategy[Case]:
    """Return a strategy of cases; those that shrink are drawn slowly."""
    return st.randoms(use_true_random=not shrinks).map(lambda chance: case_of(chance, features))


def case_of(chance: random.Random, features: frozenset[str] = frozenset()) -> Case:
    """Return one case; with features it is the one without them, and more."""
    policy, world = policy_of(chance), World(chance, chance.choice(STARTS))
    triggers = world.triggers(policy, chance.randint(1, 30))
    facts = [*world.entries(triggers), *world.facts(chance.randint(0, 12)), *world.moved()]
    notices = [*world.settings(), *world.reports(triggers)] if policy.listed else []
    case = Case(policy, triggers, facts, notices, world.start + (TICKS + 48) * HOUR)
    if not features:
        return case
    world.chance = random.Random(chance.random())
    return _featured(case, world, features)


def _featured(case: Case, world: World, features: frozenset[str]) -> Case:
    policy = featured_policy(case.policy, world.chance, features)
    goals = world.goals(policy, case.triggers)
    pauses = world.pauses("channel", INBOUND) if policy.inbound_first else []
    return replace(case, policy=policy, notices=[*case.notices, *goals, *pauses])
