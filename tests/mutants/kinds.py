"""The kinds of change: what else a piece of code might say, mostly of the same type, so that it would still run."""

import ast
from collections.abc import Callable, Iterator, Mapping

Kind = Callable[[ast.AST], Iterator[ast.AST]]

BOUNDARIES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
OPPOSITES = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn}
DIRECTIONS = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
TWINS = (
    ("min", "max"), ("any", "all"), ("first", "last"), ("head", "tail"), ("arg_min", "arg_max"),
    ("any_horizontal", "all_horizontal"), ("min_horizontal", "max_horizontal"), ("cum_min", "cum_max"),
    ("forward_fill", "backward_fill"), ("is_null", "is_not_null"), ("is_first_distinct", "is_last_distinct"),
    ("floor", "ceil"), ("minimum", "maximum"),
)  # fmt: skip
WORDS = (("semi", "anti"), ("first", "last"), ("forward", "backward"), ("left", "right"))
TWIN = {one: other for pair in TWINS for one, other in (pair, pair[::-1])}
WORD = {one: other for pair in WORDS for one, other in (pair, pair[::-1])}
ABOUT_WORDS = {"side", "closed", "keep", "strategy", "how"}
KEYED = {"sort", "sort_by", "sorted", "over", "unique", "group_by", "partition_by", "join", "join_asof", "lexsort",
         "drop_nulls", "concat", "struct", "min_horizontal", "max_horizontal"}  # fmt: skip
FIXED = {"join", "join_asof", "concat", "sorted", "lexsort"}
"""Functions whose arguments have their place: only a list among them can have one part less."""
STEPS = {"filter", "sort", "sort_by", "unique", "fill_null", "drop_nulls", "clip", "abs", "reverse", "shift", "over",
         "set_sorted", "forward_fill", "dropna", "fill_nan"}  # fmt: skip
OPTIONS = {"nulls_last", "descending", "closed", "offset", "keep", "side", "default", "reverse", "key", "fill_value",
           "tolerance", "subset", "by", "start", "strict"}  # fmt: skip
NO_MATTER = {"maintain_order", "check_sortedness", "strict", "validate", "coalesce", "copy", "frozen", "kw_only"}
"""Arguments that say how something is done or checked, not what comes of it."""


def boundary(node: ast.AST) -> Iterator[ast.AST]:
    yield from _compared(node, BOUNDARIES)


def opposite(node: ast.AST) -> Iterator[ast.AST]:
    yield from _compared(node, OPPOSITES)


def direction(node: ast.AST) -> Iterator[ast.AST]:
    yield from _compared(node, DIRECTIONS)


def _compared(node: ast.AST, others: Mapping[type, type]) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            if type(op) in others:
                yield ast.Compare(node.left, [*node.ops[:n], others[type(op)](), *node.ops[n + 1 :]], node.comparators)


def sign(node: ast.AST) -> Iterator[ast.AST]:
    """A plus for a minus, except between texts and lists."""
    others = {ast.Add: ast.Sub, ast.Sub: ast.Add}
    if isinstance(node, ast.BinOp) and type(node.op) in others and not any(map(_no_number, (node.left, node.right))):
        yield ast.BinOp(node.left, others[type(node.op)](), node.right)


def _no_number(node: ast.AST) -> bool:
    text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return text or isinstance(node, ast.List | ast.Tuple | ast.ListComp | ast.JoinedStr | ast.Set)


