"""SQL expressions as trees: parsed, with the names of `let` replaced by what they stand for."""

from collections.abc import Collection, Mapping
from functools import lru_cache

from sqlglot import Dialect, exp, generator, parse_one, parser, tokens
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from transforms.compiler.sql.values import ExpressionError

MAX_NODES = 2_000


class PlaybookSql(Dialect):
    """Plain SQL in which every function but CAST is a name with arguments, for us to judge."""

    class Tokenizer(tokens.Tokenizer):
        """Adds whole division."""

        KEYWORDS = {**tokens.Tokenizer.KEYWORDS, "//": TokenType.DIV}  # noqa: RUF012

    class Parser(parser.Parser):
        """Knows no functions by itself."""

        FUNCTIONS = {}  # noqa: RUF012
        FUNCTION_PARSERS = {name: parser.Parser.FUNCTION_PARSERS[name] for name in ("CAST", "TRY_CAST")}  # noqa: RUF012
        NO_PAREN_FUNCTIONS = {}  # noqa: RUF012
        NO_PAREN_FUNCTION_PARSERS = {"CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]}  # noqa: RUF012

    class Generator(generator.Generator):
        """Writes whole division as it is read."""

        TRANSFORMS = {  # noqa: RUF012
            **generator.Generator.TRANSFORMS,
            exp.IntDiv: lambda self, node: self.binary(node, "//"),
        }


@lru_cache(maxsize=4096)
def parse(text: str) -> exp.Expr:
    """Return the tree of one expression, which nobody may change: it is parsed once a process.

    Raises:
        ExpressionError: it is not an SQL expression, or is too large.
    """
    try:
        tree = parse_one(text, into=exp.Condition, dialect=PlaybookSql)
    except ParseError as error:
        found = next(iter(error.errors), {})
        near = f" near `{found.get('highlight')}`" if found.get("highlight") else ""
        raise ExpressionError(f"is not an SQL expression: {_problem(found)}{near}") from error
    except SqlglotError as error:
        raise ExpressionError("is not an SQL expression: a quote is not closed") from error
    except RecursionError as error:
        raise ExpressionError("is nested too deeply") from error
    _refuse_large(tree)
    return tree


def inlined(tree: exp.Expr, lets: Mapping[str, str], scope: Collection[str]) -> exp.Expr:
    """Return the tree with every `let` name replaced by its expression.

    Raises:
        ExpressionError: a `let` name stands for itself, is a column too, or the whole is too large.
    """
    return _inlined(tree, lets, scope, ())


def name_of(column: exp.Column) -> str:
    """Return a column's name, dots included.

    Raises:
        ExpressionError: it is a star.
    """
    if not all(isinstance(part, exp.Identifier) for part in column.parts):
        raise ExpressionError(f"`{shown(column)}` is not allowed in an expression")
    return ".".join(part.name for part in column.parts)


def shown(node: exp.Expr) -> str:
    """Return a tree as text, for messages."""
    return node.sql(dialect=PlaybookSql, comments=False)


def _inlined(tree: exp.Expr, lets: Mapping[str, str], scope: Collection[str], within: tuple[str, ...]) -> exp.Expr:
    if lets.keys().isdisjoint(map(name_of, tree.find_all(exp.Column))):
        return tree
    tree = tree.copy()
    for column in list(tree.find_all(exp.Column)):
        name = name_of(column)
        if name not in lets:
            continue
        if name in scope:
            raise ExpressionError(f"`{name}` is under `let` and a column too", "give the `let` another name")
        if name in within:
            raise ExpressionError(f"`let` goes in a circle: {' → '.join((*within, name))}")
        try:
            stands_for = parse(lets[name])
        except ExpressionError as error:
            raise ExpressionError(f"no `{name}` to use: under `let` it {error.message}", error.hint) from error
        meaning = exp.Paren(this=_inlined(stands_for, lets, scope, (*within, name)))
        if column is tree:
            return meaning
        column.replace(meaning)
    _refuse_large(tree)
    return tree


def _refuse_large(tree: exp.Expr) -> None:
    if sum(1 for _ in tree.walk()) > MAX_NODES:
        raise ExpressionError(f"has more than {MAX_NODES:,} parts", "name parts of it as derived values")


def _problem(found: Mapping[str, str]) -> str:
    """Return the parser's complaint, for people."""
    description = found.get("description", "nothing is there")
    return "something is missing" if description.startswith("Required keyword") else description.lower()
