"""In which order conditions are evaluated: each after the segments that it reads."""

from collections.abc import Iterable, Mapping, Sequence, Set

from transforms.context.plan.definitions import Derived, Moment, Segment, Stratum
from transforms.context.plan.expressions import Expression


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
    used = read_by_conditions(derived, segments, moments)
    depths = [depth[one.name] - 1 for one in segments] + [_deepest(depth, [one.when]) for one in moments]
    last = max(depths + [depth[one.name] for one in derived if one.fading], default=-1)
    return tuple(
        Stratum(
            derived=tuple(one for one in derived if one.name in used and depth[one.name] <= n),
            segments=tuple(one for one in segments if depth[one.name] - 1 == n),
            moments=tuple(one for one in moments if _deepest(depth, [one.when]) == n),
        )
        for n in range(last + 1)
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
    values = {one.name: one.expression.columns for one in derived}
    values |= {one.name: read_by_segment(one) for one in segments}
    waiting, used = set(names), set[str]()
    while waiting:
        name = waiting.pop()
        used.add(name)
        waiting |= values.get(name, frozenset()) - used
    return frozenset(used)


def conditions(segment: Segment) -> list[Expression]:
    """Return the conditions of a segment that are written down."""
    return [segment.enter, *([segment.exit] if segment.exit else [])]


def read_by_segment(segment: Segment) -> frozenset[str]:
    """Return the names that decide about a segment: what its conditions read, and the segments that go before it."""
    return frozenset(segment.above).union(*(expression.columns for expression in conditions(segment)))


def _deepest(depth: Mapping[str, int], expressions: Iterable[Expression]) -> int:
    return max((depth.get(column, 0) for expression in expressions for column in expression.columns), default=0)
