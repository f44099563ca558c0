"""The state of a shard of a stream: a blob as of some tick, all that came since, and and what that makes."""

from hashlib import blake2b
from typing import Any

import msgspec

from schemas.durations import DAY
from transforms.shell.packed_batch import PackedBatch

LEAST_LOG = 1024 * 1024
"""Bytes of log under which no new blob is made: some 20,000 rows, which take a moment to replay."""
LOG_SHARE = 4
"""Of the blob, as much log as makes a new one due: a rebuilt shard replays no more."""
OLDEST = DAY
"""How far a log goes back: what a state has forgotten is not kept there for much longer."""


class Cell(msgspec.Struct, array_like=True, frozen=True):
    """What blob and log amount to.

    Attributes:
        closed: The last tick, None before the first.
        since: The tick of the blob, or the first.
        token: Digest of all that came and of the ticks, in their order.
        blob: Bytes of the blob.
        logged: Bytes of the log.
    """

    closed: int | None = None
    since: int | None = None
    token: bytes = b""
    blob: int = 0
    logged: int = 0

    @classmethod
    def read(cls, cell: Any) -> "Cell":
        """Return what a state cell holds."""
        packed = cell.read()
        return cls() if packed is None else msgspec.msgpack.decode(packed, type=cls)

    def write(self, cell: Any) -> None:
        """Put it into a state cell."""
        cell.write(msgspec.msgpack.encode(self))

    def after(self, packed: PackedBatch) -> "Cell":
        """Return the cell after a packed batch came."""
        token, logged = _digest(self.token, packed.content), self.logged + len(packed.content)
        return msgspec.structs.replace(self, token=token, logged=logged)

    def seeded(self, closed: int, blob: bytes) -> "Cell":
        """Return the cell that starts from a blob of a tick; what came before is in the log."""
        token = _digest(self.token, blob)
        return msgspec.structs.replace(self, closed=closed, since=closed, token=token, blob=len(blob))

    def at(self, tick: int) -> "Cell":
        """Return the cell after a tick."""
        since = tick if self.since is None else self.since
        return msgspec.structs.replace(self, closed=tick, since=since, token=_digest(self.token, b"%d" % tick))

    def folded(self, blob: int, left: list[PackedBatch]) -> "Cell":
        """Return the cell after a new blob, which all that came is part of but for what is left."""
        logged = sum(len(packed.content) for packed in left)
        return msgspec.structs.replace(self, since=self.closed, blob=blob, logged=logged)

    @property
    def full(self) -> bool:
        """Whether a new blob is due."""
        old = self.closed is not None and self.since is not None and self.closed - self.since >= OLDEST
        return old or self.logged > max(LEAST_LOG, LOG_SHARE * self.blob)


def _digest(token: bytes, content: bytes) -> bytes:
    return blake2b(content, key=token, digest_size=16).digest()
