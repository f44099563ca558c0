"""Erasures that were done, beside the cuts: whoever starts from an older cut does them again."""

import zlib
from collections.abc import Iterable

import msgspec

from transforms.streams.whole_files import LOCAL, WholeFiles

FOLDER = "erased"
"""The folder, beside the manifests, of files that are never written over, and never removed."""


class Done(msgspec.Struct, frozen=True, order=True):
    """One erasure.

    Attributes:
        tick: At which it acted, milliseconds.
        subject_kind: Of whom.
        token: The subject's salted hash.
        source: Of the erasure, as its id.
        id: By which a copy of it is known.
    """

    tick: int
    subject_kind: str
    token: str
    source: str
    id: str


def write_done(directory: str, done: Iterable[Done], files: WholeFiles = LOCAL) -> None:
    """Write erasures to a file of their own; the same ones have the same file.

    Raises:
        OSError: it cannot be written.
    """
    every = sorted({*done})
    if every:
        content = msgspec.json.format(msgspec.json.encode(every), indent=1)
        name = f"{every[0].tick}-{zlib.crc32(content):08x}.json"
        files.write(f"{directory.rstrip('/')}/{FOLDER}/{name}", content)


def done_after(directory: str, tick: int, files: WholeFiles = LOCAL) -> tuple[Done, ...]:
    """Return the erasures beside some cuts that acted after a tick, in their order.

    Raises:
        OSError: a file cannot be read.
        ValueError: one is torn, or something else.
    """
    folder, found = f"{directory.rstrip('/')}/{FOLDER}", set[Done]()
    for name in files.names(folder):
        if not name.startswith("."):
            found |= {*msgspec.json.decode(files.read(f"{folder}/{name}"), type=list[Done])}
    return tuple(sorted(one for one in found if one.tick > tick))
