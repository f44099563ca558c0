"""Which messages of a subscription are open: given out or waiting, and neither acknowledged nor given back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass
class _Open:
    """An open message: its acknowledgement ids, the newest last, and when it was pulled and is lost to others again."""

    acks: list[str]
    since: float
    until: float
    pull: int | None = None


class Leases:
    """Keeps the open messages of one process; times are seconds of any clock."""

    def __init__(self, margin: float, hold: float) -> None:
        """Renew what ends within `margin`, and nothing that is open for longer than `hold`."""
        self._margin, self._hold = margin, hold
        self._open: dict[str, _Open] = {}
        self._of_ack: dict[str, str] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def take(self, message: str, ack: str, now: float) -> bool:
        """Note a message that came; return whether it is not open already: then it came again too early."""
        known = self._open.get(message)
        self._of_ack[ack] = message
        if known is None:
            self._open[message] = _Open([ack], now, now)
        elif ack not in known.acks:
            known.acks.append(ack)
            known.until = now
        return known is None

    def give(self, messages: Iterable[str], pull: int) -> list[str]:
        """Note by which pull messages are given out; return their acknowledgement ids, those that lapsed left out."""
        given = [self._open[message] for message in messages if message in self._open]
        for each in given:
            each.pull = pull
        return [each.acks[-1] for each in given]

    def take_back(self, behind: int) -> list[str]:
        """Forget what was given out behind a pull; return the acknowledgement ids, to give them back."""
        gone = [name for name, each in self._open.items() if each.pull is not None and each.pull > behind]
        return [self._forget(name) for name in gone]

    def done(self, acks: Iterable[str]) -> list[str]:
        """Forget messages; return the newest ids to acknowledge; one of another process is passed on as it is."""
        messages = [(ack, self._of_ack.get(ack)) for ack in acks]
        return [
            ack if name is None else self._forget(name) for ack, name in messages if name is None or name in self._open
        ]

    def due(self, now: float) -> list[str]:
        """Return what must be renewed; what is open for too long is forgotten, and comes again."""
        for name in [name for name, each in self._open.items() if now - each.since > self._hold]:
            self._forget(name)
        return [each.acks[-1] for each in self._open.values() if each.until - now < self._margin]

    def renewed(self, acks: Sequence[str], until: float) -> None:
        """Note that messages stay ours until then."""
        for ack in acks:
            if (name := self._of_ack.get(ack)) is not None:
                self._open[name].until = until

    def _forget(self, name: str) -> str:
        gone = self._open.pop(name)
        for ack in gone.acks:
            self._of_ack.pop(ack, None)
        return gone.acks[-1]
