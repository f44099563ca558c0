"""Cuts: all that stateful stages know as of one tick, given as blobs, and taken up by a run that goes on from there.

A blob of a cut at tick E has what acted up to E, and of an unbounded run no row that acts later: the reader gives these
again, and stages make again what they made at later ticks. Blobs of all stages are as of the same E, since nothing acts
at a tick that may be closed in the stages behind: who slept acts at the tick that is open when what wakes it comes.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from transforms.blobs.envelope import pack, unpack
from transforms.shell.pressure import PRESSURE
from transforms.shell.timers import Cuts, TickTimer

BLOBS = "blobs"
"""The tag of the output of blobs."""

KIND = "cut"

AT_THE_END = -1
"""The tick of a blob of a bounded run whose stage is not told when that ends."""

Blob = tuple[str, str, int, bytes]
"""The name of a stage, a key as text, the tick of the cut, and a packed `Kept`."""


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """What a stage keeps of a key.

    Attributes:
        key: Whose it is, as text.
        closed: The last tick, None where the state says it, or before the first.
        wake: The next tick at which something is due, None for none.
        state: As the stage writes it, None at first.
        waiting: What has not acted; nothing in an unbounded run.
    """

    key: str
    closed: int | None
    wake: int | None
    state: bytes | None
    waiting: list[bytes] = []

    @classmethod
    def read(cls, packed: bytes) -> "Kept":
        """Return what `packed` made.

        Raises:
            StateError: torn, foreign, or of another layout.
        """
        return unpack(KIND, packed, cls)

    def packed(self) -> bytes:
        """Return it as bytes that `read` takes."""
        return pack(KIND, self)

    def blob(self, stage: str, tick: int) -> TaggedOutput:
        """Return it as what a stage gives at the cut of a tick."""
        return TaggedOutput(BLOBS, (stage, self.key, tick, self.packed()))


class Ring(NamedTuple):
    """Why a timer rings: at which tick, and whether something acts there; if not, it is only cut."""

    tick: int
    acts: bool


@dataclass(frozen=True)
class Alarm:
    """The timer of a key with the cells that say what it is set for; one timer, so that it keeps the order of ticks.

    Attributes:
        rule: When it rings.
        wake: Cell of the next tick at which something acts.
        cut: Cell of the next cut, of a key that changed since its last blob; not used where there are no cuts.
        timer: Beam's.
    """

    rule: TickTimer
    wake: Any
    cut: Any
    timer: Any

    def at(self, tick: int, stamp: Timestamp | None = None) -> None:
        """Let something act at a tick, or at the first that is open for an element with a stamp."""
        if self._cuts is not None and stamp is not None:
            tick = max(tick, self._cuts.open_at(self.rule.stage, stamp))
        self.rule.at(tick, self.wake, self.timer)
        self._keep_cut()

    def rings(self, fired: Timestamp) -> Ring | None:
        """Return what the timer rings for, and forget it; None for a stale or spurious firing."""
        ring = self._rings(fired)
        if ring is not None and not self.rule.bounded:
            PRESSURE.acts(self.rule.stage, ring.tick + self.rule.lag)
        return ring

    def _rings(self, fired: Timestamp) -> Ring | None:
        cut = None if self._cuts is None else self.cut.read()
        wake = None if cut is None else self.wake.read()
        if cut is None or (wake is not None and wake <= cut):
            tick = self.rule.due(fired, self.wake)
            return None if tick is None else Ring(tick, acts=True)
        if fired < self.rule.time_of(cut):
            return None
        self._forget_cut(wake)
        return Ring(cut, acts=False)

    def is_cut(self, tick: int) -> bool:
        """Tell, after something acted at a tick, whether that is cut; if not, see that the next cut is."""
        if self.rule.cuts is None or self.rule.bounded:
            return self.rule.cuts is not None
        cut = self.rule.cuts.at(tick, self.rule.backlog)
        if cut == tick:
            self._forget_cut(self.wake.read())
            return True
        if self.cut.read() is None:
            self.cut.write(cut)
        self._keep_cut()
        return False

    def start(self, tick: int, wake: int | None, open_from: int = 0) -> None:
        """Set it for a key that starts from a cut at a tick.

        Args:
            tick: Of the cut.
            wake: The next tick at which something is due, None for none.
            open_from: The first tick at which what came before the seed can act.
        """
        before = self.wake.read()
        ticks = [at for at in (wake, None if before is None else max(before, open_from)) if at is not None]
        self.wake.clear()
        if self._cuts is not None:
            self.cut.write(self._cuts.at(tick + self._cuts.tick, self.rule.backlog))
        if ticks or self.rule.bounded:
            self.rule.at(min(ticks, default=tick), self.wake, self.timer)
        self._keep_cut()

    @property
    def _cuts(self) -> Cuts | None:
        return None if self.rule.bounded else self.rule.cuts

    def _forget_cut(self, wake: int | None) -> None:
        """Forget the cut, for which the timer may be set."""
        self.cut.clear()
        if wake is not None:
            self.timer.set(self.rule.time_of(wake))

    def _keep_cut(self) -> None:
        """See that the timer is not set for later than the next cut."""
        cut = None if self._cuts is None else self.cut.read()
        wake = None if cut is None else self.wake.read()
        if cut is not None and (wake is None or cut < wake):
            self.timer.set(self.rule.time_of(cut))
