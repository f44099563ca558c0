"""Several addresses read as one: in turn, parsed, with one watermark, one position and what is to be acknowledged."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.addresses import Address
from schemas.sources import Source
from transforms.parsing.parser import Parsed, Parser
from transforms.parsing.raw import partitions_of, published_of
from transforms.streams.acks import Taken
from transforms.streams.progress import ALONE, Progress, Rules
from transforms.streams.pull import Position, Pulled, Puller
from transforms.streams.watermark import Watermark

Clock = Callable[[], int]
"""Processing time, milliseconds since the epoch."""

MOST_QUIET = 500
"""Milliseconds that a quiet address is not asked while another is busy."""


@dataclass(frozen=True)
class Input:
    """One address.

    Attributes:
        label: Its name in marks, unlike all others.
        source: Of its signals.
        puller: What reads it.
        rules: How it counts for the watermark.
    """

    label: str
    source: Source
    puller: Puller
    rules: Rules = field(default_factory=Rules)


def rules_of(address: Address) -> Rules:
    """Return how an address that does not end counts."""
    said = address.options
    return Rules(idle=said["idle"], patience=said["patience"], ends=said["ends"], replay=said["replay"])


class Element(NamedTuple):
    """What one pull became.

    Attributes:
        parsed: Its blocks, in order.
        rejected: Batches of records that are none, in order.
        counts: What is to be counted, by namespace and name.
        time: Its timestamp, milliseconds.
    """

    parsed: Sequence[Parsed]
    rejected: Sequence[pa.RecordBatch]
    counts: Mapping[tuple[str, str], int]
    time: int


@dataclass
class _Feed:
    """An input on its way."""

    input: Input
    parse: Parser
    position: Position
    progress: Progress
    asked: int = 0

    def quiet(self, now: int) -> int:
        """Return for how long nothing came."""
        return 0 if self.progress.came is None else now - self.progress.came

    def is_due(self, now: int) -> bool:
        """Return whether to ask it although others are busy; one from which something came always is."""
        return now - self.asked >= min(MOST_QUIET, self.quiet(now) // 4)


class Reading:
    """Reads inputs in turn.

    Attributes:
        watermark: What was told, and who is left out.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        parser: Callable[[Input], Parser],
        *,
        grace: int,
        tick: int,
        clock: Clock,
        mark: Mapping[str, Any] | None = None,
        cut: int | None = None,
    ) -> None:
        """Go on from a mark, by default where each address begins.

        Args:
            inputs: At least one.
            parser: Makes what parses the blocks of an input.
            grace: Milliseconds that the watermark stays behind event times.
            tick: That of the playbook, milliseconds.
            clock: Processing time.
            mark: What `mark` gave.
            cut: The newest cut when this starts: nothing that is read later is in it.
        """
        known = mark or {"positions": {}, "latest": {}, "ended": [], "watermark": None}
        self._tick, self._clock, self._cut = tick, clock, cut
        self._feeds = {one.label: _Feed(one, parser(one), {}, Progress(one.rules)) for one in inputs}
        for label, feed in self._feeds.items():
            feed.position = known["positions"].get(label, {})
            feed.progress.ended = label in known["ended"]
            feed.progress.saw(known["latest"].get(label, {}), clock())
        self.watermark = Watermark(grace, max(one.rules.patience for one in inputs), known["watermark"])
        self._turns = list(self._feeds)
        self._taken: list[Taken] = []
        self._came: int | None = None

    def read(self) -> Element | None:
        """Ask the addresses in turn; return what the first gave that has something, None if none has."""
        told, element = self.watermark.told, None
        for label in self._in_turn():
            feed = self._feeds[label]
            pulled = feed.input.puller.pull(feed.position)
            element = self._take(feed, pulled, told)
            if element is not None:
                self._turns.remove(label)
                self._turns.append(label)
                break
        self.watermark.advance(self._progress, self._clock())
        return element

    def mark(self) -> dict[str, Any]:
        """Return what to go on from, JSON: positions, greatest times and who has ended by label, and the watermark."""
        latest = {
            label: {name: one.latest for name, one in progress.partitions.items() if one.latest is not None}
            for label, progress in self._progress.items()
        }
        return {
            "positions": {label: feed.position for label, feed in self._feeds.items()},
            "latest": latest,
            "ended": [label for label, progress in self._progress.items() if progress.ended],
            "watermark": self.watermark.told,
        }

    def taken(self) -> list[Taken]:
        """Return what is to be acknowledged of all that was read since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    @property
    def _progress(self) -> dict[str, Progress]:
        return {label: feed.progress for label, feed in self._feeds.items()}

    def _in_turn(self) -> list[str]:
        """Return whom to ask: the quiet ones now and then while others are busy, all of them if none is."""
        now = self._clock()
        alive = [label for label in self._turns if not self._feeds[label].progress.ended]
        if all(self._feeds[label].quiet(now) > MOST_QUIET for label in alive):
            return alive
        return [label for label in alive if self._feeds[label].is_due(now)]

    def _take(self, feed: _Feed, pulled: Pulled, told: int | None) -> Element | None:
        """Note what a pull gave; return what it became, None if it is nothing."""
        now = self._clock()
        gave = bool(pulled.blocks or pulled.rejected)
        feed.position, feed.asked = pulled.position, now
        parsed = [feed.parse(block) for block in pulled.blocks]
        bounds = [pc.min_max(one.times).as_py() for one in parsed]
        earliest = min((each["min"] for each in bounds if each["min"] is not None), default=None)
        latest = max((each["max"] for each in bounds if each["max"] is not None), default=None)
        for block, one in zip(pulled.blocks, parsed, strict=True):
            feed.progress.saw(latest_times(block, one.times, capped=not feed.input.rules.replay), now)
        feed.progress.asked(pulled.partitions, now, gave=gave)
        time = max((at for at in (told, earliest) if at is not None), default=now)
        if pulled.acks is not None:
            last = max(at for at in (time, latest, self._cut) if at is not None)
            self._taken.append(Taken(feed.input.label, pulled.acks, last - last % self._tick + self._tick))
        return _element(parsed, pulled.rejected, time) if gave else None


def latest_times(block: pa.RecordBatch, times: pa.Array, *, capped: bool) -> dict[str, int]:
    """Return the greatest time of each partition that a raw block has signals of.

    Args:
        block: The raw block.
        times: Of its rows; NULL: it is no signal.
        capped: Whether a time that is ahead counts as when the broker got the record.
    """
    published = published_of(block)
    if capped and published is not None:
        times = pc.if_else(pc.is_null(times), None, pc.min_element_wise(times, published))
    partitions = partitions_of(block)
    if partitions is None:
        greatest = pc.max(times).as_py()
        return {} if greatest is None else {ALONE: greatest}
    table = pa.table({"partition": partitions.cast(pa.string()).fill_null(ALONE), "time": times})
    made = table.group_by("partition").aggregate([("time", "max")])
    found = zip(made["partition"].to_pylist(), made["time_max"].to_pylist(), strict=True)
    return {name: time for name, time in found if time is not None}


def _element(parsed: Sequence[Parsed], refused: Sequence[pa.RecordBatch], time: int) -> Element:
    counts: Counter[tuple[str, str]] = Counter()
    for one in parsed:
        counts.update(one.counts)
    counts.update(_lost(refused))
    rejected = [*refused, *(one.rejected for one in parsed if one.rejected is not None)]
    return Element(parsed, rejected, counts, time)


def _lost(refused: Iterable[pa.RecordBatch]) -> dict[tuple[str, str], int]:
    """Return the counts of records that became no rows; what stands for nobody knows how many counts as one."""
    records = np.concatenate([np.zeros(0, np.int64), *(_records(batch) for batch in refused)])
    uncounted = int((records < 0).sum())
    lost = int(records[records > 0].sum()) + uncounted
    found = {"in": lost, "rejected": lost, "uncounted": uncounted}
    return {("signals", name): count for name, count in found.items() if count}


def _records(batch: pa.RecordBatch) -> Any:
    return batch["records"].fill_null(-1).to_numpy(zero_copy_only=False)
