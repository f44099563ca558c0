"""From a playbook to the plans of its levels."""

from functools import lru_cache

import polars as pl

from schemas import playbook_levels as books
from schemas.contracts import SIGNALS, Contract, contract
from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from transforms.compiler.compile_expression import ScopeColumn
from transforms.compiler.compile_level import LevelCompiler, PlanErrors
from transforms.compiler.compiling import Compiling, Scope
from transforms.compiler.consents import PROFILING
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import SUBSCRIBER, scope_column
from transforms.compiler.levels import joined
from transforms.context.grid import Grid


def load_plans(playbook: Playbook, grid: Grid | None = None) -> dict[str, ContextPlan]:
    """Compile all levels of a playbook, once a process.

    Args:
        playbook: The checked playbook.
        grid: Panes other than the usual ones, for tests.

    Raises:
        LoadErrors: signal types without a contract.
        PlanErrors: all mistakes in features and expressions, with their lines.
    """
    return _plans(playbook, grid or Grid(playbook.tick))


def load_plan(playbook: Playbook, level: str = SUBSCRIBER, grid: Grid | None = None) -> ContextPlan:
    """Return the plan of one level; see `load_plans`."""
    return load_plans(playbook, grid)[level]


@lru_cache(maxsize=64)
def _plans(playbook: Playbook, grid: Grid) -> dict[str, ContextPlan]:
    plans: dict[str, ContextPlan] = {}
    wrong = PlanErrors([], {}, set())
    members: Scope = {}
    known = contracts(playbook)
    for kind, level in playbook.levels.items():
        compiling = Compiling(playbook, kind, level, grid)
        try:
            plans[kind] = LevelCompiler(compiling, known, members).plan()
            scope = scope_of(plans[kind])
        except PlanErrors as errors:
            wrong = PlanErrors([*wrong.errors, *errors.errors], wrong.scopes | errors.scopes, wrong.lost | errors.lost)
            scope = errors.scopes[kind]
        wrong.scopes[kind] = scope
        members = _lasting(level, scope) if kind == SUBSCRIBER else members
    if wrong.errors:
        raise wrong
    return joined(playbook, plans, known)


def scope_of(plan: ContextPlan) -> Scope:
    """Return what expressions over a context may read: features, derived values, and segments as booleans."""
    scope = {feature.name: scope_column(feature) for feature in plan.features if feature.name != PROFILING}
    scope |= {derived.name: ScopeColumn(derived.dtype, True) for derived in plan.derived}
    return scope | {segment.name: ScopeColumn(pl.Boolean(), False) for segment in plan.segments}


def _lasting(level: books.Level, scope: Scope) -> Scope:
    """Return what groups see of their members: not how long ago something was, which nobody tells them each tick."""
    drifting = {name for name, feature in level.features.items() if feature.aggregate == "seconds_since_last"}
    return {name: column for name, column in scope.items() if name not in drifting}


def contracts(playbook: Playbook) -> dict[str, Contract]:
    """Return the contract of each signal type of a playbook.

    Raises:
        LoadErrors: unknown signal types.
    """
    found, errors = {**playbook.contracts}, []
    for name in playbook.signals.keys() - found.keys():
        if name in SIGNALS:
            found[name] = contract(name)
        else:
            hint = f"name one of the built-in types, or `{{{name}: FILE.avsc}}`"
            errors.append(playbook.error(("signals",), f"no signal type `{name}`", name, hint))
    if errors:
        raise LoadErrors(errors)
    return {name: found[name] for name in playbook.signals}
