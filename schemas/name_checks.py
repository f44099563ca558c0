"""Names that a playbook gives: none is taken twice, and none means something else in expressions."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from schemas.mistake import Mistake
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, LEVELS
from schemas.yaml_source import KeyPath

_WORDS = """
    all alter and any as between call case create cross describe distinct drop else end except execute explain
    false fetch for from glob grant having if ilike in inner insert intersect into is join lateral like not notnull
    null on optimize or outer partitioned_by prepare qualify regexp rename returning revoke rlike rollback select
    show tablesample then true uncache union using vacuum values when where with xor
"""
RESERVED_WORDS = frozenset(_WORDS.split())
"""Words that SQL reads, at least in places, as something else than a name."""

PREFIXES = ("consent", "models", "profile", "trigger")
"""What names with a dot begin with in expressions."""

_SECTIONS = ("features", "derived", "segments", "moments")


def name_mistakes(playbook: Playbook) -> Iterator[Mistake]:
    """Yield what is wrong with names: those of a level and of `let` stand beside one another in expressions."""
    lets: KeyPath = ("let",)
    levels = [[(kind, section) for section in _SECTIONS] for kind in playbook.levels]
    for path in (lets, *chain(*levels)):
        for name in _at(playbook, path):
            if name in PREFIXES or name in playbook.tables:
                yield Mistake((*path, name), f"`{name}` is what `{name}.COLUMN` begins with", "give it another name")
            if name in RESERVED_WORDS:
                yield Mistake((*path, name), f"`{name}` is a word of SQL and cannot be a name", f"try `{name}_`")
    for sections in levels:
        seen: dict[str, KeyPath] = {}
        for section in (lets, *sections):
            for name in _at(playbook, section):
                if name in seen:
                    told = f"the name `{name}` is taken by `{_dotted(seen[name])}`"
                    yield Mistake((*section, name), told, "give it another name")
                seen.setdefault(name, (*section, name))
    yield from _segments_and_values(playbook)
    yield from _role(playbook)
    yield from _beside(playbook)


def _segments_and_values(playbook: Playbook) -> Iterator[Mistake]:
    """Offers may see several levels under their bare names: a segment of one is no value of another."""
    values = {name: kind for kind, level in playbook.levels.items() for name in (*level.features, *level.derived)}
    for kind, level in playbook.levels.items():
        for name in level.segments:
            if values.get(name, kind) != kind:
                told = f"the name `{name}` is that of a value at `{values[name]}`"
                yield Mistake((kind, "segments", name), told, "give it another name")


def _role(playbook: Playbook) -> Iterator[Mistake]:
    """Groups read `role` of their members: it is what they are there."""
    for section in _SECTIONS[:3] if playbook.levels.keys() & set(GROUPS) else ():
        if "role" in _at(playbook, (LEVELS[0], section)):
            told = "`role` is what groups call the role of a member"
            yield Mistake((LEVELS[0], section, "role"), told, "give it another name")


def _beside(playbook: Playbook) -> Iterator[Mistake]:
    """Names of tables and models are their own."""
    for name in playbook.tables:
        if name in (*PREFIXES, *LEVELS) or name in RESERVED_WORDS:
            yield Mistake(("tables", name), f"`{name}` means something else in expressions", "give it another name")
    for name, model in playbook.models.items():
        if name in RESERVED_WORDS:
            yield Mistake(("models", name), f"`{name}` is a word of SQL and cannot be a name", f"try `{name}_`")
        if twice := next((one for one in model.inputs if model.inputs.count(one) > 1), None):
            yield Mistake(("models", name, "inputs"), f"`{twice}` is there twice", "name each argument once")


def _at(playbook: Playbook, path: KeyPath) -> Iterable[str]:
    """Return the names under a path of sections."""
    found: object = playbook
    for key in path:
        found = getattr(found, str(key))
    return cast(Iterable[str], found)


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
