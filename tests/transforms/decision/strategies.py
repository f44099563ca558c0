"""Cases at random: policies, and what happens in a small world; features where they are asked for."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.transforms.decision.reference import Reference
from tests.transforms.decision.reference_erasure import Erasure
from tests.transforms.decision.reference_policy import HOUR, INBOUND, Fact, Notice, Policy, Trigger
from tests.transforms.decision.strategies_features import featured_policy, later_policy
from tests.transforms.decision.strategies_policy import policy_of
from tests.transforms.decision.strategies_world import STARTS, TICKS, World

FEATURES = frozenset({"explore", "goals", "inbound", "records", "versions", "erasures"})
"""What `case_of` can add."""


@dataclass(frozen=True)
class Case:
    """What is decided, and up to when."""

    policy: Policy
    triggers: Sequence[Trigger]
    facts: Sequence[Fact]
    notices: Sequence[Notice]
    upto: int
    later: Sequence[tuple[int, Policy]] = ()
    erasures: Sequence[Erasure] = ()

    def decide(self) -> list[dict[str, Any]]:
        """Return what the reference decides."""
        reference = Reference(self.policy, self.later, self.erasures)
        return reference.decide(self.triggers, self.facts, self.notices, self.upto)


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
    later = _later(policy, world, features) if "versions" in features and world.chance.random() < 0.7 else []
    goals = world.goals(policy, case.triggers)
    erasures = world.erasures() if "erasures" in features else []
    pauses = world.pauses("channel", INBOUND) if policy.inbound_first else []
    return replace(case, policy=policy, notices=[*case.notices, *goals, *pauses], later=later, erasures=erasures)


def _later(policy: Policy, world: World, features: frozenset[str]) -> list[tuple[int, Policy]]:
    """Return policies that take over; they read the same signals, and have goals of the same offers."""
    start, found = world.start, list[tuple[int, Policy]]()
    for _ in range(world.chance.choice((1, 1, 2))):
        start += world.chance.randint(1, TICKS // 2) * HOUR
        found.append((start, later_policy(policy, world.chance, features)))
    return found
