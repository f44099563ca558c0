"""Features of policies at random that only some cases have."""

import random
from dataclasses import replace

from tests.transforms.decision.reference_policy import Policy


def featured_policy(policy: Policy, chance: random.Random, features: frozenset[str]) -> Policy:
    """Return a policy that has some features."""
    if "explore" in features:
        shares = {family: chance.choice((0.1, 0.5, 0.9, 1.0)) for family in "fg" if chance.random() < 0.8}
        policy = replace(policy, explore=shares, says=policy.says | {"propensity"})
    return policy
