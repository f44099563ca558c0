"""Every small change of a module: found in its syntax tree, said in a way that outlives edits elsewhere, and made."""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tests.mutants.kinds import KINDS, NO_MATTER

ROOT = Path(__file__).parents[2]
Place = tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Change:
    """One change.

    Attributes:
        name: Module, function, what is said there and what instead: the same as long as these are the same.
        module: The module's dotted name.
        kind: Of which kind it is.
        line: Where it is.
        place: The way from the module's node to the changed one.
        which: The number of the replacement, of those of its kind at that place.
    """

    name: str
    module: str
    kind: str
    line: int
    place: Place
    which: int

    def made(self) -> ast.Module:
        """Return the module's tree with the change."""
        tree = deepcopy(_tree(self.module))
        *before, (field, at) = self.place
        parent = _at(tree, tuple(before))
        kind = next(kind for kind in KINDS if kind.__name__ == self.kind)
        other = list(kind(_at(tree, self.place)))[self.which]
        if at is None:
            setattr(parent, field, other)
        else:
            getattr(parent, field)[at] = other
        return ast.fix_missing_locations(tree)

    @property
    def where(self) -> str:
        """The module and the function that it is in."""
        return self.name.partition(": ")[0]

    def rank(self, seed: int) -> bytes:
        """Return what puts changes into an order that is fair and the same each time."""
        return sha256(f"{seed} {self.name}".encode()).digest()


def path_of(module: str) -> Path:
    """Return a module's file."""
    return ROOT / f"{module.replace('.', '/')}.py"


def changes(module: str) -> list[Change]:
    """Return all changes of a module, in its order."""
    seen, found = Counter[str](), list[Change]()
    for place, node, function in _walk(_tree(module)):
        for kind in KINDS:
            for which, other in enumerate(kind(node)):
                said = f"{module} {function}: {_said(module, place, other)}"
                seen[said] += 1
                name = said if seen[said] == 1 else f"{said} (#{seen[said]})"
                line = getattr(_near(module, place), "lineno", 0)
                found.append(Change(name, module, kind.__name__, line, place, which))
    return found


def touching(module: str) -> ast.Module:
    """Return a module's tree in which each function first says that it is called: `_touched("module function")`."""
    tree = deepcopy(_tree(module))
    for _, node, function in _walk(tree):
        if isinstance(node, ast.FunctionDef):
            within = f"{function}.{node.name}".removeprefix("-.")
            node.body.insert(0, ast.parse(f"_touched({f'{module} {within}'!r})").body[0])
    return ast.fix_missing_locations(tree)


@lru_cache(maxsize=1)
def _tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text("utf-8"))


def _walk(tree: ast.Module) -> Iterator[tuple[Place, ast.AST, str]]:
    """Yield every node that is code and no message, its place, and the function that it is in."""
    todo: list[tuple[Place, ast.AST, str]] = [((), tree, "-")]
    while todo:
        place, node, function = todo.pop()
        if place:
            yield place, node, function
        inner = [one for one in _children(node) if not _passed_over(node, one[0][0], one[1])]
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        within = f"{function}.{node.name}".removeprefix("-.") if named else function
        todo += [((*place, step), child, within) for step, child in reversed(inner)]


def _children(node: ast.AST) -> Iterator[tuple[tuple[str, int | None], ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield (field, None), value
        elif isinstance(value, list):
            yield from (((field, n), one) for n, one in enumerate(value) if isinstance(one, ast.AST))


def _passed_over(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Return whether a node is an annotation, a decorator, a message, or says only how something is done."""
    note = field in ("annotation", "returns", "decorator_list", "bases", "type_params")
    doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    how = isinstance(node, ast.keyword) and node.arg in NO_MATTER
    typing = (
        isinstance(parent, ast.Call) and getattr(parent.func, "id", "") in ("isinstance", "cast") and field == "args"
    )
    words = isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert | ast.Import | ast.ImportFrom | ast.ExceptHandler)
    alias = isinstance(parent, ast.Assign) and isinstance(node, ast.Subscript | ast.BinOp) and _is_alias(parent)
    return note or doc or how or typing or words or alias


def _is_alias(node: ast.Assign) -> bool:
    """Return whether a statement names a type."""
    name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
    return name[:1].isupper() and not name.isupper()


def _at(tree: ast.AST, place: Place) -> ast.AST:
    node = tree
    for field, at in place:
        value = getattr(node, field)
        node = value if at is None else value[at]
    return node


def _near(module: str, place: Place) -> ast.AST:
    """Return the nearest node about a place that has a line."""
    nodes = (_at(_tree(module), place[:end]) for end in range(len(place), 0, -1))
    return next((node for node in nodes if hasattr(node, "lineno")), _tree(module))


def _said(module: str, place: Place, other: ast.AST) -> str:
    """Return what a change says, with enough about it to find it."""
    tree = _tree(module)
    end = len(place)
    while end > 1 and len(_text(_at(tree, place[:end]))) < 30 and not isinstance(_at(tree, place[:end]), ast.stmt):
        end -= 1
    before, after = _at(tree, place[:end]), deepcopy(_at(tree, place[:end]))
    if end == len(place):
        after = other
    else:
        *way, (field, at) = place[end:]
        parent = _at(after, tuple(way))
        if at is None:
            setattr(parent, field, other)
        else:
            getattr(parent, field)[at] = other
    return f"{_text(before)} -> {_text(after)}"


def _text(node: ast.AST) -> str:
    head = f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(ast.fix_missing_locations(node))
    return " ".join(head.split())
