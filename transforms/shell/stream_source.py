"""Reading of what does not end as Beam's `UnboundedSource`: one split, so that one place holds the watermark."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

from apache_beam import coders
from apache_beam.io.unbounded_source import CheckpointMark, UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from transforms.parsing.parser import Parser, Parsing
from transforms.shell.names_in import names_in
from transforms.shell.parted_elements import packed
from transforms.shell.pressure import PRESSURE
from transforms.shell.pseudonym_key import pseudonym_key
from transforms.shell.stream_element import StreamElement, StreamElementCoder
from transforms.shell.stream_mark import Mark, MarkCoder
from transforms.shell.tallied import TalliedCounter, TalliedGauge
from transforms.streams.acks import Acks
from transforms.streams.cuts import Cuts, newest_cut
from transforms.streams.element import Element
from transforms.streams.pull import Puller
from transforms.streams.reading import WAIT, Input, Reading
from transforms.streams.watermark import ENDED

STREAMS = "streams"
"""Namespace of what is told of reading."""

_LOG = logging.getLogger(__name__)
_PROCESS, _NUMBERS = uuid4().hex, count()
_MOST_LIVE = 16
_LOCK = threading.Lock()
_LIVE: "OrderedDict[str, Reading]" = OrderedDict()
_ACKS: dict[str, Acks] = {}


def clock() -> int:
    """Return the time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def acknowledge_last(cuts: str) -> None:
    """Acknowledge what the newest cut of a stream that has ended covers: it came when nobody read any more.

    Args:
        cuts: Its directory. Where readers are in another process nothing is acknowledged, and comes again.
    """
    with _LOCK:
        acks = _ACKS.pop(cuts, None)
    if acks is not None and (newest := newest_cut(cuts, names_in)) is not None:
        acks.acknowledge(newest)


@dataclass(frozen=True, kw_only=True)
class StreamSource(UnboundedSource):
    """Addresses that do not end, read as one.

    Attributes:
        inputs: At least one.
        parsings: Label of an input to what its signals are to become.
        grace: Milliseconds that the watermark stays behind event times.
        tick: That of the playbook, milliseconds.
        cuts: Where cuts are written that acknowledgements wait for; None: they wait for none.
    """

    inputs: Sequence[Input]
    parsings: Mapping[str, Parsing]
    grace: int
    tick: int
    cuts: str | None = None

    def split(self, desired_num_splits: int, options: Any = None) -> list[UnboundedSource]:
        """Return itself alone."""
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> UnboundedReader:
        """Return a reader that goes on from a mark."""
        state = checkpoint_mark.state if isinstance(checkpoint_mark, Mark) else None
        with _LOCK:
            live = _LIVE.pop(state["serial"], None) if state is not None else None
        return StreamReader(self, live or self._reading(state), self._acks())

    def get_checkpoint_mark_coder(self) -> coders.Coder:
        """Return the coder of marks."""
        return MarkCoder()

    def default_output_coder(self) -> coders.Coder:
        """Return the coder of elements."""
        return StreamElementCoder()

    def _reading(self, state: Mapping[str, Any] | None) -> Reading:
        PRESSURE.forget()
        return Reading(
            self.inputs, self._parser, grace=self.grace, tick=self.tick, clock=clock, mark=state, cut=self._newest()
        )

    def _parser(self, one: Input) -> Parser:
        parsing = self.parsings[one.label]
        return Parser(parsing, pseudonym_key(parsing.sources))

    def _newest(self) -> int | None:
        return None if self.cuts is None else newest_cut(self.cuts, names_in)

    def _acks(self) -> Acks:
        """Return what waits for the cuts of this run; it outlives readers."""
        if self.cuts is None:
            return Acks()
        with _LOCK:
            if self.cuts not in _ACKS:
                _ACKS[self.cuts] = Acks(Cuts(self._newest, clock))
            return _ACKS[self.cuts]


class StreamReader(UnboundedReader):
    """Gives what `Reading` reads, an element a pull."""

    def __init__(self, source: StreamSource, reading: Reading, acks: Acks) -> None:
        """Take what reads and where acknowledgements wait."""
        self._reading, self._acks, self._shards = reading, acks, _shards(source)
        self._pullers: dict[str, Puller] = {one.label: one.puller for one in source.inputs}
        self._current: Element | None = None
        self._left_out: frozenset[tuple[str, str]] = frozenset()
        self._serial, self._all_given = "", False

    def start(self) -> bool:
        """Read the first."""
        return self.advance()

    def advance(self) -> bool:
        """Read on; False: nothing is there just now, or stages are late and must get on first.

        What has been read to its end is let go at once: the watermark moves on only at the end of a bundle.
        """
        if self._all_given:
            self._all_given, self._current = False, None
            return False
        if PRESSURE.is_high():
            time.sleep(WAIT)
            self._reading.rest()
            self._current = None
            self._tell()
            return False
        with _LOCK:
            _LIVE.pop(self._serial, None)  # it will no longer be where that mark is
        self._current = self._reading.read()
        self._tell()
        self._all_given = self._current is not None and not self._reading.more
        return self._current is not None

    def get_current(self) -> StreamElement:
        """Return what was read."""
        assert self._current is not None
        return packed(self._current, self._shards)

    def get_current_timestamp(self) -> Timestamp:
        """Return when that is."""
        assert self._current is not None
        return Timestamp(micros=self._current.time * 1_000)

    def get_watermark(self) -> Timestamp:
        """Return the watermark."""
        told = self._reading.watermark.told
        if told is None:
            return MIN_TIMESTAMP
        return MAX_TIMESTAMP if told >= ENDED else Timestamp(micros=told * 1_000)

    def get_checkpoint_mark(self) -> Mark:
        """Return where to go on; this reading is kept for who goes on from there in this process."""
        with _LOCK:
            _LIVE.pop(self._serial, None)  # this goes on from the new mark alone
            self._serial = f"{_PROCESS}-{next(_NUMBERS)}"
            _LIVE[self._serial] = self._reading
            while len(_LIVE) > _MOST_LIVE:
                _LIVE.popitem(last=False)
        taken, acks, pullers = self._reading.taken(), self._acks, self._pullers
        return Mark({**self._reading.mark(), "serial": self._serial}, lambda: acks.finalized(taken, pullers))

    def _tell(self) -> None:
        """Tell how far the watermark is behind, and who holds it no longer."""
        watermark = self._reading.watermark
        if watermark.told is not None and watermark.told < ENDED:
            PRESSURE.told(watermark.told)
            TalliedGauge(STREAMS, "watermark_lag_seconds").set((clock() - watermark.told) // 1_000)
        for label, partition in watermark.left_out - self._left_out:
            TalliedCounter(STREAMS, "left_out").inc()
            name = f"partition {partition} of {label}" if partition else label
            _LOG.warning("%s does not catch up, and the watermark no longer waits for it: its signals are late", name)
        self._left_out = watermark.left_out


def _shards(source: StreamSource) -> int:
    return next(iter(source.parsings.values())).shards
