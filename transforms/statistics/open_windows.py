"""When windows of segments are told: a tick after the last of what was told of them, and again for what comes later."""

import msgspec


class OpenWindows(msgspec.Struct, array_like=True):
    """The windows of one width that are still to be told, or may be again. All times are milliseconds.

    Attributes:
        due: End of a window to when it is told.
        over: Windows that were told for the last time by then are over; -1 before the first was told.
    """

    due: dict[int, int] = {}
    over: int = -1

    @classmethod
    def read(cls, packed: bytes | None) -> "OpenWindows":
        """Return what `packed` made, at first that nothing is known."""
        return cls() if packed is None else msgspec.msgpack.decode(packed, type=cls)

    def packed(self) -> bytes:
        """Return it as bytes that `read` takes."""
        return msgspec.msgpack.encode(self)

    def take(self, end: int, width: int, told: int, tick: int, lateness: int) -> bool:
        """Note parts of the window that ends then; return False if that is over: they are left out.

        Its shards tell of a tick at the same time; so when the watermark is a tick behind that, all parts are there.
        A window is told against the one before it: so the one after this is told with these parts, too.

        Args:
            end: Of the window.
            width: Of the window.
            told: When the parts were told.
            tick: That of the playbook.
            lateness: Its allowed lateness.
        """
        if end + tick + lateness <= self.over:
            return False
        for window in (end, end + width):
            self.due[window] = max(window + tick, told + tick, self.due.get(window, 0))
        return True

    def next(self) -> int | None:
        """Return when the next window is told."""
        return min(self.due.values(), default=None)

    def pop(self, now: int) -> list[int]:
        """Return the ends of the windows that are told by now, ascending, and forget them."""
        ends = sorted(end for end, at in self.due.items() if at <= now)
        for end in ends:
            del self.due[end]
        self.over = max(self.over, now)
        return ends
