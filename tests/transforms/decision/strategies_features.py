"""Features of policies at random that only some cases have."""

import random
from dataclasses import replace

from tests.transforms.decision.reference_policy import HOUR, INBOUND, Hours, Policy
from tests.transforms.decision.strategies_policy import policy_of


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
    if "records" in features:
        policy = _records(policy, chance)
    return policy


def _records(policy: Policy, chance: random.Random) -> Policy:
    """Return a policy of which records say all, and that may have more candidates than are recorded."""
    says = policy.says | {"sequence", "read", "zone", "channels", "consents", "others"}
    more = chance.randint(8, 16) if chance.random() < 0.2 else 0
    copies = [
        replace(
            chance.choice(policy.offers),
            name=f"z{number:02}",
            send=("app", "push", "sms"),
            priority=chance.choice((1, 5)),
        )
        for number in range(more)
    ]
    return replace(policy, says=says, offers=(*policy.offers, *copies))


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


def later_policy(policy: Policy, chance: random.Random, features: frozenset[str]) -> Policy:
    """Return a policy that may follow another: it asks and reads the same."""
    other = policy_of(chance)
    goals = {offer.name: offer.goal for offer in policy.offers}
    offers = tuple(replace(offer, goal=goals.get(offer.name)) for offer in other.offers)
    bases = other.bases if "consent" in policy.listed else policy.bases
    same = replace(other, offers=offers, bases=bases, listed=policy.listed, no_sales=policy.no_sales)
    same = replace(same, segments=policy.segments)
    return featured_policy(same, chance, features - {"goals"})
