"""Watches feeds: which sources of a signal type have gone silent, and which are back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
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
from transforms.shell.cuts import AT_THE_END, BLOBS, Alarm, Blob, Kept
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.timers import Backlog, Cuts, TickTimer

STAGE = "watch_feeds"
KIND = "feed"
_NONE = np.empty(0, np.int64)

Heard = tuple[str, bytes]
"""A feed, and the first ticks after some of its signals, int64; or what a seed holds, whose third number is below 0."""


def _seed_of(content: bytes) -> PackedBatch | None:
    """Return the seed that was heard, None where it is ticks."""
    found = PackedBatch(content)
    return found if len(content) >= 3 * _NONE.itemsize and found.kept is not None else None


def _known(state: bytes | None) -> Feed:
    return Feed() if state is None else unpack(KIND, state, Feed)


def _ticks(heard_ticks: Iterable[bytes]) -> Ints:
    return np.unique(np.concatenate([_NONE, *(np.frombuffer(each, np.int64) for each in heard_ticks)]))


class _Hear(beam.DoFn):
    """Finds the feeds of a packed batch of signals."""

    def __init__(self, playbook: Playbook) -> None:
        self._tick, self._timeouts = playbook.tick, {**playbook.feed_timeout}

    def process(self, element: ShardBatch) -> Iterator[Heard]:
        if (kept := element[1].kept) is not None:
            yield Kept.read(kept).key, element[1].content
            return
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
    CUT = ReadModifyWriteStateSpec("cut", VarIntCoder())
    TIMER = TimerSpec(STAGE, TimeDomain.WATERMARK)

    def __init__(self, feeds: "WatchFeeds") -> None:
        self._grid, self._timeouts = Grid(feeds.playbook.tick), {**feeds.playbook.feed_timeout}
        self._kinds, self._shards = (*feeds.playbook.levels,), feeds.shards
        self._timer = TickTimer(STAGE, feeds.bounded, feeds.backlog, feeds.cuts)

    def process(
        self,
        element: Heard,
        key: Any = beam.DoFn.KeyParam,
        stamp: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        feed: Any = beam.DoFn.StateParam(FEED),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        alarm, seed = Alarm(self._timer, wake, cut, timer), _seed_of(element[1])
        if seed is None:
            waiting.add(element[1])
            first = int(np.frombuffer(element[1], np.int64)[0])
            alarm.at(max(first, (closed.read() or 0) + self._grid.tick), stamp)
            return
        known, closed_at, later = self._as_of(key, seed)
        if len(later):
            waiting.add(later.tobytes())
        feed.write(pack(KIND, known))
        closed.write(closed_at)
        following = next_turn(known, later, self._timeout(key))
        alarm.start(seed.earliest, following, closed_at + self._grid.tick)

    @on_timer(TIMER)
    def advance(
        self,
        key: Any = beam.DoFn.KeyParam,
        fired: Timestamp = beam.DoFn.TimestampParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        feed: Any = beam.DoFn.StateParam(FEED),
        closed: Any = beam.DoFn.StateParam(CLOSED),
        wake: Any = beam.DoFn.StateParam(WAKE),
        cut: Any = beam.DoFn.StateParam(CUT),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[Any]:
        alarm = Alarm(self._timer, wake, cut, timer)
        ring = alarm.rings(fired)
        if ring is None:
            return
        before = Kept(key, closed.read(), wake.read(), feed.read())
        if not ring.acts:
            yield before.blob(STAGE, ring.tick)
            return
        ticks = _ticks(waiting.read())
        timeout, known = self._timeout(key), _known(before.state)
        last = known.last if self._timer.bounded and not len(ticks) else ticks.max(initial=0)
        upto = int(last or 0) + timeout if self._timer.bounded else ring.tick
        turns, now = watch(known, ticks[ticks <= upto], Span(self._grid, before.closed, upto), timeout)
        later = ticks[ticks > upto]
        waiting.clear()
        if len(later):
            waiting.add(later.tobytes())
        state = pack(KIND, now)
        feed.write(state)
        closed.write(upto)
        following = next_turn(now, later, timeout)
        if following is not None and not self._timer.bounded:
            alarm.at(following)
        yield from self._batches(key, turns)
        if alarm.is_cut(upto):
            heard_all = msgspec.structs.replace(before, waiting=[ticks.tobytes()])
            now_kept = Kept(key, upto, wake.read(), state)
            yield heard_all.blob(STAGE, AT_THE_END) if self._timer.bounded else now_kept.blob(STAGE, upto)

    def _as_of(self, key: str, seed: PackedBatch) -> tuple[Feed, int, Ints]:
        """Return a feed as of a cut, the tick that is closed, and what waits.

        A bounded run keeps what it began with and all that it heard, since it is not told of the tick of the cut.
        """
        kept, cut = Kept.read(seed.kept or b""), seed.earliest
        known, ticks = _known(kept.state), _ticks(kept.waiting)
        if kept.closed is not None and not kept.waiting:
            return known, kept.closed, ticks
        _, known = watch(known, ticks[ticks <= cut], Span(self._grid, kept.closed, cut), self._timeout(key))
        return known, cut, ticks[ticks > cut]

    def _timeout(self, key: str) -> int:
        return self._timeouts[key.partition(" ")[0]]

    def _batches(self, key: str, turns: Sequence[tuple[int, bool]]) -> Iterator[Any]:
        signal, _, source = key.partition(" ")
        for tick, down in turns:
            for kind in self._kinds:
                packed = PackedBatch.of(feed_batch(kind, (tick, signal, source, down)))
                packs = ((shard, packed) for shard in range(self._shards))
                yield from (TaggedOutput("groups", one) for one in packs) if kind in GROUPS else packs


@dataclass(eq=False, kw_only=True)
class WatchFeeds(beam.PTransform):
    """Tell every shard which sources of a signal type are down.

    In: (shard, packed batch of signals) of all subjects, in the global window, and the seeds of feeds. Out: (shard,
    packed batch of a `feed_batch`), `signals` for the shards of subscribers and `groups` for those of groups; they wake
    a little later. Late signals count from the tick at which they are known.

    Attributes:
        playbook: Its `feed_timeout` says what is watched.
        bounded: Whether the input ends.
        shards: Number of shards.
        backlog: History that an unbounded run catches up with.
        cuts: When what is known of feeds is given as `blobs`, for `SaveState`; None for never.
    """

    playbook: Playbook
    bounded: bool
    shards: int
    backlog: Backlog | None = None
    cuts: Cuts | None = None

    def expand(self, signals: beam.PCollection[ShardBatch]) -> Any:
        """Find the feeds, and watch each."""
        feeds = signals | "Hear" >> beam.ParDo(_Hear(self.playbook)).with_output_types(Heard)
        tags = {"groups": ShardBatch} | ({} if self.cuts is None else {BLOBS: Blob})
        watcher = beam.ParDo(_Watch(self)).with_output_types(ShardBatch, **tags)
        return feeds | "Watch" >> watcher.with_outputs(*tags, main="signals")
