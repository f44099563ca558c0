"""The numbers that an expression compares its columns with: where a value that drifts with time must be watched."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from sqlglot import exp

from transforms.compiler.sql.parse import name_of
from transforms.compiler.sql.values import Value

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def compared(tree: exp.Expr, of: Callable[[exp.Expr], Value]) -> tuple[Mapping[str, tuple[float, ...]], frozenset[str]]:
    """Return each column's numbers, sorted, and the columns that are not used in any other way.

    Asking whether a column is NULL is no other use.

    Args:
        tree: A checked expression.
        of: Compiles a part of it.
    """
    numbers: dict[str, set[float]] = defaultdict(set)
    elsewhere: set[str] = set()
    for column in tree.find_all(exp.Column):
        beside = _numbers_beside(column, of)
        numbers[name_of(column)].update(beside or ())
        if beside is None:
            elsewhere.add(name_of(column))
    found = {name: tuple(sorted(those)) for name, those in numbers.items() if those}
    return found, frozenset(numbers.keys() - elsewhere)


def days_compared(tree: exp.Expr, of: Callable[[exp.Expr], Value]) -> Mapping[str, tuple[float, ...] | None]:
    """Return the numbers that each column's `DAYS_UNTIL` is compared with, sorted; None if it is used in other ways."""
    found: dict[str, set[float] | None] = {}
    for call in tree.find_all(exp.Anonymous):
        if call.name.upper() == "DAYS_UNTIL":
            numbers, name = _numbers_beside(call, of), name_of(call.expressions[0])
            before = found.get(name, set())
            found[name] = None if numbers is None or before is None else before.union(numbers)
    return {name: None if numbers is None else tuple(sorted(numbers)) for name, numbers in found.items()}


def _numbers_beside(part: exp.Expr, of: Callable[[exp.Expr], Value]) -> list[float] | None:
    """Return the numbers that a column or a call is compared with in one place, None for another use."""
    node = part
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    others = _others(node)
    if others is None or any(other.find(exp.Column) for other in others):
        return None
    known = [of(other).known for other in others]
    numbers = [number for number in known if isinstance(number, int | float) and not isinstance(number, bool)]
    return numbers if len(numbers) == len(known) else None


def _others(node: exp.Expr) -> list[exp.Expr] | None:
    """Return what a node is compared with, nothing where it is asked for NULL, None where it is not compared."""
    parent = node.parent
    if isinstance(parent, _COMPARISONS):
        return [parent.expression if node is parent.this else parent.this]
    if isinstance(parent, exp.Between) and node is parent.this:
        return [parent.args["low"], parent.args["high"]]
    if isinstance(parent, exp.In) and node is parent.this:
        return list(parent.expressions)
    return [] if isinstance(parent, exp.Is) and isinstance(parent.expression, exp.Null) else None
