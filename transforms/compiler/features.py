"""From the features that a playbook defines to measures, windows and panes."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl
import pyarrow as pa

from schemas import playbook_levels as books
from schemas.contracts import ENVELOPE, Contract
from schemas.near_miss import near_miss
from schemas.playbook_levels import GROUPS, LEVELS, MEMBERS
from schemas.yaml_source import KeyPath
from transforms.arrays.hashing import apart
from transforms.compiler.compile_expression import Expression, ScopeColumn
from transforms.compiler.compiling import Compiling, Scope
from transforms.compiler.context_plan import SignalPlan
from transforms.compiler.definitions import CONSENTS, Deadline, Feature, Measure
from transforms.compiler.steps import Sequence
from transforms.context.features.refreshes import Refreshes
from transforms.context.grid import EVER, Grid

SUBSCRIBER = LEVELS[0]
MEMBER = "member"
"""The column of rows that groups are told: of which member they are, see `people.member_of`."""

MEMBERSHIP = "membership"
PEOPLE = ("member", "subscriber", "joined", "role", "household", "sme", "moved_until")
"""What groups are told of their members."""

RECIPIENT_FACTS = "recipient facts"
"""What groups are told of members whom they may address, as a signal type: no name has a blank."""

FACTS = ("member", "channels", "purpose", "channel", "state", "valid_until")
"""Its columns: what members have and said, see `groups.recipient_facts`."""

_PASSED: Mapping[str, tuple[str, ...]] = {MEMBERSHIP: PEOPLE, RECIPIENT_FACTS: FACTS}

LOCAL = {"local_hour": pl.Int64(), "local_weekday": pl.Int64(), "local_date": pl.String()}
DTYPES: Mapping[pa.DataType, pl.DataType] = {
    pa.string(): pl.String(),
    pa.int64(): pl.Int64(),
    pa.float64(): pl.Float64(),
    pa.bool_(): pl.Boolean(),
}
NEVER_NULL = ("count", "sum", "distinct")
TELLING_APART = ("count", "distinct", "seconds_since_last")
"""Aggregates for which a member's number is as good as its id."""

NUMBERS_ONLY = ("sum", "mean", "min", "max")
_MOST_DAYS, _MOST_SECONDS = 5_000_000, 500_000_000_000
"""More than lies between any two dates of four digits: what is compared with such a number never changes with time."""

ORDERED = ("first", "last", "latest", *CONSENTS)


def compile_features(compiling: Compiling, contracts: Mapping[str, Contract], members: Scope) -> list[Feature]:
    """Return the features of a level that are right, in the order of the playbook.

    Args:
        compiling: The level; mistakes are noted there.
        contracts: Of the playbook's signals.
        members: What a group sees of its members' contexts.
    """
    scopes = {name: signal_scope(contract, compiling.name) for name, contract in contracts.items()}
    scopes[MEMBERS] = members | {"role": ScopeColumn(pl.String(), True)}
    made = []
    for name, book in compiling.level.features.items():
        scales = {f.name: f.scale for f in contracts[book.from_].fields} if book.from_ in contracts else {}
        made.append(_feature(compiling, name, book, scopes[book.from_], scales))
    return [feature for feature in made if feature]


def signal_scope(contract: Contract, level: str) -> Scope:
    """Return what `where` and the aggregates see of a signal; a group also sees of whom it is."""
    scope = {f.name: ScopeColumn(DTYPES[f.type], not f.required) for f in contract.fields if f.name not in ENVELOPE}
    scope |= {name: ScopeColumn(dtype, False) for name, dtype in LOCAL.items()}
    scope["source"] = ScopeColumn(pl.String(), False)
    return scope | ({SUBSCRIBER: ScopeColumn(pl.String(), True)} if level in GROUPS else {})


def scope_column(feature: Feature) -> ScopeColumn:
    """Return what an expression sees of a feature."""
    return ScopeColumn(feature.dtype, feature.aggregate not in NEVER_NULL)


def with_thresholds(compiling: Compiling, feature: Feature) -> Feature:
    """Collect what a seconds_since_last, or the days until a date, is compared with; refuse any other use of it."""
    if feature.aggregate == "latest":
        return replace(feature, deadlines=tuple(sorted(_deadlines(compiling, feature))))
    if feature.aggregate != "seconds_since_last":
        return feature
    literals: set[float] = set()
    for path, expression in compiling.expressions.items():
        if path[0] != "features" and feature.name in expression.columns:
            if feature.name not in expression.compared_only:
                message = f"`{feature.name}` may only be compared with numbers: it changes with time alone"
                compiling.fail(path, message, f"write `{feature.name} > 3600`", expression.text)
            numbers = expression.thresholds.get(feature.name, ())
            literals.update(number for number in numbers if abs(number) < _MOST_SECONDS)
    return replace(feature, thresholds=tuple(sorted(literals)))


