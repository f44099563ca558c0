"""A walk over Avro values of any type, which finds where each one ends and trusts none of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transforms.parsing.avro_codecs import Torn
from transforms.parsing.avro_container import varint
from transforms.parsing.raw import Unreadable

Skip = Callable[[bytes, int], int]
"""Returns the offset behind a value that starts at an offset; raises `Torn`."""

_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_NAMED = ("record", "error", "enum", "fixed")


class Types:
    """The types of a schema, by their full names, each defined once."""

    def __init__(self) -> None:
        """Start without any."""
        self._skips: dict[str, Skip] = {}
        self._defined: dict[str, Mapping[str, Any]] = {}

    @staticmethod
    def full_name(schema: Mapping[str, Any], space: str) -> str:
        """Return the full name of a type that is defined in a namespace."""
        return _full(str(schema.get("name", "")), str(schema.get("namespace") or space))

    def meaning(self, schema: Any, space: str) -> Mapping[str, Any]:
        """Return a type as an object that has its attributes: a name stands for what it was given to."""
        if isinstance(schema, str):
            return self._defined.get(_full(schema, space), {"type": schema})
        inner = schema.get("type") if isinstance(schema, dict) else schema
        if isinstance(inner, list) or not isinstance(schema, dict):
            return {"type": inner}
        return self.meaning(inner, space) if isinstance(inner, dict) else schema

    def skip(self, schema: Any, space: str = "") -> Skip:
        """Return what walks over values of a type.

        Args:
            schema: Parsed JSON; names in it are of types that came before, or hold it.
            space: The namespace that it is in.

        Raises:
            Unreadable: not an Avro type.
        """
        if isinstance(schema, list):
            return _union([self.skip(branch, space) for branch in schema])
        if isinstance(schema, str):
            return self._by_name(schema, space)
        kind = schema.get("type") if isinstance(schema, dict) else None
        if kind in _NAMED:
            return self._define(schema, space)
        if kind in ("array", "map"):
            item = self.skip(schema.get("items" if kind == "array" else "values"), space)
            return _many(item if kind == "array" else _record([_bytes, item]))
        if isinstance(kind, str | dict | list):
            return self.skip(kind, space)
        raise Unreadable("the schema has a field without a type")

    def _by_name(self, name: str, space: str) -> Skip:
        if name in _SIZES:
            return _fixed(_SIZES[name])
        if name in ("int", "long"):
            return _long
        if name in ("bytes", "string"):
            return _bytes
        full = _full(name, space)
        if full not in self._skips:
            raise Unreadable(f"the schema has no type `{name[:100]}`")

        def skip(data: bytes, at: int) -> int:
            return self._skips[full](data, at)

        return skip

    def _define(self, schema: Mapping[str, Any], space: str) -> Skip:
        """Return what walks over values of a named type, which may hold values of itself."""
        name = str(schema.get("name", ""))
        full = self.full_name(schema, space)
        self._defined[full] = schema
        kind, size, fields = schema["type"], schema.get("size"), schema.get("fields")
        if kind == "enum":
            self._skips[full] = _long
        elif kind == "fixed" and isinstance(size, int) and size >= 0:
            self._skips[full] = _fixed(size)
        elif isinstance(fields, list) and all(isinstance(field, dict) for field in fields):
            self._skips[full] = _nothing
            inside = full.rpartition(".")[0]
            self._skips[full] = _record([self.skip(field.get("type"), inside) for field in fields])
        else:
            raise Unreadable(f"the schema's type `{name[:100]}` is not whole")
        return self._skips[full]


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _nothing(_: bytes, at: int) -> int:
    return at


def _fixed(size: int) -> Skip:
    def skip(data: bytes, at: int) -> int:
        if size > len(data) - at:
            raise Torn("a value is cut off")
        return at + size

    return skip


def _long(data: bytes, at: int) -> int:
    return varint(data, at)[1]


def _bytes(data: bytes, at: int) -> int:
    size, at = varint(data, at)
    if not 0 <= size <= len(data) - at:
        raise Torn("a text is cut off")
    return at + size


def _record(skips: Sequence[Skip]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        for each in skips:
            at = each(data, at)
        return at

    return skip


def _union(skips: Sequence[Skip]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        branch, at = varint(data, at)
        if not 0 <= branch < len(skips):
            raise Torn("a union has no such branch")
        return skips[branch](data, at)

    return skip


def _many(item: Skip) -> Skip:
    """Return what walks over an array or a map; items of no bytes are as good as none, however many."""

    def skip(data: bytes, at: int) -> int:
        while True:
            count, at = varint(data, at)
            if count == 0:
                return at
            if count < 0:
                at = _bytes(data, at)
                continue
            for _ in range(count):
                behind = item(data, at)
                if behind == at:
                    break
                at = behind

    return skip
