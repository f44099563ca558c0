"""In which order conditions are evaluated: each after the segments that it reads."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from transforms.compiler.compile_expression import Expression
from transforms.compiler.consents import PROFILING
from transforms.compiler.definitions import Derived, Moment, Segment, Stratum


def strata_of(
    order: Sequence[str], derived: Sequence[Derived], segments: Sequence[Segment], moments: Sequence[Moment]
) -> tuple[Stratum, ...]:
    """Group conditions by how many segments must be known before them.

    Args:
        order: Names of derived values and segments, each after what it reads.
        derived: All derived values, in that order.
        segments: All segments, in that order.
        moments: All moments.
    """
    read = {one.name: [one.expression] for one in derived} | {one.name: conditions(one) for one in segments}
    above = {one.name: one.above for one in segments}
    depth: dict[str, int] = {}
    for name in order:
        before = max((depth[other] for other in above.get(name, ())), default=0)
        depth[name] = max(_deepest(depth, read[name]), before) + (name in above)
    depths = [depth[one.name] - 1 for one in segments] + [_deepest(depth, [one.when]) for one in moments]
    last = max(depths + [depth[one.name] for one in derived if one.fading], default=-1)
    at = [_At() for _ in range(last + 1)]
    for segment in segments:
        at[depth[segment.name] - 1].segments.append(segment)
    for moment in moments:
        at[_deepest(depth, [moment.when])].moments.append(moment)
    for one in derived:
        if one.fading:
            at[depth[one.name]].fading.add(one.name)
    values = {one.name: one for one in derived}
    return tuple(_stratum(values, each) for each in at)


@dataclass
class _At:
    """What is at one depth."""

    segments: list[Segment] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    fading: set[str] = field(default_factory=set)


def _stratum(values: Mapping[str, Derived], here: _At) -> Stratum:
    read = set(here.fading).union(*(moment.when.columns for moment in here.moments))
    read = read.union(*(read_by_segment(segment) for segment in here.segments))
    read |= {PROFILING} if any(segment.consent for segment in here.segments) else set()
    reads = _behind(values, read)
    return Stratum(
        derived=tuple(one for name, one in values.items() if name in reads),
        segments=tuple(here.segments),
        moments=tuple(here.moments),
        reads=reads,
    )


def read_by_conditions(
    derived: Sequence[Derived], segments: Sequence[Segment], moments: Sequence[Moment]
) -> frozenset[str]:
    """Return every name that conditions, and values that fade, read directly or through derived values."""
    read = [moment.when for moment in moments] + [each for segment in segments for each in conditions(segment)]
    fading = {one.name for one in derived if one.fading}
    return behind(derived, fading.union(*(expression.columns for expression in read)))


def reading(
    order: Sequence[str], derived: Sequence[Derived], segments: Sequence[Segment], names: Set[str]
) -> frozenset[str]:
    """Return the names, and the derived values and segments whose expressions read one of them, directly or not.

    Args:
        order: Names of derived values and segments, each after what it reads.
        derived: All derived values.
        segments: All segments.
        names: What is read.
    """
    read = {one.name: one.expression.columns for one in derived}
    read |= {one.name: frozenset().union(*(each.columns for each in conditions(one))) for one in segments}
    found = {*names}
    for name in order:
        found |= {name} if read[name] & found else set()
    return frozenset(found)


def behind(derived: Sequence[Derived], names: Iterable[str], segments: Sequence[Segment] = ()) -> frozenset[str]:
    """Return the names, and those that they read through derived values and the given segments."""
    every: list[Derived | Segment] = [*derived, *segments]
    return _behind({one.name: one for one in every}, names)


def _behind(values: Mapping[str, Derived | Segment], names: Iterable[str]) -> frozenset[str]:
    waiting, used = set(names), set[str]()
    while waiting:
        name = waiting.pop()
        used.add(name)
        one = values.get(name)
        waiting |= (_read_by(one) if one else frozenset()) - used
    return frozenset(used)


def conditions(segment: Segment) -> list[Expression]:
    """Return the conditions of a segment that are written down."""
    return [segment.enter, *([segment.exit] if segment.exit else [])]


def read_by_segment(segment: Segment) -> frozenset[str]:
    """Return the names that decide about a segment: what its conditions read, and the segments that go before it."""
    return frozenset(segment.above).union(*(expression.columns for expression in conditions(segment)))


def _read_by(one: Derived | Segment) -> frozenset[str]:
    return read_by_segment(one) if isinstance(one, Segment) else one.expression.columns


def _deepest(depth: Mapping[str, int], expressions: Iterable[Expression]) -> int:
    return max((depth.get(column, 0) for expression in expressions for column in expression.columns), default=0)
