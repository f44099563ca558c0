"""What an ONNX file does, read from its bytes before anything runs it: the operators in all of its graphs."""

from collections.abc import Iterator

WITHOUT_END = frozenset({"Loop", "Scan"})
"""Operators that run a part of a model as often as the data say."""

_MODEL, _GRAPH, _FUNCTION, _NODE, _ATTRIBUTE = "model", "graph", "function", "node", "attribute"
_PARTS = {
    (_MODEL, 7): _GRAPH,
    (_MODEL, 25): _FUNCTION,
    (_GRAPH, 1): _NODE,
    (_FUNCTION, 7): _NODE,
    (_NODE, 5): _ATTRIBUTE,
    (_ATTRIBUTE, 6): _GRAPH,
    (_ATTRIBUTE, 11): _GRAPH,
}
"""Message and field number to the message there, as onnx.proto has them; nodes are nowhere else."""
_OPERATOR = (_NODE, 4)
_LENGTHS = {1: 8, 5: 4}


def operators(content: bytes) -> Iterator[str]:
    """Yield the operators of a model, with those of its functions and of graphs within nodes.

    Raises:
        ValueError: it is no protocol buffer that a model can be.
    """
    waiting = [(_MODEL, 0, len(content))]
    while waiting:
        kind, start, end = waiting.pop()
        for number, low, high in _chunks(content, start, end):
            if (kind, number) == _OPERATOR:
                yield content[low:high].decode("utf-8", "replace")
            elif (kind, number) in _PARTS:
                waiting.append((_PARTS[kind, number], low, high))


def _chunks(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of the fields of a message that have a length."""
    at = start
    while at < end:
        key, at = _varint(content, at, end)
        if key & 7 == 2:
            length, at = _varint(content, at, end)
            if at + length > end:
                raise ValueError("a field is cut off")
            yield key >> 3, at, at + length
            at += length
        elif key & 7 == 0:
            _, at = _varint(content, at, end)
        elif key & 7 in _LENGTHS:
            at += _LENGTHS[key & 7]
        else:
            raise ValueError(f"a field of kind {key & 7}")


def _varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        value |= (content[at] & 127) << shift
        at += 1
        if content[at - 1] < 128:
            return value, at
    raise ValueError("a number is cut off")
