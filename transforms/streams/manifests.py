"""Manifests of cuts: which files of a directory are what all stages knew as of one tick."""

import os
import zlib
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import msgspec

MANIFEST = "manifest-{}.json"
BLOBS = "blobs"
"""The folder, beside the manifests, of the files that they name."""

LAYOUT = 1
"""Version of manifests."""


class BlobFile(msgspec.Struct, frozen=True):
    """A file in the folder of blobs.

    Attributes:
        name: Without the folder.
        tick: The cut at which it was written.
        size: Bytes.
        checksum: CRC-32 of its bytes.
    """

    name: str
    tick: int
    size: int
    checksum: int

    def holds(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return len(content) == self.size and zlib.crc32(content) == self.checksum


class Manifest(msgspec.Struct, frozen=True):
    """One cut.

    Attributes:
        tick: Of which it is, milliseconds.
        playbook: Name of the playbook.
        versions: Content hash of each of its versions, in their order.
        shards: Number of shards.
        every: The distance of cuts, milliseconds; 0 for the end of a bounded run.
        states: Layout of the states in the files.
        files: For each stage and key, as `STAGE/KEY`, its newest file.
        layout: Of the manifest.
    """

    tick: int
    playbook: str
    versions: tuple[str, ...]
    shards: int
    every: int
    states: int
    files: Mapping[str, BlobFile]
    layout: int = LAYOUT


def blob_name(stage: str, key: str, tick: int, content: bytes) -> str:
    """Return the name of the file of a blob: other bytes have another one, so that no file is ever written over."""
    whose = blake2b(key.encode(), digest_size=6).hexdigest()
    return f"{stage}-{whose}@{max(tick, 0)}-{zlib.crc32(content):08x}"


def path_of(directory: str, tick: int) -> Path:
    """Return where the manifest of a tick is."""
    return Path(directory) / MANIFEST.format(tick)


def cuts_in(directory: str) -> list[int]:
    """Return the ticks of all manifests in a directory, ascending; none where there is no directory."""
    before, after = MANIFEST.split("{}")
    numbers = (
        path.name.removeprefix(before).removesuffix(after) for path in Path(directory).glob(MANIFEST.format("*"))
    )
    return sorted(int(number) for number in numbers if number.isdecimal())


def read_manifest(directory: str, tick: int) -> Manifest:
    """Return the manifest of a tick.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is torn, or of another layout.
    """
    content = path_of(directory, tick).read_bytes()
    found = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    layout = msgspec.json.decode(found.get("layout", b"0"), type=int)
    if layout != LAYOUT:
        raise ValueError(f"layout {layout}, and this release reads {LAYOUT}")
    return msgspec.json.decode(content, type=Manifest)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, in place of an older one."""
    hidden = path.with_name(f".{path.name}.{uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with hidden.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)


def copy_newest(source: str, target: str, keep: int) -> None:
    """Put the newest cut of a directory into another one as well, its manifest last, and remove what is old there.

    Args:
        source: Of cuts, one at least.
        target: May have older ones.
        keep: How many manifests to keep.

    Raises:
        OSError, ValueError: a file cannot be read, or written.
    """
    tick = cuts_in(source)[-1]
    for file in read_manifest(source, tick).files.values():
        write_whole(Path(target, BLOBS, file.name), Path(source, BLOBS, file.name).read_bytes())
    write_whole(path_of(target, tick), path_of(source, tick).read_bytes())
    remove_old(target, keep)


def remove_old(directory: str, keep: int) -> None:
    """Remove all manifests but the last few, and the files of blobs that are no newer than these and in none of them.

    Where one of these cannot be understood no file of a blob is removed.

    Args:
        directory: That of the cuts.
        keep: How many manifests to keep.

    Raises:
        OSError: a file cannot be read, or removed.
    """
    ticks = cuts_in(directory)
    for tick in ticks[:-keep]:
        path_of(directory, tick).unlink(missing_ok=True)
    kept = ticks[-keep:]
    try:
        named = {file.name for tick in kept for file in read_manifest(directory, tick).files.values()}
    except ValueError:  # one of another release, which may name any of them
        return
    for path in _blobs_until(directory, min(kept, default=-1)):
        if path.name not in named:
            path.unlink(missing_ok=True)


def _blobs_until(directory: str, tick: int) -> Iterator[Path]:
    """Yield the files of blobs, half-written ones too, of cuts no later than a tick."""
    for path in (Path(directory) / BLOBS).iterdir():
        _, _, rest = path.name.partition("@")
        at = rest.partition("-")[0]
        if at.isdecimal() and int(at) <= tick:
            yield path
