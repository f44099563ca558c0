"""Messages that Beam reads one by one, gathered into blocks: within a bundle, and for a linger beyond it."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.streams.feed import Message, number_of
from transforms.streams.pull import MOST_ROWS

Lane = tuple[str, int]
"""The label of a feed and a number: what is gathered together."""

LaneBytes = tuple[Lane, bytes]

Waited = tuple[str, list[bytes]]
"""The label of a feed and blocks of its messages, each as `pack` made it."""

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_NONE: Mapping[str, str] = {}


def message_of(found: PubsubMessage, stamp: Timestamp) -> Message:
    """Return a message as our own reader gives it.

    Args:
        found: As Beam gives it, with attributes.
        stamp: Of the element, which Beam reads by publish time.
    """
    told = found.publish_time
    published = stamp.micros // 1000 if told is None else (told - _EPOCH) // _MILLISECOND
    return Message(found.data or b"", found.attributes or _NONE, "", number_of(found.message_id or ""), published)


def pack(messages: Iterable[Message]) -> bytes:
    """Return messages as bytes."""
    return msgspec.msgpack.encode([tuple(message) for message in messages])


def unpack(packed: bytes) -> list[Message]:
    """Return the messages that `pack` took."""
    return [Message(*fields) for fields in msgspec.msgpack.decode(packed)]


class Gather(beam.DoFn):
    """Gathers the messages of one feed in a bundle, in the global window; blocks go to the lanes in turn."""

    def __init__(self, label: str, lanes: int) -> None:
        """Take the label of the feed and the number of its lanes."""
        self._label, self._lanes = label, lanes

    def setup(self) -> None:
        """Begin with the first lane."""
        self._turns = itertools.cycle(range(self._lanes))

    def start_bundle(self) -> None:
        """Begin with nothing."""
        self._messages: list[Message] = []
        self._first: Timestamp | None = None

    def process(
        self, element: PubsubMessage, stamp: Timestamp = beam.DoFn.TimestampParam
    ) -> Iterable[WindowedValue] | None:
        """Keep a message until the bundle ends, or there are as many as a block may have."""
        self._messages.append(message_of(element, stamp))
        self._first = stamp if self._first is None else min(self._first, stamp)
        return self.finish_bundle() if len(self._messages) >= MOST_ROWS else None

    def finish_bundle(self) -> Iterable[WindowedValue]:
        """Return what there is, at the time of the first."""
        if self._first is None:
            return []
        block = (self._label, next(self._turns)), pack(self._messages)
        made = [WindowedValue(block, self._first, (GlobalWindow(),))]
        self.start_bundle()
        return made


class Linger(beam.DoFn):
    """Lets blocks of a lane wait for more, until the watermark passes the end of their slot or they are many.

    The timer holds the watermark: what waits is given no later than a linger behind its time.
    """

    BLOCKS = BagStateSpec("blocks", BytesCoder())
    COUNT = ReadModifyWriteStateSpec("count", VarIntCoder())
    UNTIL = ReadModifyWriteStateSpec("until", VarIntCoder())
    TIMER = TimerSpec("linger", TimeDomain.WATERMARK)

    def __init__(self, lingers: Mapping[str, int]) -> None:
        """Take the linger of each feed, milliseconds."""
        self._lingers = {label: max(linger, 1) for label, linger in lingers.items()}

    def process(
        self,
        element: LaneBytes,
        stamp: Timestamp = beam.DoFn.TimestampParam,
        blocks: Any = beam.DoFn.StateParam(BLOCKS),
        count: Any = beam.DoFn.StateParam(COUNT),
        until: Any = beam.DoFn.StateParam(UNTIL),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Waited]:
        """Keep a block, or give all at once."""
        (label, _), packed = element
        number = (count.read() or 0) + _length(packed)
        if number >= MOST_ROWS:
            yield label, [*blocks.read(), packed]
            _forget(blocks, count, until)
            return
        blocks.add(packed)
        count.write(number)
        slot, known = self._lingers[label], until.read()
        end = (stamp.micros // 1000 // slot + 1) * slot
        if known is None or end < known:
            until.write(end)
            timer.set(Timestamp(micros=1000 * end))

    @on_timer(TIMER)
    def give(
        self,
        lane: Lane = beam.DoFn.KeyParam,
        fired: Timestamp = beam.DoFn.TimestampParam,
        blocks: Any = beam.DoFn.StateParam(BLOCKS),
        count: Any = beam.DoFn.StateParam(COUNT),
        until: Any = beam.DoFn.StateParam(UNTIL),
    ) -> Iterator[Waited]:
        """Give what waits, unless the timer is stale."""
        end = until.read()
        if end is not None and fired.micros >= 1000 * end:
            yield lane[0], [*blocks.read()]
            _forget(blocks, count, until)


def _forget(*cells: Any) -> None:
    for cell in cells:
        cell.clear()


def _length(packed: bytes) -> int:
    return len(msgspec.msgpack.decode(packed, type=list[msgspec.Raw]))
