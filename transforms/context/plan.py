"""From a playbook to the plan of a level: every expression compiled, every mistake told at once."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import polars as pl
import pyarrow as pa
from sqlglot import exp

from schemas import playbook as books
from schemas.contracts import ENVELOPE, Contract, contract, read_contract
from schemas.contracts import Field as ContractField
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_file import not_about
from schemas.yaml_source import KeyPath
from transforms.context.definitions import (
    ContextPlan,
    Derived,
    Feature,
    Measure,
    Moment,
    Segment,
    SignalPlan,
)
from transforms.context.expressions import Expression, ExpressionError, ScopeColumn, compile_expression
from transforms.context.sql.parse import inlined, name_of, parse
from transforms.context.strata import read_by_conditions, strata_of
from transforms.context.ticks import EVER, Grid

LEVEL = "subscriber"
LOCAL = {"local_hour": pl.Int64(), "local_weekday": pl.Int64(), "local_date": pl.String()}
DTYPES: Mapping[pa.DataType, pl.DataType] = {
    pa.string(): pl.String(),
    pa.int64(): pl.Int64(),
    pa.float64(): pl.Float64(),
    pa.bool_(): pl.Boolean(),
}
NEVER_NULL = ("count", "sum", "distinct")
NUMBERS_ONLY = ("sum", "mean", "min", "max")

Scope = dict[str, ScopeColumn]


@lru_cache(maxsize=64)
def load_plan(playbook: Playbook, grid: Grid | None = None) -> ContextPlan:
    """Compile the subscriber level of a playbook, once a process.

    Args:
        playbook: The checked playbook.
        grid: Panes other than the usual ones, for tests.

    Raises:
        LoadErrors: signal types without a contract.
        PlanErrors: all mistakes in features and expressions, with their lines.
    """
    return _Compiler(playbook, grid or Grid(playbook.tick)).plan()


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
    scope = {f.name: ScopeColumn(f.dtype, f.aggregate not in NEVER_NULL) for f in plan.features}
    scope |= {derived.name: ScopeColumn(derived.dtype, True) for derived in plan.derived}
    return scope | {segment.name: ScopeColumn(pl.Boolean(), False) for segment in plan.segments}


class PlanErrors(LoadErrors):
    """Everything that is wrong with the features and expressions of a level.

    Attributes:
        scope: What an expression over a context may read nonetheless.
        lost: The names that it would have had besides.
    """

    def __init__(self, errors: list[LoadError], scope: Scope, lost: Collection[str]) -> None:
        """Keep the errors, less those that only miss what is lost, and what there is besides."""
        super().__init__(not_about(lost, errors))
        self.scope = scope
        self.lost = lost


class _Compiler:
    """One walk over a playbook's level that collects mistakes."""

    def __init__(self, playbook: Playbook, grid: Grid) -> None:
        self._playbook, self._grid = playbook, grid
        self._level = playbook.subscriber
        self._contracts = contracts(playbook)
        self._errors: list[LoadError] = []
        self._lost: set[str] = set()
        self._scope: Scope = {}
        self._expressions: dict[KeyPath, Expression] = {}

    def plan(self) -> ContextPlan:
        self._check_lets()
        features = [one for name, feature in self._level.features.items() if (one := self._feature(name, feature))]
        self._scope = {f.name: ScopeColumn(f.dtype, f.aggregate not in NEVER_NULL) for f in features}
        self._scope |= {name: ScopeColumn(pl.Boolean(), False) for name in self._level.segments}
        order = self._order()
        made = [self._derived(name) for name in order if name in self._level.derived]
        derived = tuple(one for one in made if one)
        segments = [self._segment(name) for name in order if name in self._level.segments]
        moments = [self._moment(name, moment) for name, moment in self._level.moments.items()]
        self._stop_if_wrong()
        features = [self._with_thresholds(feature) for feature in features]
        self._stop_if_wrong()
        book = self._playbook
        return ContextPlan(
            level=LEVEL,
            grid=self._grid,
            allowed_lateness=book.allowed_lateness,
            dedup_horizon=book.dedup_horizon,
            contexts_every=book.contexts_every,
            zone=book.time_zone,
            signals={name: _signal(name, [f for f in features if f.signal == name]) for name in book.signals},
            strata=strata_of(order, derived, segments, moments),
            derived=derived,
            needed=read_by_conditions(derived, segments, moments) & {feature.name for feature in features},
        )

    def _check_lets(self) -> None:
        """Parse every `let`, used or not; what its names mean depends on where it is used."""
        for name, text in self._playbook.let.items():
            try:
                parse(text)
            except ExpressionError as error:
                self._fail(("let", name), error.message, error.hint, text)
                self._lost.add(name)

    def _stop_if_wrong(self) -> None:
        if self._errors:
            lost = self._lost.union(self._level.features.keys() - self._scope.keys())
            raise PlanErrors(self._errors, self._scope, lost)

    def _feature(self, name: str, feature: books.Feature) -> Feature | None:
        path = (LEVEL, "features", name)
        fields = {f.name: f for f in self._contracts[feature.from_].fields if f.name not in ENVELOPE}
        measure = self._measure(path, feature, fields)
        if measure is None:
            return None
        reach = (feature.window or 0) + feature.offset
        return Feature(
            name=name,
            signal=feature.from_,
            aggregate=feature.aggregate,
            measure=measure,
            window=feature.window,
            offset=feature.offset,
            pane=EVER if feature.window is None else self._grid.pane(reach),
            head_pane=self._grid.pane(reach) if feature.offset > self._grid.exact_limit else 0,
        )

    def _measure(self, path: KeyPath, feature: books.Feature, fields: Mapping[str, ContractField]) -> Measure | None:
        scope = {name: ScopeColumn(DTYPES[f.type], not f.required) for name, f in fields.items()}
        scope["source"] = ScopeColumn(pl.String(), False)
        scope |= {name: ScopeColumn(dtype, False) for name, dtype in LOCAL.items()}
        where = self._compile((*path, "where"), feature.where, scope, pl.Boolean()) if feature.where else None
        if feature.where and where is None:
            return None
        column = None if feature.column == "any" else feature.column
        if column and column not in scope:
            message = f"signal `{feature.from_}` has no column `{column}`"
            self._fail((*path, feature.aggregate), message, near_miss(column, scope))
            return None
        dtype = scope[column].dtype if column else pl.Boolean()
        if feature.aggregate in NUMBERS_ONLY and not dtype.is_numeric():
            message = f"`{feature.aggregate}` needs a number, and `{column}` of `{feature.from_}` is {dtype}"
            self._fail((*path, feature.aggregate), message, "use count, distinct, first or last")
            return None
        scale = fields[column].scale if column and column in fields else 0
        text = "\0".join(
            [feature.from_, column or "", where.canonical if where else "", str(scale), self._playbook.time_zone]
        )
        key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
        return Measure(key, column, where, scale, pl.Int64() if scale else dtype)

    def _order(self) -> list[str]:
        """Return derived values and segments so that each comes after what it reads."""
        level = self._level
        texts = {name: [derived.expr] for name, derived in level.derived.items()}
        texts |= {name: [s.enter, s.exit or s.enter] for name, s in level.segments.items()}
        graph = {
            name: {read for text in both for read in _references(text, self._playbook.let) if read in texts}
            for name, both in texts.items()
        }
        try:
            return list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            names = error.args[1]
            section = "derived" if names[0] in level.derived else "segments"
            told = " reads ".join(f"`{name}`" for name in reversed(names))
            self._fail((LEVEL, section, names[0]), f"{told}: a circle", "let one of them read features only")
            return [*texts]

    def _derived(self, name: str) -> Derived | None:
        book = self._level.derived[name]
        expression = self._compile((LEVEL, "derived", name, "expr"), book.expr, self._scope)
        if expression is None:
            self._scope[name] = ScopeColumn(pl.Float64(), True)
            return None
        if book.bounds and not expression.dtype.is_numeric():
            self._fail(
                (LEVEL, "derived", name, "bounds"), f"`bounds` need a number, and `{name}` is {expression.dtype}"
            )
        derived = Derived(name, expression, book.bounds)
        self._scope[name] = ScopeColumn(derived.dtype, True)
        return derived

    def _segment(self, name: str) -> Segment:
        book, path = self._level.segments[name], (LEVEL, "segments", name)
        enter = self._condition((*path, "enter"), book.enter)
        exit_ = self._condition((*path, "exit"), book.exit) if book.exit else None
        named = self._named_by_offers()
        triggers = {"entered": f"{LEVEL}.{name}", "exited": f"{LEVEL}.{name}.exited"}
        return Segment(
            name=name,
            enter=enter,
            exit=exit_,
            hold=self._grid.at_least(book.hold),
            expire=None if book.expire is None else self._grid.at_least(book.expire),
            triggers=frozenset(event for event, trigger in triggers.items() if trigger in named),
            late_triggers=book.on_late == "trigger",
        )

    def _moment(self, name: str, book: books.Moment) -> Moment:
        when = self._condition((LEVEL, "moments", name, "when"), book.when)
        named = f"{LEVEL}.{name}" in self._named_by_offers()
        return Moment(name, when, book.repeat, book.again_after, named, book.on_late == "trigger")

    def _named_by_offers(self) -> set[str]:
        return {trigger for offer in self._playbook.offers.values() for trigger in offer.for_}

    def _condition(self, path: KeyPath, text: str) -> Expression:
        found = self._compile(path, text, self._scope, pl.Boolean())
        return found or compile_expression("FALSE", {}, {})

    def _compile(self, path: KeyPath, text: str, scope: Scope, wanted: pl.DataType | None = None) -> Expression | None:
        try:
            expression = compile_expression(text, scope, self._playbook.let)
        except ExpressionError as error:
            self._fail(path, error.message, error.hint, text)
            return None
        if wanted is not None and expression.dtype != wanted:
            self._fail(path, f"must be true or false, and is {expression.dtype}", "compare it with something", text)
            return None
        self._expressions[path] = expression
        return expression

    def _with_thresholds(self, feature: Feature) -> Feature:
        """Collect what a seconds_since_last is compared with; refuse any other use of it."""
        if feature.aggregate != "seconds_since_last":
            return feature
        literals: set[float] = set()
        for path, expression in self._expressions.items():
            if path[1] != "features" and feature.name in expression.columns:
                if feature.name not in expression.compared_only:
                    message = f"`{feature.name}` may only be compared with numbers: it changes with time alone"
                    self._fail(path, message, f"write `{feature.name} > 3600`", expression.text)
                literals.update(expression.thresholds.get(feature.name, ()))
        return replace(feature, thresholds=tuple(sorted(literals)))

    def _fail(self, path: KeyPath, message: str, hint: str = "", quoted: str = "") -> None:
        self._errors.append(self._playbook.error(path, f"`{'.'.join(map(str, path))}`: {message}", quoted, hint))


def _references(text: str, lets: Mapping[str, str]) -> set[str]:
    """Return the columns that an expression reads; none if it is no expression, which is told elsewhere."""
    try:
        return {name_of(column) for column in inlined(parse(text), lets, ()).find_all(exp.Column)}
    except (ExpressionError, RecursionError):
        return set()


def _signal(name: str, features: list[Feature]) -> SignalPlan:
    measures = {feature.measure.key: feature.measure for feature in features}
    plan = SignalPlan(
        signal=name,
        columns=(),
        measures=tuple(measures.values()),
        features=tuple(features),
        ordered=any(feature.aggregate in ("first", "last") for feature in features),
    )
    return replace(plan, columns=tuple(sorted(plan.reads - LOCAL.keys() - {"source"})))