def logic(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    others = {ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
    if isinstance(node, ast.BinOp) and type(node.op) in others:
        yield ast.BinOp(node.left, others[type(node.op)](), node.right)


def part(node: ast.AST) -> Iterator[ast.AST]:
    """One side of a condition only."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        yield from (node.left, node.right)
    if isinstance(node, ast.BoolOp):
        yield from (node.values[0], node.values[-1])


def negation(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.UnaryOp):
        yield node.operand


def number(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield ast.Constant(node.value + 1)


def truth(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)


def twin(node: ast.AST) -> Iterator[ast.AST]:
    """The other of two functions that take and give alike, such as min and max."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in TWIN:
            func = ast.Attribute(node.func.value, TWIN[node.func.attr], ast.Load())
            yield ast.Call(func, node.args, node.keywords)
        if isinstance(node.func, ast.Name) and node.func.id in TWIN:
            yield ast.Call(ast.Name(TWIN[node.func.id], ast.Load()), node.args, node.keywords)


def word(node: ast.AST) -> Iterator[ast.AST]:
    """The other of two words of an option, such as left and right."""
    if isinstance(node, ast.keyword) and node.arg in ABOUT_WORDS:
        said = node.value.value if isinstance(node.value, ast.Constant) else None
        yield from (ast.keyword(node.arg, ast.Constant(WORD[one])) for one in (said,) if one in WORD)


def key(node: ast.AST) -> Iterator[ast.AST]:
    """One part less of a key or an order."""
    if isinstance(node, ast.Call) and _name(node.func) in KEYED:
        for n in range(len(node.args)) if len(node.args) > 1 and _name(node.func) not in FIXED else ():
            yield ast.Call(node.func, node.args[:n] + node.args[n + 1 :], node.keywords)
        for n, one in enumerate(node.args):
            for fewer in _fewer(one):
                yield ast.Call(node.func, [*node.args[:n], fewer, *node.args[n + 1 :]], node.keywords)
    if isinstance(node, ast.keyword) and node.arg in ("on", "by", "subset", "left_on"):
        yield from (ast.keyword(node.arg, fewer) for fewer in _fewer(node.value))
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
        yield from (ast.Assign(node.targets, fewer, lineno=node.lineno) for fewer in _fewer(node.value))


def _fewer(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.List | ast.Tuple) and len(node.elts) > 1:
        for n in range(len(node.elts)):
            yield type(node)([*node.elts[:n], *node.elts[n + 1 :]], ast.Load())


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def step(node: ast.AST) -> Iterator[ast.AST]:
    """One step less of a chain."""
    module = isinstance(node, ast.Call) and _name(getattr(node.func, "value", node)) in ("np", "pl", "pc")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STEPS and not module:
        yield node.func.value
    if isinstance(node, ast.Call) and _name(node.func) in ("sorted", "reversed") and isinstance(node.func, ast.Name):
        yield ast.Call(ast.Name("list", ast.Load()), node.args, [])


def option(node: ast.AST) -> Iterator[ast.AST]:
    """One option less."""
    if isinstance(node, ast.Call):
        for n, one in enumerate(node.keywords):
            if one.arg in OPTIONS - NO_MATTER:
                yield ast.Call(node.func, node.args, node.keywords[:n] + node.keywords[n + 1 :])


def choice(node: ast.AST) -> Iterator[ast.AST]:
    """Always the one of two."""
    if isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)


def branch(node: ast.AST) -> Iterator[ast.AST]:
    """A branch that is taken where the other one was: of those that only save time, one is seldom right everywhere."""
    if isinstance(node, ast.If) and not isinstance(node.body[0], ast.Raise):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)


def statement(node: ast.AST) -> Iterator[ast.AST]:
    """A line that is not there."""
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.YieldFrom | ast.Yield)
    if called or isinstance(node, ast.AugAssign):
        yield ast.Expr(ast.Constant(None))


def condition(node: ast.AST) -> Iterator[ast.AST]:
    """A comprehension that takes all."""
    if isinstance(node, ast.comprehension):
        for n in range(len(node.ifs)):
            yield ast.comprehension(node.target, node.iter, node.ifs[:n] + node.ifs[n + 1 :], node.is_async)


KINDS: tuple[Kind, ...] = (
    boundary, opposite, direction, sign, logic, part, negation, number, truth, twin, word, key, step, option, choice,
    branch, statement, condition,
)  # fmt: skip
