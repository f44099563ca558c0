"""Where an expression of a map gives NULL although the values that it reads are there and it does not ask for NULL."""

from collections.abc import Iterable

from sqlglot import exp

from transforms.compiler.sql.parse import parse, shown
from transforms.parsing.instants import FUNCTIONS

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_ASKING = (exp.TryCast, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)


def unmade(text: str) -> str | None:
    """Return a condition that is true where an expression that gives NULL should not; None if it never should.

    A CAST, a function or an operation fails where it is NULL and its arguments are not. TRY_CAST, NULLIF and questions
    about NULL ask for it; of CASE and IF only the branch that is taken counts.

    Raises:
        ExpressionError: the text is not an SQL expression.
    """
    return _fails(parse(text))


def _fails(node: exp.Expr) -> str | None:
    if isinstance(node, _ASKING) or not node.find(exp.Column):
        return None
    if isinstance(node, exp.Case):
        subject = "" if node.this is None else shown(node.this)
        branches = [(shown(branch.this), branch.args["true"]) for branch in node.args["ifs"]]
        return _chosen(subject, branches, node.args.get("default"))
    if isinstance(node, exp.Anonymous) and node.name.upper() == "IF":
        condition, value, *rest = node.expressions
        return _chosen("", [(shown(condition), value)], rest[0] if rest else None)
    parts = [part for part in node.iter_expressions() if part.find(exp.Column)]
    return _any([*map(_fails, parts), _own(node, parts)])


def _own(node: exp.Expr, parts: Iterable[exp.Expr]) -> str | None:
    """Return where a node fails by itself."""
    function = FUNCTIONS.get(node.name.upper()) if isinstance(node, exp.Anonymous) else None
    if not isinstance(node, (exp.Cast, *_ARITHMETIC)) and not (function and function.partial):
        return None
    return " AND ".join([f"({shown(node)}) IS NULL", *(f"({shown(part)}) IS NOT NULL" for part in parts)])


def _chosen(subject: str, branches: Iterable[tuple[str, exp.Expr]], default: exp.Expr | None) -> str | None:
    """Return where the value fails that is chosen."""
    failing = [(condition, _fails(value)) for condition, value in branches]
    otherwise = None if default is None else _fails(default)
    if otherwise is None and all(fails is None for _, fails in failing):
        return None
    cases = " ".join(f"WHEN {condition} THEN {fails or 'FALSE'}" for condition, fails in failing)
    return f"CASE {subject} {cases} ELSE {otherwise or 'FALSE'} END"


def _any(conditions: Iterable[str | None]) -> str | None:
    return " OR ".join(f"({condition})" for condition in conditions if condition) or None
