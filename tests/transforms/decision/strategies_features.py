"""Features of policies at random that only some cases have."""

import random
from dataclasses import replace

from tests.transforms.decision.reference_policy import HOUR, INBOUND, Hours, Policy


def featured_policy(policy: Policy, chance: random.Random, features: frozenset[str]) -> Policy:
    """Return a policy that has some features."""
    if "explore" in features:
        shares = {family: chance.choice((0.1, 0.5, 0.9, 1.0)) for family in "fg" if chance.random() < 0.8}
        policy = replace(policy, explore=shares, says=policy.says | {"propensity"})
    if "goals" in features:
        offers = (replace(offer, goal=chance.choice((None, 1, 6, 24, 60))) for offer in policy.offers)
        policy = replace(policy, offers=tuple(replace(one, goal=one.goal and one.goal * HOUR) for one in offers))
    if "inbound" in features:
        policy = _inbound(policy, chance)
    return policy


def _inbound(policy: Policy, chance: random.Random) -> Policy:
    first = {
        message: chance.choice((1, 3, chance.randint(1, 24))) * HOUR
        for message, share in (("marketing", 0.9), ("care", 0.5), ("service", 0.5))
        if chance.random() < share
    }
    hours: Hours = ((chance.randrange(0, 1440, 60), chance.randrange(0, 1440, 60)),)
    quiet = {**policy.quiet, INBOUND: hours} if policy.quiet and chance.random() < 0.3 else policy.quiet
    caps = [replace(cap, channel=INBOUND) if chance.random() < 0.15 else cap for cap in policy.caps]
    return replace(policy, inbound_first=first, quiet=quiet, caps=tuple(caps), says=policy.says | {"valid_until"})
