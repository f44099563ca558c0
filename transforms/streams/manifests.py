"""Manifests of cuts: which files of a directory are what all stages knew as of one tick."""

import zlib
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from transforms.streams.whole_files import LOCAL, WholeFiles

MANIFEST = "manifest-{}.json"
BLOBS = "blobs"
"""The folder, beside the manifests, of the files that they name."""

LAYOUT = 2
"""Version of manifests that is written."""

LAYOUTS = (1, 2)
"""Those that are read, and may be written for whoever goes back to the release before."""

_SINCE_2 = ("grid", "levels", "feed_timeout", "key", "release")


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
        layout: Of the manifest; 1 has nothing of what follows.
        grid: The distance of ticks, milliseconds.
        levels: The kinds of subjects of the playbook.
        feed_timeout: That of the playbook.
        key: Fingerprint of the key of pseudonyms; empty where none was set.
        release: Of Segment of One, that wrote it.
    """

    tick: int
    playbook: str
    versions: tuple[str, ...]
    shards: int
    every: int
    states: int
    files: Mapping[str, BlobFile]
    layout: int = LAYOUT
    grid: int = 0
    levels: tuple[str, ...] = ()
    feed_timeout: Mapping[str, int] = {}
    key: str = ""
    release: str = ""

    def encoded(self) -> bytes:
        """Return the content of its file, in its layout."""
        made = msgspec.to_builtins(self)
        fields = {name: value for name, value in made.items() if self.layout >= 2 or name not in _SINCE_2}
        return msgspec.json.format(msgspec.json.encode(fields), indent=1)


def blob_name(stage: str, key: str, tick: int, content: bytes) -> str:
    """Return the name of the file of a blob: other bytes have another one, so that no file is ever written over."""
    whose = blake2b(key.encode(), digest_size=6).hexdigest()
    return f"{stage}-{whose}@{max(tick, 0)}-{zlib.crc32(content):08x}"


def manifest_path(directory: str, tick: int) -> str:
    """Return where the manifest of a tick is."""
    return f"{directory.rstrip('/')}/{MANIFEST.format(tick)}"


def blob_path(directory: str, name: str) -> str:
    """Return where the file of a blob is."""
    return f"{directory.rstrip('/')}/{BLOBS}/{name}"


def path_of(directory: str, tick: int) -> Path:
    """Return where the manifest of a tick is in a folder of this machine."""
    return Path(manifest_path(directory, tick))


def cuts_in(directory: str, files: WholeFiles = LOCAL) -> list[int]:
    """Return the ticks of all manifests in a directory, ascending; none where there is no directory."""
    before, after = MANIFEST.split("{}")
    names = [name for name in files.names(directory) if name.startswith(before) and name.endswith(after)]
    numbers = [name.removeprefix(before).removesuffix(after) for name in names]
    return sorted(int(number) for number in numbers if number.isdecimal())


def read_manifest(directory: str, tick: int, files: WholeFiles = LOCAL) -> Manifest:
    """Return the manifest of a tick.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is torn, or of a layout that this release does not read.
    """
    content = files.read(manifest_path(directory, tick))
    found = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    layout = msgspec.json.decode(found.get("layout", b"0"), type=int)
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout}, and this release reads {' and '.join(map(str, LAYOUTS))}")
    return msgspec.json.decode(content, type=Manifest)


def remove_old(directory: str, keep: int, files: WholeFiles = LOCAL) -> None:
    """Remove all manifests but the last few, and the files of blobs that are no newer than these and in none of them.

    Where one of these cannot be understood no file of a blob is removed.

    Args:
        directory: That of the cuts.
        keep: How many manifests to keep.
        files: What it is in.

    Raises:
        OSError: a file cannot be read, or removed.
    """
    ticks = cuts_in(directory, files)
    kept = ticks[-keep:]
    files.remove([manifest_path(directory, tick) for tick in ticks[:-keep]])
    try:
        named = {file.name for tick in kept for file in read_manifest(directory, tick, files).files.values()}
    except ValueError:  # one of another release, which may name any of them
        return
    old = _blobs_until(directory, min(kept, default=-1), files)
    files.remove([blob_path(directory, name) for name in old if name not in named])


def _blobs_until(directory: str, tick: int, files: WholeFiles) -> Iterator[str]:
    """Yield the files of blobs, half-written ones too, of cuts no later than a tick."""
    for name in files.names(f"{directory.rstrip('/')}/{BLOBS}"):
        _, _, rest = name.partition("@")
        at = rest.partition("-")[0]
        if at.isdecimal() and int(at) <= tick:
            yield name
