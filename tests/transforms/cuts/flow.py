"""The stages of a stream without a runner: their timers in any order that holds of watermarks allow."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp

from benchmarks.shard_of_a_stage import Cells
from pipelines.stories.signals import of_group, of_subscriber, take
from pipelines.stories.story import Signal, Story
from transforms.context.emit.segment_parts import KEYS, SUMS
from transforms.context.erasure.requests import ERASURE
from transforms.decide_offers import DecideOffers
from transforms.parsing.batches import by_shard
from transforms.shell.cuts import BLOBS, Blob
from transforms.shell.packed_batch import PackedBatch, to_all
from transforms.shell.timers import STAGES, Cuts
from transforms.track_contexts import TrackContexts
from transforms.watch_feeds import WatchFeeds, _Hear, _Watch

ROUTES = {
    ("watch_feeds", None): "track_subscribers",
    ("watch_feeds", "groups"): "track_groups",
    ("track_subscribers", None): "decide_offers",
    ("track_subscribers", "forwarded"): "track_groups",
    ("track_groups", None): "decide_offers",
}
"""Which output of which stage goes to which other."""

HEARD = "heard of"
"""Stands for an output: that a stage looked for somebody who is erased, in however many shards."""

Element = tuple[str, Any, Any]
"""A stage, a key, a value."""


@dataclass(frozen=True)
class Block:
    """Signals that were read together.

    Attributes:
        elements: What the stages get.
        earliest: The least of their times.
        latest: The greatest.
    """

    elements: tuple[Element, ...]
    earliest: int
    latest: int

    def cover(self, told: int, tick: int) -> int:
        """Return the tick at which the last of it acts, by the watermark told before."""
        return max(self.latest, told) // tick * tick + tick


@dataclass(frozen=True)
class Made:
    """A row of an output, when it was made, and how often it counts."""

    stamp: int
    output: str
    row: str
    n: int = 1


def _sums(stamp: int, level: str, part: Mapping[str, Any]) -> Iterator[Made]:
    """Yield what a part of a segment adds: it does not matter in how many parts."""
    key = str([part[name] for name in KEYS])
    yield from (Made(stamp, f"{level} {name}", key, int(part[name])) for name in SUMS if part[name] is not None)


@dataclass
class Flow:
    """The stages of one run.

    Attributes:
        story: Whose playbook it is.
        shards: Number of shards.
        cuts: When there are cuts.
        random: In which order timers fire.
        shown: What is compared of a row.
        made: What came out.
        blobs: Of all cuts.
    """

    story: Story
    shards: int
    cuts: Cuts | None
    random: Random
    shown: Callable[[Any], Any] = str
    made: list[Made] = field(default_factory=list)
    blobs: list[Blob] = field(default_factory=list)

    def __post_init__(self) -> None:
        book, options = self.story.playbook, {"bounded": False, "cuts": self.cuts}
        later = {"playbook": book, "later": self.story.versions.playbooks[1:]}
        track = {**later, **options, "shards": self.shards, "segment_stats": True}
        feeds = WatchFeeds(playbook=book, shards=self.shards, **options)
        self.stages: dict[str, Any] = {
            "watch_feeds": _Watch(feeds),
            "track_subscribers": TrackContexts(**track).stage(),
            "track_groups": TrackContexts(**track, groups=True).stage(),
            "decide_offers": DecideOffers(**later, **options).stage(),
        }
        self.hear, self.cells = _Hear(book), defaultdict[tuple[str, Any], Cells](Cells)
        for stage in self.stages.values():
            stage.setup()

    def block(self, signals: Iterable[Signal]) -> Block | None:
        """Return what a run makes of signals that arrive together, None of nothing."""
        taken = take(self.story, signals)
        elements = [*self._of_signals(taken.batches)]
        controls = [("decide_offers", *one) for batch in taken.controls for one in to_all(batch, self.shards, "tick")]
        times = [time for batch in (*taken.batches, *taken.controls) for time in batch["time"].to_pylist()]
        return Block((*elements, *controls), min(times), max(times)) if times else None

    def _of_signals(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Element]:
        grouped = len(self.story.playbook.levels) > 1
        for batch in batches:
            if self.story.playbook.feed_timeout:
                yield from (("watch_feeds", *heard) for heard in self.hear.process((0, PackedBatch.of(batch))))
            if of_subscriber(batch):
                everywhere = of_group(batch) and batch.schema.metadata[b"signal"] == ERASURE.encode()
                packs = to_all(batch, self.shards) if everywhere else self._packs(batch)
                yield from (("track_subscribers", *one) for one in packs)
            if grouped and of_group(batch):
                yield from (("track_groups", *one) for one in self._packs(batch))

    def _packs(self, batch: pa.RecordBatch) -> Iterator[tuple[int, PackedBatch]]:
        yield from ((shard, PackedBatch.of(rows)) for shard, rows in by_shard(batch, self.shards))

    def come(self, elements: Iterable[Element], stamp: int) -> None:
        """Give elements to their stages."""
        for stage, key, value in elements:
            process = self.stages[stage].process
            process((key, value), **self._arguments(process, stage, key, Timestamp(micros=1000 * stamp)))

    def advance(self, watermark: int) -> None:
        """Let the watermark of the source pass a time."""
        while due := [*self._due(watermark)]:
            name, key = self.random.choice(due)
            stage, cells = self.stages[name], self.cells[name, key]
            fired = cells.values.pop("timer")
            method = stage.decide if name == "decide_offers" else stage.advance
            for one in [*method(**self._arguments(method, name, key, fired))]:
                self._told(name, one, fired.micros // 1000)

    def _due(self, watermark: int) -> Iterator[tuple[str, Any]]:
        """Yield the timers that may fire: each holds the watermark of the stages behind its own."""
        for stage in STAGES:
            mine = [(name, key) for name, key in self.cells if name == stage]
            timers = {one: self.cells[one].values["timer"] for one in mine if "timer" in self.cells[one].values}
            yield from (one for one, at in timers.items() if at.micros <= 1000 * watermark)
            watermark = min([watermark, *(at.micros // 1000 for at in timers.values())])

    def _told(self, stage: str, one: Any, stamp: int) -> None:
        tag, value = (one.tag, one.value) if isinstance(one, TaggedOutput) else (None, one)
        if tag == BLOBS:
            self.blobs.append(value)
        elif (stage, tag) in ROUTES:
            assert stamp >= 0
            self.come([(ROUTES[stage, tag], *value)], stamp)
        elif tag == "receipts":
            for row in value[1].to_pylist():
                number = row.pop("rows")
                told = (
                    Made(stamp, f"receipts of {value[0]}", str(row), number),
                    Made(stamp, HEARD, f"{value[0]} {row}"),
                )
                self.made += told
        elif tag == "segment_stats":
            level = value.schema.metadata[b"subject_kind"].decode()
            self.made += [one for row in value.to_pylist() for one in _sums(stamp, level, row)]
        elif tag != "forwarded":
            self.made += [Made(stamp, tag or "decisions", str(self.shown(row))) for row in value.to_pylist()]

    def _arguments(self, method: Any, stage: str, key: Any, stamp: Timestamp) -> Mapping[str, Any]:
        given = {"stamp": stamp, "fired": stamp, "key": key, "shard": key}
        names = [name for name in inspect.signature(method).parameters if name != "element"]
        return {name: given[name] if name in given else self.cells[stage, key].cell(name) for name in names}
