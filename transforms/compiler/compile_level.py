"""Compiles one level of a playbook: every expression, every mistake told at once."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

import polars as pl

from schemas import playbook_levels as books
from schemas.contracts import Contract
from schemas.durations import DAY
from schemas.errors import LoadError, LoadErrors
from schemas.playbook_file import not_about
from schemas.playbook_levels import GROUPS, MEMBERS
from schemas.yaml_source import KeyPath
from transforms.compiler.compile_expression import Expression, ExpressionError, ScopeColumn
from transforms.compiler.compiling import Compiling, Scope
from transforms.compiler.consents import consent_features, consent_of_members, features_behind
from transforms.compiler.context_plan import ContextPlan, SignalPlan
from transforms.compiler.definitions import Derived, Fading, Feature, Moment, Segment
from transforms.compiler.features import compile_features, scope_column, signal_plan, with_thresholds
from transforms.compiler.models import model_functions, model_versions
from transforms.compiler.profiles import PROFILE, profile_features, profile_scope
from transforms.compiler.references import called_by_contexts, read_of_contexts, references
from transforms.compiler.sequences import compile_sequences
from transforms.compiler.sql.parse import parse
from transforms.compiler.steps import Sequence
from transforms.compiler.strata import read_by_conditions, reading, strata_of
from transforms.compiler.tables import keys_of_tables, table_scope, table_values
from transforms.context.features.refreshes import Refreshes


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


class LevelCompiler:
    """One walk over a level: features, then derived values and segments in the order they are read, then moments."""

    def __init__(self, compiling: Compiling, known: Mapping[str, Contract], members: Scope) -> None:
        """Take what to compile, the contracts of the playbook's signals, and what groups see of their members."""
        self._known, self._members = known, members
        self._compiling, self._playbook, self._level = compiling, compiling.playbook, compiling.level
        self._lost: set[str] = set()
        self._scope: Scope = {}

    def plan(self) -> ContextPlan:
        """Return the plan of the level.

        Raises:
            PlanErrors: all mistakes in its features and expressions.
        """
        self._check_lets()
        read = read_of_contexts(self._playbook, self._compiling.name)
        read |= keys_of_tables(self._playbook, read)
        features = self._features(read)
        consent = consent_features(self._compiling, self._known)
        beside = [*table_values(self._compiling, self._scope, read)]
        beside += model_versions(self._playbook, called_by_contexts(self._playbook, self._compiling.name))
        order = [*(one.name for one in beside), *self._order()]
        made = [self._derived(name) for name in order if name in self._level.derived]
        derived = (*beside, *(one for one in made if one))
        segments = [self._segment(name) for name in order if name in self._level.segments]
        sequences = compile_sequences(self._compiling, self._known)
        moments = [self._moment(name, moment, sequences.get(name)) for name, moment in self._level.moments.items()]
        self._stop_if_wrong()
        features = [with_thresholds(self._compiling, feature) for feature in features] + consent
        self._stop_if_wrong()
        inferred = reading(order, derived, segments, {one.name for one in features if one.consent and consent})
        derived = tuple(replace(one, consent=one.name in inferred) for one in derived)
        segments = [replace(one, consent=one.name in inferred) for one in segments]
        book = self._playbook
        return ContextPlan(
            level=self._compiling.name,
            grid=self._compiling.grid,
            allowed_lateness=book.allowed_lateness,
            dedup_horizon=book.dedup_horizon,
            contexts_every=book.contexts_every,
            zone=book.time_zone,
            signals=self._signals(features, [*sequences.values()]),
            strata=strata_of(order, derived, segments, moments),
            derived=derived,
            needed=features_behind(read_by_conditions(derived, segments, moments), features),
            erased_for=book.erased_for,
            effective_from=book.effective_from,
        )

    def _features(self, read: Set[str]) -> list[Feature]:
        """Compile the features, those of profiles included, and begin the scope with them."""
        self._compiling.models |= model_functions(self._compiling)
        self._lost |= {name for name in self._playbook.models if name.upper() not in self._compiling.models}
        self._check_profile(read)
        features = compile_features(self._compiling, self._known, self._members)
        features += profile_features(self._known, self._playbook.time_zone, read)
        self._scope = profile_scope(self._known) | table_scope(self._playbook)
        self._scope |= {feature.name: scope_column(feature) for feature in features}
        self._scope |= {name: ScopeColumn(pl.Boolean(), False) for name in self._level.segments}
        return features

    def _signals(self, features: list[Feature], sequences: list[Sequence]) -> dict[str, SignalPlan]:
        """Return what each type of signal means, what members tell their groups included."""
        kind = self._compiling.name
        plans = {name: signal_plan(kind, name, features, sequences) for name in self._playbook.signals}
        if kind in GROUPS:
            consent = consent_of_members(self._compiling)
            plans[MEMBERS] = signal_plan(kind, MEMBERS, features, sequences, consent)
        return plans

    def _check_lets(self) -> None:
        """Parse every `let`, used or not; what its names mean depends on where it is used."""
        for name, text in self._playbook.let.items():
            try:
                parse(text)
            except ExpressionError as error:
                self._compiling.fail_at(("let", name), error.message, error.hint, text)
                self._lost.add(name)

    def _check_profile(self, read: Collection[str]) -> None:
        """Tell once, not at each expression, that profiles are read and are no signal of the playbook."""
        missing = sorted(name for name in read if name.startswith(f"{PROFILE}."))
        if missing and PROFILE not in self._known:
            message = f"`{missing[0]}` is read, and `{PROFILE}` is not one of them"
            self._compiling.fail_at(("signals",), message, f"add `{PROFILE}` to `signals`")
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
        read = {name: self._read(name, both) for name, both in texts.items()}
        graph = {name: [other for other in texts if other in read[name]] for name in texts}
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            names = error.args[1]
            section = "derived" if names[0] in level.derived else "segments"
            circle = " reads ".join(f"`{name}`" for name in reversed(names))
            hint = "let one of them read features only; a segment also waits for those that go before it in its set"
            self._compiling.fail((section, names[0]), f"{circle}: a circle", hint)
            return [*texts]

    def _read(self, name: str, texts: list[str]) -> set[str]:
        """Return what a derived value or a segment reads, and the segments that go before it."""
        above = self._level.above(name) if name in self._level.segments else ()
        return {*above}.union(*(references(text, self._playbook.let) for text in texts))

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
        refreshes = Refreshes(book.refresh or DAY, self._playbook.time_zone)
        fading = Fading(book.half_life, refreshes) if book.half_life else None
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
