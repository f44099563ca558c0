"""A tiny evaluator of playbook expressions, one row at a time, in SQL's three-valued logic."""

import datetime
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import sqlglot
from sqlglot import exp

Value = None | bool | int | float | str | datetime.date
Look = Callable[[str], Value]
Of = Callable[[exp.Expression], Value]


def evaluate(text: str, row: Mapping[str, Value], lets: Mapping[str, object]) -> Value:
    """Return the value of an expression over one row.

    Args:
        text: An expression as a playbook writes it.
        row: The value of every column in scope, None is NULL; and what it may call, by name.
        lets: The playbook's `let` section: values, or expressions as text.

    Raises:
        KeyError: A name is neither a column nor a `let`.
        NotImplementedError: A kind of expression that the reference does not know.
    """

    def look(name: str) -> Value:
        if name in row:
            return row[name]
        return evaluate(str(lets[name]), row, lets)

    return _finite(_evaluate(_parse(text), look))


def is_true(text: str, row: Mapping[str, Value], lets: Mapping[str, object]) -> bool:
    """Return whether a condition is TRUE; NULL is not."""
    return evaluate(text, row, lets) is True


def names(text: str, lets: Mapping[str, object]) -> set[str]:
    """Return every name that an expression reads, through the `let` section."""
    direct = {".".join(part.name for part in column.parts) for column in _parse(text).find_all(exp.Column)}
    return direct.union(*(names(str(lets[name]), lets) for name in direct if name in lets))


@cache
def _parse(text: str) -> exp.Expression:
    return sqlglot.parse_one(text)


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _divide(a: float, b: float) -> float | None:
    return None if b == 0 else a / b


def _and(values: Iterable[Value]) -> Value:
    values = list(values)
    return False if False in values else None if None in values else True


def _or(values: Iterable[Value]) -> Value:
    values = list(values)
    return True if True in values else None if None in values else False


def _not(value: Value) -> Value:
    return None if value is None else not value


def _strict(operation: Callable[..., Value], *operands: Value) -> Value:
    """Apply an operation that is NULL where an operand is."""
    return None if None in operands else operation(*operands)


def _literal(node: exp.Literal, of: Of) -> Value:
    return str(node.this) if node.is_string else float(node.this) if "." in node.this else int(node.this)


def _between(node: exp.Between, of: Of) -> Value:
    value, low, high = of(node.this), of(node.args["low"]), of(node.args["high"])
    return _and([_strict(operator.ge, value, low), _strict(operator.le, value, high)])


def _case(node: exp.Case, of: Of) -> Value:
    chosen = (branch.args["true"] for branch in node.args["ifs"] if of(branch.this) is True)
    return of(next(chosen, node.args.get("default") or exp.Null()))


def _binary(operation: Callable[..., Value]) -> Callable[[exp.Expression, Of], Value]:
    return lambda node, of: _strict(operation, of(node.left), of(node.right))


_MEANING: dict[type[exp.Expression], Callable[..., Value]] = {
    exp.Null: lambda node, of: None,
    exp.Boolean: lambda node, of: bool(node.this),
    exp.Literal: _literal,
    exp.Paren: lambda node, of: of(node.this),
    exp.Neg: lambda node, of: _strict(operator.neg, of(node.this)),
    exp.Not: lambda node, of: _not(of(node.this)),
    exp.And: lambda node, of: _and([of(node.left), of(node.right)]),
    exp.Or: lambda node, of: _or([of(node.left), of(node.right)]),
    exp.Is: lambda node, of: of(node.this) is of(node.expression),
    exp.In: lambda node, of: _or(_strict(operator.eq, of(node.this), of(one)) for one in node.expressions),
    exp.Between: _between,
    exp.Coalesce: lambda node, of: next((v for v in map(of, [node.this, *node.expressions]) if v is not None), None),
    exp.Case: _case,
    exp.Add: _binary(operator.add),
    exp.Sub: _binary(operator.sub),
    exp.Mul: _binary(operator.mul),
    exp.Div: _binary(_divide),
    exp.Mod: _binary(lambda left, right: left - right * math.floor(left / right) if right else None),
    exp.Pow: _binary(lambda base, exponent: float(base) ** exponent),
    exp.EQ: _binary(operator.eq),
    exp.NEQ: _binary(operator.ne),
    exp.LT: _binary(operator.lt),
    exp.LTE: _binary(operator.le),
    exp.GT: _binary(operator.gt),
    exp.GTE: _binary(operator.ge),
}
"""What each kind of node means, given how to evaluate its children."""


def _evaluate(node: exp.Expression, look: Look) -> Value:
    if isinstance(node, exp.Anonymous):
        return look(node.name)(*(_evaluate(one, look) for one in node.expressions))
    if isinstance(node, exp.Column):
        return look(".".join(part.name for part in node.parts))
    if type(node) not in _MEANING:
        raise NotImplementedError(f"the reference does not know {type(node).__name__} in {node.sql()}")
    return _MEANING[type(node)](node, lambda child: _evaluate(child, look))
