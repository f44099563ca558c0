"""Compiles the expressions of one level of a playbook, and collects what is wrong with them."""

from dataclasses import dataclass, field, replace

import polars as pl

from schemas.errors import LoadError
from schemas.playbook import Playbook
from schemas.playbook_levels import Level
from schemas.yaml_source import KeyPath
from transforms.compiler.compile_expression import Expression, ExpressionError, ScopeColumn, compile_expression
from transforms.compiler.sql.dates import days_until
from transforms.compiler.sql.functions import Function
from transforms.context.grid import Grid

Scope = dict[str, ScopeColumn]


@dataclass
class Compiling:
    """One walk over a level.

    Attributes:
        playbook: Where the level stands.
        name: The kind of subject that the level is about.
        level: What the playbook says about it.
        grid: Ticks and panes.
        errors: The mistakes found so far.
        expressions: What was compiled, by its path in the playbook.
        models: The functions that are models, by name in capitals.
    """

    playbook: Playbook
    name: str
    level: Level
    grid: Grid
    errors: list[LoadError] = field(default_factory=list)
    expressions: dict[KeyPath, Expression] = field(default_factory=dict)
    models: dict[str, Function] = field(default_factory=dict)

    def compile(
        self, path: KeyPath, text: str, scope: Scope, wanted: pl.DataType | None = None, refresh: int | None = None
    ) -> Expression | None:
        """Compile a text that stands at `path` in the level; None if it is wrong, which is noted.

        Args:
            path: Where the text stands.
            text: An expression.
            scope: What it may read.
            wanted: The type that it must have, None for any.
            refresh: On what grid it may take `days_until`, milliseconds; None if it may not, nor call models.
        """
        functions = self.models | {"DAYS_UNTIL": days_until(self.playbook.time_zone, refresh)} if refresh else {}
        try:
            expression = compile_expression(text, scope, self.playbook.let, functions)
        except ExpressionError as error:
            self.fail(path, error.message, error.hint, text)
            return None
        if wanted is not None and expression.dtype != wanted:
            self.fail(path, f"must be true or false, and is {expression.dtype}", "compare it with something", text)
            return None
        if expression.days_until and refresh:
            expression = replace(expression, refresh=refresh)
        self.expressions[path] = expression
        return expression

    def condition(self, path: KeyPath, text: str, scope: Scope, refresh: int | None = None) -> Expression:
        """Compile a condition, see `compile`; FALSE if it is wrong, which is noted."""
        return self.compile(path, text, scope, pl.Boolean(), refresh) or compile_expression("FALSE", {}, {})

    def fail(self, path: KeyPath, message: str, hint: str = "", quoted: str = "") -> None:
        """Note a mistake at `path` in the level."""
        self.fail_at((self.name, *path), message, hint, quoted)

    def fail_at(self, path: KeyPath, message: str, hint: str = "", quoted: str = "") -> None:
        """Note a mistake at `path` in the playbook."""
        mistake = f"`{'.'.join(map(str, path))}`: {message}"
        self.errors.append(self.playbook.error(path, mistake, quoted, hint))
