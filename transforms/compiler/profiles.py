"""The profile of a subject, as of a tick: the features `profile.tariff` and the like."""

from collections.abc import Collection, Mapping

from schemas.contracts import Contract
from transforms.compiler.compile_expression import ScopeColumn
from transforms.compiler.definitions import Feature
from transforms.compiler.features import DTYPES, measure_of
from transforms.context.grid import EVER

PROFILE = "profile"


def profile_scope(contracts: Mapping[str, Contract]) -> dict[str, ScopeColumn]:
    """Return what an expression may read of a profile; nothing if the playbook does not read that signal."""
    if PROFILE not in contracts:
        return {}
    fields = contracts[PROFILE].by_name
    return {f"{PROFILE}.{name}": ScopeColumn(DTYPES[fields[name].type]) for name in contracts[PROFILE].payload}


def profile_features(contracts: Mapping[str, Contract], zone: str, read: Collection[str]) -> list[Feature]:
    """Return a feature for each field of the profile that is read: its value in the latest row, NULL included."""
    return [_latest(name, contracts[PROFILE], zone) for name in profile_scope(contracts) if name in read]


def _latest(name: str, contract: Contract, zone: str) -> Feature:
    field = contract.by_name[name.removeprefix(f"{PROFILE}.")]
    return Feature(
        name=name,
        signal=PROFILE,
        aggregate="latest",
        measure=measure_of(PROFILE, field.name, None, field.scale, DTYPES[field.type], zone, "latest"),
        window=None,
        offset=0,
        pane=EVER,
        head_pane=0,
    )
