"""Watches feeds: which sources of a signal type have gone silent, and which are back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.coders import BytesCoder, VarIntCoder
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Ints
from transforms.blobs.envelope import pack, unpack
from transforms.context.grid import Grid, Span
from transforms.context.ingest.source_liveness import Feed, feed_batch, heard, next_turn, watch
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.timers import Backlog, TickTimer

STAGE = "watch_feeds"
KIND = "feed"
_NONE = np.empty(0, np.int64)

Heard = tuple[str, bytes]
"""A feed, and the first ticks after some of its signals, int64."""


def _known(state: bytes | None) -> Feed:
    return Feed() if state is None else unpack(KIND, state, Feed)


class _Hear(beam.DoFn):
    """Finds the feeds of a packed batch of signals."""

    def __init__(self, playbook: Playbook) -> None:
        self._tick, self._timeouts = playbook.tick, {**playbook.feed_timeout}

    def process(self, element: ShardBatch) -> Iterator[Heard]:
        batch = element[1].open()
        signal = batch.schema.metadata[b"signal"].decode()
        for source, ticks in heard(batch, self._tick) if signal in self._timeouts else ():
            yield f"{signal} {source}", ticks.tobytes()


class _Watch(beam.DoFn):
    """Watches one feed a key, and tells every shard."""

    WAITING = BagStateSpec("waiting", BytesCoder())
    FEED = ReadModifyWriteStateSpec("feed", BytesCoder())
    CLOSED = ReadModifyWriteStateSpec("closed", VarIntCoder())
    WAKE = ReadModifyWriteStateSpec("wake", VarIntCoder())
    TIMER = TimerSpec(STAGE, TimeDomain.WATERMARK)

    def __init__(self, feeds: "WatchFeeds") -> None:
        self._grid, self._timeouts = Grid(feeds.playbook.tick), {**feeds.playbook.feed_timeout}
        self._kinds, self._shards = (*feeds.playbook.levels,), feeds.shards
        self._timer = TickTimer(STAGE, feeds.bounded, feeds.backlog)

    def process(
        self,
        element: Heard,
        key: Any = beam.DoFn.KeyParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        waiting.add(element[1])
        first = int(np.frombuffer(element[1], np.int64)[0])
        self._timer.at(max(first, (closed.read() or 0) + self._grid.tick), wake, timer)

    @on_timer(TIMER)
    def advance(
        self,
        key: Any = beam.DoFn.KeyParam,
        fired: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        feed: Any = beam.DoFn.StateParam(FEED),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        tick = self._timer.due(fired, wake)
        if tick is None:
            return
        signal, _, source = key.partition(" ")
        timeout, known = self._timeouts[signal], _known(feed.read())
        ticks: Ints = np.unique(np.concatenate([np.frombuffer(each, np.int64) for each in waiting.read()] or [_NONE]))
        upto = int(ticks[-1]) + timeout if self._timer.bounded else tick
        turns, now = watch(known, ticks[ticks <= upto], Span(self._grid, closed.read(), upto), timeout)
        later = ticks[ticks > upto]
        waiting.clear()
        if len(later):
            waiting.add(later.tobytes())
        feed.write(pack(KIND, now))
        closed.write(upto)
        following = next_turn(now, later, timeout)
        if following is not None and not self._timer.bounded:
            self._timer.at(following, wake, timer)
        yield from self._batches(signal, source, turns)

    def _batches(self, signal: str, source: str, turns: Sequence[tuple[int, bool]]) -> Iterator[Any]:
        for tick, down in turns:
            for kind in self._kinds:
                packed = PackedBatch.of(feed_batch(kind, (tick, signal, source, down)))
                packs = ((shard, packed) for shard in range(self._shards))
                yield from (TaggedOutput("groups", one) for one in packs) if kind in GROUPS else packs


@dataclass(eq=False, kw_only=True)
class WatchFeeds(beam.PTransform):
    """Tell every shard which sources of a signal type are down.

    In: (shard, packed batch of signals) of all subjects, in the global window. Out: (shard, packed batch of a
    `feed_batch`), `signals` for the shards of subscribers and `groups` for those of groups; they wake a little later.
    Late signals count from the tick at which they are known.

    Attributes:
        playbook: Its `feed_timeout` says what is watched.
        bounded: Whether the input ends.
        shards: Number of shards.
        backlog: History that an unbounded run catches up with.
    """

    playbook: Playbook
    bounded: bool
    shards: int
    backlog: Backlog | None = None

    def expand(self, signals: beam.PCollection[ShardBatch]) -> Any:
        """Find the feeds, and watch each."""
        feeds = signals | "Hear" >> beam.ParDo(_Hear(self.playbook)).with_output_types(Heard)
        watcher = beam.ParDo(_Watch(self)).with_output_types(ShardBatch, groups=ShardBatch)
        return feeds | "Watch" >> watcher.with_outputs("groups", main="signals")
