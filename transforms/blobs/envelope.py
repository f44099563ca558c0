"""The one envelope of everything that a stage keeps: whose it is, in which layout, whole or not."""

import struct
import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

LAYOUT = 4
"""Version of what stages keep. A release reads the one that it writes, and no other."""

_MAGIC = b"S1ST"
_HEAD = struct.Struct("<4sH12sQI")
_REPLAY = "start the stage without state and replay its signals"


class StateError(ValueError):
    """A state that this release cannot read, and what to do."""


def seal(kind: str, content: bytes) -> bytes:
    """Put what is kept into its envelope: magic, layout, kind, length, CRC-32, then the content.

    Args:
        kind: What it is, at most 12 ASCII letters.
        content: Any bytes.
    """
    return _HEAD.pack(_MAGIC, LAYOUT, kind.encode("ascii"), len(content), zlib.crc32(content)) + content


def unseal(kind: str, blob: bytes) -> bytes:
    """Return the content of an envelope.

    Raises:
        StateError: it is foreign, torn, of another layout, or of another kind.
    """
    if not blob.startswith(_MAGIC):
        raise StateError(f"not a state of Segment of One ({len(blob)} bytes that begin otherwise): {_REPLAY}")
    if len(blob) < _HEAD.size:
        raise StateError(f"the state is torn: {len(blob)} bytes, not even its head; {_REPLAY}")
    _, layout, named, length, checksum = _HEAD.unpack_from(blob)
    if layout != LAYOUT:
        what = f"state has layout {layout}, this release reads {LAYOUT}"
        raise StateError(f"{what}: run the release that wrote it, or {_REPLAY}")
    if (found := named.rstrip(b"\0").decode("ascii", "replace")) != kind:
        raise StateError(f"this is a state of kind `{found}`, and `{kind}` is read here: it belongs to another stage")
    content = blob[_HEAD.size :]
    if len(content) != length or zlib.crc32(content) != checksum:
        raise StateError(f"the state is torn: {len(content)} of {length} bytes, or changed ones; {_REPLAY}")
    return content


def pack(kind: str, value: Any) -> bytes:
    """Return a small value as MessagePack in its envelope."""
    return seal(kind, msgspec.msgpack.encode(value))


def unpack(kind: str, blob: bytes, type_: type[T]) -> T:
    """Return what `pack` wrote.

    Raises:
        StateError: as `unseal`; or the content is not of the type.
    """
    content = unseal(kind, blob)
    try:
        return msgspec.msgpack.decode(content, type=type_)
    except msgspec.DecodeError as error:
        raise StateError(f"the state `{kind}` cannot be read: {error}; {_REPLAY}") from error
