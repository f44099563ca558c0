"""What the writer of manifests is told of cuts, and what it knows until they are written."""

import msgspec

from transforms.streams.manifests import BlobFile


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What the manifest is told: that a blob is in a file, or that something is out.

    Attributes:
        tick: Of the blob; or the first that is no earlier than when what is out was made.
        owner: Stage and key; empty where something is out.
        file: Of the blob.
    """

    tick: int
    owner: str = ""
    file: BlobFile | None = None

    @classmethod
    def read(cls, packed: bytes) -> "Told":
        """Return what `packed` made."""
        return msgspec.msgpack.decode(packed, type=cls)

    def packed(self) -> bytes:
        """Return it as bytes that `read` takes."""
        return msgspec.msgpack.encode(self)


class Known(msgspec.Struct, array_like=True):
    """What is known of cuts.

    Attributes:
        files: By owner, those that the next manifests may name, ascending.
        due: Cuts without a manifest.
        written: The last with one.
    """

    files: dict[str, list[BlobFile]] = {}
    due: list[int] = []
    written: int = -1

    @classmethod
    def read(cls, packed: bytes) -> "Known":
        """Return what `packed` made."""
        return msgspec.msgpack.decode(packed, type=cls)

    def packed(self) -> bytes:
        """Return it as bytes that `read` takes."""
        return msgspec.msgpack.encode(self)

    def take(self, told: Told) -> None:
        """Add the file of what is told, if it is new."""
        if told.file is not None and told.file not in self.files.setdefault(told.owner, []):
            self.files[told.owner] = sorted([*self.files[told.owner], told.file], key=lambda file: file.tick)

    def close(self, tick: int) -> dict[str, BlobFile]:
        """Return the newest file of each owner as of a cut; forget the older ones."""
        newest = {}
        for owner, files in self.files.items():
            old = [file for file in files if file.tick <= tick]
            if old:
                newest[owner] = old[-1]
            self.files[owner] = [*old[-1:], *files[len(old) :]]
        self.due, self.written = [cut for cut in self.due if cut > tick], tick
        return newest
