"""The consent to profiling as of a tick: the feature `consent.profiling`, without which none is that is inferred."""

from collections.abc import Iterable, Mapping

import polars as pl

from schemas.contracts import Contract
from schemas.playbook_levels import Level
from transforms.compiler.compile_expression import ExpressionError, compile_expression
from transforms.compiler.compiling import Compiling
from transforms.compiler.definitions import NO_END, Feature, Measure
from transforms.compiler.features import SUBSCRIBER, measure_of, signal_scope
from transforms.context.grid import EVER

CONSENT = "consent"
PROFILING = "consent.profiling"

_OF_PROFILING = "purpose = 'profiling'"
_UNTIL = f"COALESCE(valid_until, {NO_END})"
_VALIDITY = f"CASE WHEN state = 'granted' THEN {_UNTIL} ELSE -{_UNTIL} END"
"""Until when a consent is granted; the same below zero if it is withdrawn."""


def consent_features(compiling: Compiling, contracts: Mapping[str, Contract]) -> list[Feature]:
    """Return the feature `consent.profiling` of subscribers: whether they consent; nothing if nothing asks for it.

    Args:
        compiling: The level; mistakes are noted there.
        contracts: Of the playbook's signals.
    """
    if compiling.name != SUBSCRIBER or not any(map(_asks, compiling.playbook.levels.values())):
        return []
    basis = compiling.playbook.profiling_needs
    if not basis:
        return []
    scope = signal_scope(contracts[CONSENT], SUBSCRIBER)
    try:
        where, value = (compile_expression(text, scope) for text in (_OF_PROFILING, _VALIDITY))
    except ExpressionError as error:
        message = f"the contract of `{CONSENT}` does not tell who consents: {error.message}"
        compiling.fail_at(("signals",), message, f"use the built-in `{CONSENT}`")
        return []
    zone = compiling.playbook.time_zone
    measure = measure_of(CONSENT, None, where, 0, pl.Int64(), zone, "latest", value)
    return [Feature(PROFILING, CONSENT, basis, measure, window=None, offset=0, pane=EVER, head_pane=0)]


def consent_of_members(compiling: Compiling) -> list[Measure]:
    """Return what a group takes from its members to know who of them consents, if its features ask."""
    asks = compiling.playbook.profiling_needs and _asks(compiling.level)
    return [Measure(PROFILING, PROFILING, None, 0, pl.Boolean())] if asks else []


def features_behind(names: frozenset[str], features: Iterable[Feature]) -> frozenset[str]:
    """Return the features among the names; and `consent.profiling`, if one of a subscriber's needs it."""
    every = {feature.name: feature for feature in features}
    asks = any(every[name].consent for name in names & every.keys())
    return (names | ({PROFILING} if asks else set())) & every.keys()


def _asks(level: Level) -> bool:
    return any(feature.inferred for feature in level.features.values())
