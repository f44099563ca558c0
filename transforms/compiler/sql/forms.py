"""The forms of expressions that look like functions but choose among their arguments, NULL included."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
from sqlglot import exp

from transforms.compiler.sql.comparisons import equal
from transforms.compiler.sql.operands import Of, common_type, need, truth
from transforms.compiler.sql.operators import alternatives
from transforms.compiler.sql.parse import shown
from transforms.compiler.sql.values import (
    NULL,
    NUMBERS,
    TEXT,
    ExpressionError,
    Value,
    cast,
    constant,
    finite,
)


@dataclass(frozen=True)
class Form:
    """A form: how many arguments, what it means, and that in words."""

    least: int
    most: int
    meaning: Callable[[exp.Anonymous, Of], Value]
    doc: str

    def __call__(self, node: exp.Anonymous, of: Of) -> Value:
        """Compile it.

        Raises:
            ExpressionError: too few or too many arguments, or of types that do not go together.
        """
        if not self.least <= len(node.expressions) <= self.most:
            raise ExpressionError(f"`{shown(node)}` has {len(node.expressions)} arguments", self.doc)
        return self.meaning(node, of)


def _if(node: exp.Anonymous, of: Of) -> Value:
    condition, value, *rest = node.expressions
    return alternatives(node, [(truth(condition, of), of(value))], of(rest[0]) if rest else constant(None))


def _coalesce(node: exp.Anonymous, of: Of) -> Value:
    values = [finite(of(argument)) for argument in node.expressions]
    dtype = common_type(values, node)
    chosen = pl.coalesce(*(cast(value, dtype).expr for value in values))
    return Value(chosen, dtype, all(value.nullable for value in values))


def _nullif(node: exp.Anonymous, of: Of) -> Value:
    value, other = map(of, node.expressions)
    kept = finite(value)
    return Value(pl.when(equal(node, value, other).fill_null(False).not_()).then(kept.expr), value.dtype, nullable=True)


def _extreme(pick: Callable[..., pl.Expr]) -> Callable[[exp.Anonymous, Of], Value]:
    def meaning(node: exp.Anonymous, of: Of) -> Value:
        values = [finite(need(part, of(part), NUMBERS, "a number")) for part in node.expressions]
        _refuse_nullable(node, values, "use `bounds`, or COALESCE each of them")
        exprs = [cast(value, common_type(values, node)).expr for value in values]
        known = pl.all_horizontal(expr.is_not_null() for expr in exprs)  # overflow is NULL whatever the type says
        return Value(pl.when(known).then(pick(exprs)), common_type(values, node), nullable=False)

    return meaning


def _concat(node: exp.Anonymous, of: Of) -> Value:
    values = [need(part, of(part), (TEXT,), "text") for part in node.expressions]
    _refuse_nullable(node, values, "use `||`, or COALESCE each of them")
    return Value(pl.concat_str([value.expr for value in values]), TEXT, nullable=False)


def _refuse_nullable(node: exp.Anonymous, values: list[Value], hint: str) -> None:
    for part, value in zip(node.expressions, values, strict=True):
        if value.nullable or value.dtype == NULL:
            raise ExpressionError(f"`{node.name}` would skip `{shown(part)}` where it is NULL", hint)


FORMS: Final[Mapping[str, Form]] = {
    "IF": Form(2, 3, _if, "IF(condition, a, b): a where the condition is true, else b or NULL."),
    "COALESCE": Form(1, 50, _coalesce, "COALESCE(a, b, …): the first that is not NULL."),
    "NULLIF": Form(2, 2, _nullif, "NULLIF(a, b): NULL where they are equal, else a."),
    "LEAST": Form(1, 50, _extreme(pl.min_horizontal), "LEAST(a, b, …): the least; none of them may be nullable."),
    "GREATEST": Form(1, 50, _extreme(pl.max_horizontal), "GREATEST(a, b, …): the greatest; none may be nullable."),
    "CONCAT": Form(1, 50, _concat, "CONCAT(a, b, …): joined; none may be nullable (`||` gives NULL then)."),
}
