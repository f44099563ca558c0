"""Feeds: from when to when a source of a signal type is silent, and so down; an absence over its type waits."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.plain_arrow import plain
from transforms.context.grid import NEVER, Grid, Span
from transforms.context.state.shard_state import DOWN

FEED = b"@feed"
"""Name of the batches that tell which feeds go down and come back."""

TURNS = {"tick": pl.Int64, **DOWN, "down": pl.Boolean}


class Gaps(NamedTuple):
    """The ticks `[start, end)` at which some feed of some types is down; sorted, and none touches another."""

    starts: Ints
    ends: Ints

    def over(self, ticks: Ints) -> Ints:
        """Return each tick, or the end of the gap in which it lies."""
        if not len(self.starts):
            return ticks
        at = np.searchsorted(self.starts, ticks, "right") - 1
        return np.where((at >= 0) & (ticks < self.ends[at]), self.ends[at], ticks)

    def absent(self, ticks: Ints, lapse: Ints) -> tuple[Ints, Bools]:
        """Return when it is known that nothing came, and whether it is: an absence waits while a feed is down.

        Args:
            ticks: When it would be known if no feed were down.
            lapse: When one that still waits is given up.
        """
        over = self.over(ticks)
        return np.minimum(over, lapse), over <= lapse


NO_GAPS = Gaps(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Feeds:
    """The feeds of one call.

    Attributes:
        span: The ticks of the call.
        down: As `shard_state.DOWN`, at its start.
        turns: As `TURNS`: at which tick of it a feed goes down or comes back.
        waiting: Batches, or parts of them, of later ticks.
    """

    span: Span
    down: pl.DataFrame
    turns: pl.DataFrame
    waiting: Sequence[pa.RecordBatch]

    def gaps(self, signals: Collection[str]) -> Gaps:
        """Return when a feed of these types is down; one that is at the end stays down until told otherwise."""
        begun = self.down.select(pl.lit(self.span.first, pl.Int64).alias("tick"), "signal", n=pl.lit(1, pl.Int64))
        turned = self.turns.select("tick", "signal", n=pl.when("down").then(1).otherwise(-1).cast(pl.Int64))
        every = pl.concat([begun, turned]).filter(pl.col("signal").is_in([*signals]))
        steps = every.group_by("tick").agg(pl.col("n").sum()).sort("tick")
        down = steps["n"].cum_sum().to_numpy() > 0
        edges = np.flatnonzero(np.diff(down, prepend=False))
        ticks = np.append(steps["tick"].to_numpy()[edges], NEVER)
        return Gaps(ticks[:-1][::2], ticks[1:][::2])

    @property
    def after(self) -> pl.DataFrame:
        """The feeds that are down at the end, as `DOWN`."""
        if self.turns.is_empty():
            return self.down
        begun = self.down.select(pl.lit(0, pl.Int64).alias("tick"), *DOWN, down=pl.lit(True))
        last = pl.concat([begun, self.turns]).sort("tick", maintain_order=True).group_by(*DOWN).last()
        return last.filter("down").select(*DOWN).sort(*DOWN)


def take_feeds(span: Span, down: pl.DataFrame, batches: Sequence[pa.RecordBatch]) -> tuple[Feeds, list[pa.RecordBatch]]:
    """Tell what is said of feeds from signals.

    Args:
        span: The ticks of the call.
        down: As `DOWN`, at its start.
        batches: Signal batches, and those of `feed_batch`; what is told late counts from the span's first tick on.

    Returns:
        What is said, and the signal batches.
    """
    signals = [batch for batch in batches if batch.schema.metadata[b"signal"] != FEED]
    reported = [batch for batch in batches if batch.schema.metadata[b"signal"] == FEED]
    waiting = [batch for batch in reported if batch["time"][0].as_py() >= span.upto]
    due = [pl.DataFrame(batch) for batch in reported if batch["time"][0].as_py() < span.upto]
    turns = pl.concat([pl.DataFrame(schema=TURNS), *(one.select(*TURNS) for one in due)])
    turns = turns.with_columns(pl.col("tick").clip(span.first)).sort("tick", maintain_order=True)
    return Feeds(span, down, turns, waiting), signals


def feed_batch(kind: str, turn: tuple[int, str, str, bool]) -> pa.RecordBatch:
    """Return what shards of a kind of subjects are told of a feed: columns time and those of `TURNS`, one row.

    Args:
        kind: Of the subjects.
        turn: Tick, signal type, source, and whether it goes down.
    """
    rows = pl.DataFrame([turn], schema=TURNS, orient="row").with_columns(time=pl.col("tick") - 1)
    metadata = {b"signal": FEED, b"subject_kind": kind.encode()}
    return plain(rows).replace_schema_metadata(metadata).combine_chunks().to_batches()[0]


def heard(batch: pa.RecordBatch, tick: int) -> Iterator[tuple[str, Ints]]:
    """Yield each source of a signal batch, with the first ticks after its signals, ascending and different."""
    ticks = pl.col("time") - pl.col("time") % tick + tick
    rows = pl.DataFrame(batch.select(["source", "time"])).select(pl.col("source").cast(pl.String), ticks)
    for source, mine in rows.unique().sort("source", "time").partition_by("source", as_dict=True).items():
        yield str(source[0]), mine["time"].to_numpy()


class Feed(NamedTuple):
    """What is known of a feed: the last tick that closed over a signal of it, and whether it is down."""

    last: int | None = None
    down: bool = False


def watch(feed: Feed, ticks: Ints, span: Span, timeout: int) -> tuple[list[tuple[int, bool]], Feed]:
    """Tell at which ticks of a span a feed goes down and comes back.

    It is down at a tick T if it had signals before T, and none in [T - timeout, T).

    Args:
        feed: At the start of the span.
        ticks: The first tick after each of its signals that were not known before; ascending, different.
        span: The ticks.
        timeout: Milliseconds, a multiple of the tick.

    Returns:
        Pairs of a tick and whether it goes down there, in order; and the feed at the end.
    """
    late = ticks[ticks < span.first]
    last = max([*late.tolist()[-1:], *([] if feed.last is None else [feed.last])], default=None)
    back = feed.down and last is not None and span.first < last + timeout
    turns, down = [(span.first, False)] if back else [], feed.down and not back
    seen = np.array([*([] if last is None else [last]), *ticks[len(late) :].tolist()], np.int64)
    for gap in np.flatnonzero(np.diff(seen) > timeout).tolist():
        turns += [] if down else [(int(seen[gap]) + timeout, True)]
        turns.append((int(seen[gap + 1]), False))
        down = False
    if len(seen) and not down and seen[-1] + timeout <= span.upto:
        turns.append((int(seen[-1]) + timeout, True))
        down = True
    return turns, Feed(int(seen[-1]) if len(seen) else None, down)


def next_turn(feed: Feed, later: Ints, timeout: int) -> int | None:
    """Return the next tick at which a feed is heard, or goes down without a signal; None for neither.

    Args:
        feed: As it is.
        later: The first tick after each of its signals that wait; ascending.
        timeout: Milliseconds.
    """
    ticks = later[:1].tolist() + ([] if feed.down or feed.last is None else [feed.last + timeout])
    return min(ticks, default=None)


class Watch:
    """All feeds of a playbook, watched from call to call by one who sees all signals."""

    def __init__(self, timeouts: Mapping[str, int], grid: Grid, kinds: Sequence[str]) -> None:
        """Start without any signal.

        Args:
            timeouts: The playbook's `feed_timeout`.
            grid: Its ticks.
            kinds: The kinds of subjects that are told.
        """
        self._timeouts, self._grid, self._kinds = timeouts, grid, kinds
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._ticks: dict[tuple[str, str], Ints] = {}
        self._closed: int | None = None

    def hear(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Take signal batches."""
        for batch in batches:
            signal = batch.schema.metadata[b"signal"].decode()
            for source, ticks in heard(batch, self._grid.tick) if signal in self._timeouts else ():
                before = self._ticks.get((signal, source), ticks[:0])
                self._ticks[signal, source] = np.union1d(before, ticks)

    @property
    def wake(self) -> int | None:
        """The next tick at which a feed may go down or come back, None for never."""
        timeouts = ((name, ticks, self._timeouts[name[0]]) for name, ticks in self._ticks.items())
        found = (next_turn(self._feeds.get(name, Feed()), ticks, timeout) for name, ticks, timeout in timeouts)
        open_from = 0 if self._closed is None else self._closed + self._grid.tick
        return min((max(tick, open_from) for tick in found if tick is not None), default=None)

    def turns(self, upto: int) -> Iterator[pa.RecordBatch]:
        """Yield what is told of the ticks up to `upto`; signals of later ticks wait."""
        span = Span(self._grid, self._closed, upto)
        for name, ticks in self._ticks.items():
            self._ticks[name] = ticks[ticks > upto]
            due = ticks[ticks <= upto]
            turns, self._feeds[name] = watch(self._feeds.get(name, Feed()), due, span, self._timeouts[name[0]])
            yield from (feed_batch(kind, (tick, *name, down)) for tick, down in turns for kind in self._kinds)
        self._closed = upto
