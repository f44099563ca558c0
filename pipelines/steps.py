"""The steps between signals and records: the same graph for files, streams and stories."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import apache_beam as beam

from schemas.versions import Versions
from transforms.decide_offers import DecideOffers
from transforms.describe_segments import DescribeSegments
from transforms.keep_parts import STAGE as SEGMENTS
from transforms.keep_parts import KeepParts
from transforms.shell.cuts import BLOBS
from transforms.shell.timers import Backlog, Cuts
from transforms.shell.versions import ContextPlans, load_contexts
from transforms.sum_receipts import SumReceipts
from transforms.track_contexts import OUTPUTS, TrackContexts
from transforms.watch_feeds import WatchFeeds


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What the steps take: collections by shard.

    Attributes:
        subscribers: Signals for the shards of subscribers.
        groups: The same for the shards of groups.
        watched: Those of which feeds are watched; all, where not all are taken.
        controls: For the shards of contact roots: notices about everybody.
        ends: For every shard: the end of a bounded input.
        seeds: By the name of a stage: what it knew at the cut that the run starts from.
        since: The tick of that cut, milliseconds.
    """

    subscribers: tuple[Any, ...]
    groups: tuple[Any, ...]
    watched: tuple[Any, ...]
    controls: tuple[Any, ...] = ()
    ends: tuple[Any, ...] = ()
    seeds: Mapping[str, Any] = field(default_factory=dict)
    since: int | None = None

    def seed(self, stage: str) -> tuple[Any, ...]:
        """Return what a stage starts from, if there is anything."""
        return (self.seeds[stage],) if stage in self.seeds else ()


