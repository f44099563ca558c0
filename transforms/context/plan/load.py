"""From a playbook to the plan of a level: every expression compiled, every mistake told at once."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import polars as pl

from schemas import playbook_levels as books
from schemas.contracts import Contract, contract, read_contract
from schemas.durations import DAY
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import not_about
from schemas.playbook_levels import GROUPS, MEMBERS
from schemas.yaml_source import KeyPath
from transforms.context.plan.compiling import Compiling, Scope
from transforms.context.plan.consents import PROFILING, consent_features, consent_of_members, features_behind
from transforms.context.plan.context_plan import ContextPlan
from transforms.context.plan.definitions import Derived, Fading, Moment, Segment
from transforms.context.plan.expressions import Expression, ExpressionError, ScopeColumn
from transforms.context.plan.features import SUBSCRIBER, compile_features, scope_column, signal_plan, with_thresholds
from transforms.context.plan.levels import joined
from transforms.context.plan.models import model_functions, model_versions
from transforms.context.plan.profiles import PROFILE, profile_features, profile_scope
from transforms.context.plan.references import called_by_contexts, read_of_contexts, references
from transforms.context.plan.sequences import compile_sequences
from transforms.context.plan.sql.parse import parse
from transforms.context.plan.steps import Sequence
from transforms.context.plan.strata import read_by_conditions, reading, strata_of
from transforms.context.plan.tables import keys_of_tables, table_scope, table_values
from transforms.context.ticks import Grid


@lru_cache(maxsize=64)
def load_plans(playbook: Playbook, grid: Grid | None = None) -> dict[str, ContextPlan]:
    """Compile all levels of a playbook, once a process.

    Args:
        playbook: The checked playbook.
        grid: Panes other than the usual ones, for tests.

    Raises:
        LoadErrors: signal types without a contract.
        PlanErrors: all mistakes in features and expressions, with their lines.
    """
    plans: dict[str, ContextPlan] = {}
    wrong = PlanErrors([], {}, set())
    members: Scope = {}
    for kind, level in playbook.levels.items():
        compiling = Compiling(playbook, kind, level, grid or Grid(playbook.tick))
        try:
            plans[kind] = _Compiler(compiling, members).plan()
            scope = scope_of(plans[kind])
        except PlanErrors as errors:
            wrong = PlanErrors([*wrong.errors, *errors.errors], wrong.scopes | errors.scopes, wrong.lost | errors.lost)
            scope = errors.scopes[kind]
        wrong.scopes[kind] = scope
        members = _lasting(level, scope) if kind == SUBSCRIBER else members
    if wrong.errors:
        raise wrong
    return joined(playbook, plans)


def load_plan(playbook: Playbook, level: str = SUBSCRIBER, grid: Grid | None = None) -> ContextPlan:
    """Return the plan of one level; see `load_plans`."""
    return load_plans(playbook, grid)[level]


def contracts(playbook: Playbook) -> dict[str, Contract]:
    """Return the contract of each signal type of a playbook; files are found beside the playbook.

    Raises:
        LoadErrors: unknown signal types, unreadable contracts.
    """
    found, errors = {}, []
    for name, file in playbook.signals.items():
        try:
            found[name] = read_contract(Path(playbook.file).parent / file) if file else contract(name)
        except KeyError:
            hint = f"name one of the built-in types, or `{{{name}: FILE.avsc}}`"
            errors.append(playbook.error(("signals",), f"no signal type `{name}`", name, hint))
        except LoadErrors as error:
            errors += error.errors
    if errors:
        raise LoadErrors(errors)
    return found


def scope_of(plan: ContextPlan) -> Scope:
    """Return what expressions over a context may read: features, derived values, and segments as booleans."""
    scope = {feature.name: scope_column(feature) for feature in plan.features if feature.name != PROFILING}
    scope |= {derived.name: ScopeColumn(derived.dtype, True) for derived in plan.derived}
    return scope | {segment.name: ScopeColumn(pl.Boolean(), False) for segment in plan.segments}


def _lasting(level: books.Level, scope: Scope) -> Scope:
    """Return what groups see of their members: not how long ago something was, which nobody tells them each tick."""
    drifting = {name for name, feature in level.features.items() if feature.aggregate == "seconds_since_last"}
    return {name: column for name, column in scope.items() if name not in drifting}


class PlanErrors(LoadErrors):
    """Everything that is wrong with the features and expressions of a playbook's levels.

    Attributes:
        scopes: What an expression over a context may read nonetheless, by level.
        lost: The names that it would have had besides.
    """

    def __init__(self, errors: Iterable[LoadError], scopes: Mapping[str, Scope], lost: Set[str]) -> None:
        """Keep the errors, less those that only miss what is lost, and what there is besides."""
        super().__init__(not_about(lost, dict.fromkeys(errors)))
        self.scopes = {**scopes}
        self.lost = lost


class _Compiler:
    """One walk over a level: features, then derived values and segments in the order they are read, then moments."""

    def __init__(self, compiling: Compiling, members: Scope) -> None:
        self._members = members
        self._compiling, self._playbook, self._level = compiling, compiling.playbook, compiling.level
        self._lost: set[str] = set()
        self._scope: Scope = {}

    def plan(self) -> ContextPlan:
        self._check_lets()
        known = contracts(self._playbook)
        read = read_of_contexts(self._playbook, self._compiling.name)
        read |= keys_of_tables(self._playbook, read)
        self._compiling.models |= model_functions(self._compiling)
        self._lost |= {name for name in self._playbook.models if name.upper() not in self._compiling.models}
        self._check_profile(known, read)
        features = compile_features(self._compiling, known, self._members)
        features += profile_features(known, self._playbook.time_zone, read)
        consent = consent_features(self._compiling, known)
        self._scope = profile_scope(known) | table_scope(self._playbook)
        self._scope |= {feature.name: scope_column(feature) for feature in features}
        self._scope |= {name: ScopeColumn(pl.Boolean(), False) for name in self._level.segments}
        beside = [*table_values(self._compiling, self._scope, read)]
        beside += model_versions(self._playbook, called_by_contexts(self._playbook, self._compiling.name))
        order = [*(one.name for one in beside), *self._order()]
        made = [self._derived(name) for name in order if name in self._level.derived]
        derived = (*beside, *(one for one in made if one))
        segments = [self._segment(name) for name in order if name in self._level.segments]
        sequences = compile_sequences(self._compiling, known)
        moments = [self._moment(name, moment, sequences.get(name)) for name, moment in self._level.moments.items()]
        self._stop_if_wrong()
        features = [with_thresholds(self._compiling, feature) for feature in features] + consent
        self._stop_if_wrong()
        book, kind = self._playbook, self._compiling.name
        inferred = reading(order, derived, segments, {one.name for one in features if one.consent and consent})
        derived = tuple(replace(one, consent=one.name in inferred) for one in derived)
        segments = [replace(one, consent=one.name in inferred) for one in segments]
        told = consent_of_members(self._compiling) if kind in GROUPS else []
        return ContextPlan(
            level=kind,
            grid=self._compiling.grid,
            allowed_lateness=book.allowed_lateness,
            dedup_horizon=book.dedup_horizon,
            contexts_every=book.contexts_every,
            zone=book.time_zone,
            signals={
                name: signal_plan(kind, name, features, sequences.values(), told if name == MEMBERS else ())
                for name in (*book.signals, *([MEMBERS] if kind in GROUPS else []))
            },
            strata=strata_of(order, derived, segments, moments),
            derived=derived,
            needed=features_behind(read_by_conditions(derived, segments, moments), features),
            erased_for=book.erased_for,
            effective_from=book.effective_from,
        )

    def _check_lets(self) -> None:
        """Parse every `let`, used or not; what its names mean depends on where it is used."""
        for name, text in self._playbook.let.items():
            try:
                parse(text)
            except ExpressionError as error:
                self._compiling.fail_at(("let", name), error.message, error.hint, text)
                self._lost.add(name)

    def _check_profile(self, known: Collection[str], read: Collection[str]) -> None:
        """Tell once, not at each expression, that profiles are read and are no signal of the playbook."""
        missing = sorted(name for name in read if name.startswith(f"{PROFILE}."))
        if missing and PROFILE not in known:
            told = f"`{missing[0]}` is read, and `{PROFILE}` is not one of them"
            self._compiling.fail_at(("signals",), told, f"add `{PROFILE}` to `signals`")
            self._lost |= {*missing}

    def _stop_if_wrong(self) -> None:
        if self._compiling.errors:
            lost = self._lost.union(self._level.features.keys() - self._scope.keys())
            raise PlanErrors(self._compiling.errors, {self._compiling.name: self._scope}, lost)

    def _order(self) -> list[str]:
        """Return derived values and segments so that each comes after what it reads and what may supersede it."""
        level = self._level
        texts = {name: [derived.expr] for name, derived in level.derived.items()}
        texts |= {name: [s.enter, s.exit or s.enter] for name, s in level.segments.items()}
        graph = {
            name: {read for text in both for read in references(text, self._playbook.let) if read in texts}
            for name, both in texts.items()
        }
        for name in level.segments:
            graph[name].update(level.above(name))
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            names = error.args[1]
            section = "derived" if names[0] in level.derived else "segments"
            told = " reads ".join(f"`{name}`" for name in reversed(names))
            hint = "let one of them read features only; a segment also waits for those that go before it in its set"
            self._compiling.fail((section, names[0]), f"{told}: a circle", hint)
            return [*texts]

    def _derived(self, name: str) -> Derived | None:
        book = self._level.derived[name]
        path = ("derived", name)
        expression = self._compiling.compile((*path, "expr"), book.expr, self._scope, refresh=book.refresh or DAY)
        if expression is None:
            self._scope[name] = ScopeColumn(pl.Float64(), True)
            return None
        for key in ("bounds", "half_life"):
            if getattr(book, key) and not expression.dtype.is_numeric():
                self._compiling.fail((*path, key), f"`{key}` needs a number, and `{name}` is {expression.dtype}")
        if book.half_life is None:
            self._check_refresh(path, book.refresh, expression)
        fading = Fading(book.half_life, book.refresh or DAY) if book.half_life else None
        derived = Derived(name, expression, book.bounds, fading)
        self._scope[name] = ScopeColumn(derived.dtype, True)
        return derived

    def _segment(self, name: str) -> Segment:
        book, path, grid = self._level.segments[name], ("segments", name), self._compiling.grid
        refresh = book.refresh or DAY
        enter = self._compiling.condition((*path, "enter"), book.enter, self._scope, refresh)
        exit_ = self._compiling.condition((*path, "exit"), book.exit, self._scope, refresh) if book.exit else None
        self._check_refresh(path, book.refresh, *filter(None, [enter, exit_]))
        triggers = {"entered": self._full(name), "exited": f"{self._full(name)}.exited"}
        named = self._named_by_offers()
        return Segment(
            name=name,
            enter=enter,
            exit=exit_,
            hold=grid.at_least(book.hold),
            expire=None if book.expire is None else grid.at_least(book.expire),
            above=self._level.above(name),
            triggers=frozenset(event for event, trigger in triggers.items() if trigger in named),
            late_triggers=book.on_late == "trigger",
            on_start=book.on_start == "trigger",
        )

    def _moment(self, name: str, book: books.Moment, sequence: Sequence | None) -> Moment:
        path = ("moments", name)
        when = self._compiling.condition((*path, "when"), book.when or "TRUE", self._scope, book.refresh or DAY)
        self._check_refresh(path, book.refresh, when)
        named = self._full(name) in self._named_by_offers()
        late, start = book.on_late == "trigger", book.on_start == "trigger"
        return Moment(name, when, sequence, book.repeat, book.again_after, named, late, start)

    def _check_refresh(self, path: KeyPath, given: int | None, *expressions: Expression) -> None:
        """Refuse a grid where nothing drifts."""
        drifts = any(expression.days_until for expression in expressions)
        if given is not None and not drifts and not self._compiling.errors:
            self._compiling.fail((*path, "refresh"), "nothing here changes with time alone", "leave `refresh` out")

    def _named_by_offers(self) -> set[str]:
        return {trigger for offer in self._playbook.offers.values() for trigger in offer.for_}

    def _full(self, name: str) -> str:
        return f"{self._compiling.name}.{name}"
