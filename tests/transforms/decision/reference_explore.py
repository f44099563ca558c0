"""Exploration: which of the candidates that pass is sent, and how probable that was, by hand."""

from collections.abc import Sequence

from tests.transforms.decision.reference_gates import Candidate
from tests.transforms.decision.reference_policy import INBOUND, Policy, draw, fnv

DIGITS = 12
"""Propensities are told so exactly: in which order their parts are added does not matter."""


def explore(policy: Policy, decision: str, passing: Sequence[Candidate]) -> tuple[Candidate, float]:
    """Return which of the candidates that pass, the best first, is sent, and its propensity."""
    best = passing[0]
    share = policy.explore.get(best.offer.family, 0.0)
    arms = [one for one in passing if _kind(one) == _kind(best)]
    chosen = best
    if draw("explore", decision) < share:
        chosen = arms[fnv("\0".join(("explore", decision, "arm"))) * len(arms) >> 64]
    each = share / len(arms)
    return chosen, round(1 - share + each if chosen == best else each, DIGITS)


def _kind(one: Candidate) -> tuple[str, int, bool]:
    """Return what the arms of a draw have in common."""
    return one.offer.family, one.offer.priority, one.channel == INBOUND