@dataclass(frozen=True)
class Slice:
    """Which windows of segments a slice of a bounded run tells of: others do of those before and after.

    Attributes:
        after: The last tick of the slice before; None: there is none.
        upto: The last tick of the slice; None: it is the last.
    """

    after: int | None = None
    upto: int | None = None


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How a playbook is put into a pipeline.

    Attributes:
        versions: What to track and offer.
        bounded: Whether the input ends.
        shards: Parts that subjects are spread over.
        mode: What the offers are for.
        decide_from: Triggers of earlier ticks, milliseconds, get no answer; None: all are answered.
        complete_from: Since when a run without state has all signals, milliseconds; None for ever.
        backlog: History that a stream catches up with, and its last tick.
        cuts: When what all stages know is given as blobs; None for never.
        described: Whether to describe segments, where there are any.
        slice: Of a bounded run that is cut into slices.
    """

    versions: Versions
    bounded: bool
    shards: int
    mode: str = "live"
    decide_from: int | None = None
    complete_from: int | None = None
    backlog: Backlog | None = None
    cuts: Cuts | None = None
    described: bool = True
    slice: Slice = Slice()

    @cached_property
    def contexts(self) -> ContextPlans:
        """The plans of all levels."""
        return load_contexts(self.versions)

    @property
    def lag(self) -> int:
        """How long after a tick a stream acts at it, milliseconds of the watermark."""
        return 0 if self.backlog is None else self.backlog.lag

    @property
    def grouped(self) -> bool:
        """Whether there are households or SMEs."""
        return len(self.contexts.plans[0]) > 1

    def records(self, signals: Signals) -> dict[str, Any]:
        """Watch, track, decide, describe.

        Returns:
            By the name of an output a collection of record batches; `rejected` are those of signals that came too late.
            With cuts there are `blobs`, too: what `SaveState` takes.
        """
        watched = self._watch(signals)
        tracked = self._track(signals, watched)
        decided = self._decide(signals, tracked)
        described = self._describe(signals, tracked)
        plain = {
            name: tracked[name] | name.title() >> beam.Flatten() for name in ("transitions", "contexts", "rejected")
        }
        every = plain | decided | described
        if self.cuts is not None:
            blobs = (*watched[BLOBS], *tracked[BLOBS], decided[BLOBS], *described.get(BLOBS, ()))
            every[BLOBS] = blobs | "Blobs" >> beam.Flatten()
        return every

    def _watch(self, signals: Signals) -> dict[str, tuple[Any, ...]]:
        """Return what shards of subscribers and of groups are told of silent sources."""
        book = self.versions.first
        if not book.feed_timeout:
            return {"signals": (), "groups": (), BLOBS: ()}
        watch = WatchFeeds(playbook=book, shards=self.shards, **self._time, **self._cut)
        feeds = (*signals.watched, *signals.seed("watch_feeds")) | "AllFeeds" >> beam.Flatten() | "WatchFeeds" >> watch
        return {name: (feeds[name],) for name in ("signals", "groups", *self._blobs)}

    def _track(self, signals: Signals, watched: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """Return what the stages of subscribers and of groups give, by output."""
        options: dict[str, Any] = {"shards": self.shards, "complete_from": self.complete_from}
        options |= {"segment_stats": self._segmented, **self._books, **self._time, **self._cut}
        of_subscribers = (*signals.subscribers, *watched["signals"], *signals.ends, *signals.seed("track_subscribers"))
        stages = [of_subscribers | "Gather" >> beam.Flatten() | "TrackContexts" >> TrackContexts(**options)]
        if self.grouped:
            of_groups = (*signals.groups, *watched["groups"], *signals.ends, *signals.seed("track_groups"))
            told = (stages[0]["forwarded"], *of_groups) | "GatherGroups" >> beam.Flatten()
            stages.append(told | "TrackGroups" >> TrackContexts(**options, groups=True))
        return {name: tuple(stage[name] for stage in stages) for name in ("triggers", *OUTPUTS, *self._blobs)}

    def _decide(self, signals: Signals, tracked: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Return decisions, offers, and the receipts of what all stages erased."""
        told = (*tracked["triggers"], *signals.controls, *signals.ends, *signals.seed("decide_offers"))
        decide = DecideOffers(**self._books, **self._time, **self._cut, mode=self.mode, decide_from=self.decide_from)
        decided: dict[str, Any] = told | "Triggers" >> beam.Flatten() | "DecideOffers" >> decide
        removed = (*tracked["receipts"], decided["receipts"]) | "Removed" >> beam.Flatten()
        return decided | {
            "receipts": removed | "SumReceipts" >> SumReceipts(**self._books, bounded=self.bounded, lag=self.lag)
        }

    def _describe(self, signals: Signals, tracked: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Return statistics, profiles and alerts of segments, where there are any."""
        if not self._segmented:
            return {}
        parts = (*tracked["segment_stats"], *signals.seed(SEGMENTS)) | "SegmentStats" >> beam.Flatten()
        last = self.slice.upto if self.backlog is None else self.backlog.last
        ends: dict[str, Any] = {"since": signals.since, "told": self.slice.after, "last": last}
        describe = DescribeSegments(**self._books, bounded=self.bounded, **ends, lag=self.lag)
        described: dict[str, Any] = parts | "DescribeSegments" >> describe
        if self.cuts is not None:
            keep = KeepParts(playbook=self.versions.first, **self._time, cuts=self.cuts)
            described = described | {BLOBS: (parts | "KeepParts" >> keep,)}
        return described

    @property
    def _books(self) -> dict[str, Any]:
        return {"playbook": self.versions.first, "later": self.versions.playbooks[1:]}

    @property
    def _time(self) -> dict[str, Any]:
        return {"bounded": self.bounded, "backlog": self.backlog}

    @property
    def _cut(self) -> dict[str, Any]:
        return {"cuts": self.cuts}

    @property
    def _blobs(self) -> tuple[str, ...]:
        return () if self.cuts is None else (BLOBS,)

    @property
    def _segmented(self) -> bool:
        every = (plan for plans in self.contexts.plans for plan in plans.values())
        return self.described and any(plan.segments for plan in every)