def _deadlines(compiling: Compiling, feature: Feature) -> set[Deadline]:
    """Return when the days until the date in a feature come down to, or below, what they are compared with."""
    found = set()
    for path, expression in compiling.expressions.items():
        if feature.name in expression.days_until:
            numbers = expression.days_until[feature.name]
            if numbers is None:
                message = f"`days_until({feature.name})` may only be compared with numbers: it changes with time alone"
                compiling.fail(path, message, f"write `days_until({feature.name}) <= 30`", expression.text)
            near = [number for number in numbers or () if abs(number) < _MOST_DAYS]
            ends = {end for number in near for end in (math.floor(number), math.ceil(number) - 1)}
            refreshes = Refreshes(expression.refresh, compiling.playbook.time_zone)
            found |= {Deadline(days, refreshes) for days in ends}
    return found


def signal_plan(
    level: str,
    name: str,
    features: Iterable[Feature],
    sequences: Iterable[Sequence] = (),
    measures: Iterable[Measure] = (),
) -> SignalPlan:
    """Return what a level takes from one signal type: the measures of its features, and others."""
    mine = [feature for feature in features if feature.signal == name]
    plan = SignalPlan(
        signal=name,
        columns=(),
        measures=tuple({one.key: one for one in (*(feature.measure for feature in mine), *measures)}.values()),
        features=tuple(mine),
        ordered=any(feature.aggregate in ORDERED for feature in mine),
        steps=tuple((sequence.key, step) for sequence in sequences for step in sequence.steps if step.signal == name),
        passed=frozenset(_PASSED[name]) if level in GROUPS and name in _PASSED else None,
        by_member=level in GROUPS,
    )
    return replace(plan, columns=tuple(sorted(plan.reads - LOCAL.keys() - {"source", SUBSCRIBER, MEMBER})))


def measure_of(
    signal: str,
    column: str | None,
    where: Expression | None,
    scale: int,
    dtype: pl.DataType,
    zone: str,
    ever: str = "",
    value: Expression | None = None,
) -> Measure:
    """Return a measure; its key is a hash of all that it means.

    Args:
        signal: The signal type.
        column: Its column, None for the row itself.
        where: Which rows count, None for all.
        scale: Decimals of the column that the state keeps.
        dtype: Type of the column.
        zone: Time zone of the local times that it may read.
        ever: The aggregate of a feature without a window: it has a measure of its own, so that one that a later
            version brings does not see what others had kept for as long as they needed it.
        value: What is measured instead of a column.
    """
    measure = Measure("", column, where, scale, pl.Int64() if scale else dtype, value)
    local = zone if measure.reads & LOCAL.keys() else ""
    text = [signal, column or "", where.canonical if where else "", str(scale), local, ever]
    text += [value.canonical] if value else []
    return replace(measure, key=hashlib.blake2b(apart(*text), digest_size=6).hexdigest())


def _feature(
    compiling: Compiling, name: str, book: books.Feature, scope: Scope, scales: Mapping[str, int]
) -> Feature | None:
    path = ("features", name)
    measure = _measure(compiling, path, book, scope, scales)
    if measure is None:
        return None
    grid, reach = compiling.grid, (book.window or 0) + book.offset
    return Feature(
        name=name,
        signal=book.from_,
        aggregate=book.aggregate,
        measure=measure,
        window=book.window,
        offset=book.offset,
        pane=_pane(compiling.grid, book),
        head_pane=grid.pane(reach) if book.offset > grid.exact_limit else 0,
        consent=compiling.playbook.profiling_needs if book.inferred else "",
    )


def _pane(grid: Grid, book: books.Feature) -> int:
    if book.from_ == MEMBERS:
        return 0
    return EVER if book.window is None else grid.pane(book.window + book.offset)


def _measure(
    compiling: Compiling, path: KeyPath, book: books.Feature, scope: Scope, scales: Mapping[str, int]
) -> Measure | None:
    where = compiling.compile((*path, "where"), book.where, scope, pl.Boolean()) if book.where else None
    if book.where and where is None:
        return None
    column = None if book.column == "any" else book.column
    if column and column not in scope:
        message = f"`{book.from_}` has no column `{column}`"
        compiling.fail((*path, book.aggregate), message, near_miss(column, scope))
        return None
    dtype = scope[column].dtype if column else pl.Boolean()
    if book.aggregate in NUMBERS_ONLY and not dtype.is_numeric():
        message = f"`{book.aggregate}` needs a number, and `{column}` of `{book.from_}` is {dtype}"
        compiling.fail((*path, book.aggregate), message, "use count, distinct, first or last")
        return None
    if column == SUBSCRIBER and book.aggregate in TELLING_APART:
        column, dtype = MEMBER, pl.Int64()
    scale = scales.get(column, 0) if column else 0
    ever = book.aggregate if book.window is None else ""
    return measure_of(book.from_, column, where, scale, dtype, compiling.playbook.time_zone, ever)
