"""The steps between signals and records: the same graph for files, streams and stories."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import apache_beam as beam

from schemas.versions import Versions
from transforms.decide_offers import DecideOffers
from transforms.describe_segments import DescribeSegments
from transforms.shell.timers import Backlog
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
        controls: For the shards of contact roots: notices about everybody.
        ends: For every shard: the end of a bounded input.
    """

    subscribers: tuple[Any, ...]
    groups: tuple[Any, ...]
    controls: tuple[Any, ...] = ()
    ends: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How a playbook is put into a pipeline.

    Attributes:
        versions: What to track and offer.
        bounded: Whether the input ends.
        shards: Parts that subjects are spread over.
        mode: What the offers are for.
        complete_from: Since when a run without state has all signals, milliseconds; None for ever.
        backlog: History that a stream catches up with, and its last tick.
        described: Whether to describe segments, where there are any.
    """

    versions: Versions
    bounded: bool
    shards: int
    mode: str = "live"
    complete_from: int | None = None
    backlog: Backlog | None = None
    described: bool = True

    @cached_property
    def contexts(self) -> ContextPlans:
        """The plans of all levels."""
        return load_contexts(self.versions)

    @property
    def grouped(self) -> bool:
        """Whether there are households or SMEs."""
        return len(self.contexts.plans[0]) > 1

    def watch(self, signals: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return what shards of subscribers and of groups are told of silent sources, of all signals."""
        book = self.versions.first
        if not book.feed_timeout:
            return (), ()
        watch = WatchFeeds(playbook=book, bounded=self.bounded, shards=self.shards, backlog=self.backlog)
        feeds = signals | "AllFeeds" >> beam.Flatten() | "WatchFeeds" >> watch
        return (feeds.signals,), (feeds.groups,)

    def records(self, signals: Signals) -> dict[str, Any]:
        """Track, decide, describe.

        Returns:
            By the name of an output a collection of record batches; `rejected` are those of signals that came too late.
        """
        tracked = self._track(signals)
        told = (*tracked["triggers"], *signals.controls, *signals.ends)
        decided = self._decide(told, tracked["receipts"])
        plain = {
            name: tracked[name] | name.title() >> beam.Flatten() for name in ("transitions", "contexts", "rejected")
        }
        return plain | decided | self._describe(tracked)

    def _track(self, signals: Signals) -> dict[str, tuple[Any, ...]]:
        """Return what the stages of subscribers and of groups give, by output."""
        options: dict[str, Any] = {"shards": self.shards, "complete_from": self.complete_from}
        options |= {"segment_stats": self._segmented, **self._books, **self._time}
        of_subscribers = (*signals.subscribers, *signals.ends) | "Gather" >> beam.Flatten()
        stages = [of_subscribers | "TrackContexts" >> TrackContexts(**options)]
        if self.grouped:
            of_groups = (stages[0]["forwarded"], *signals.groups, *signals.ends) | "GatherGroups" >> beam.Flatten()
            stages.append(of_groups | "TrackGroups" >> TrackContexts(**options, groups=True))
        return {name: tuple(stage[name] for stage in stages) for name in ("triggers", *OUTPUTS)}

    def _decide(self, told: tuple[Any, ...], receipts: tuple[Any, ...]) -> dict[str, Any]:
        """Return decisions, offers, and the receipts of what all stages erased."""
        decide = DecideOffers(**self._books, **self._time, mode=self.mode)
        decided: dict[str, Any] = told | "Triggers" >> beam.Flatten() | "DecideOffers" >> decide
        removed = (*receipts, decided["receipts"]) | "Removed" >> beam.Flatten()
        return decided | {"receipts": removed | "SumReceipts" >> SumReceipts(**self._books, bounded=self.bounded)}

    def _describe(self, tracked: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Return statistics, profiles and alerts of segments, where there are any."""
        if not self._segmented:
            return {}
        describe = DescribeSegments(**self._books, bounded=self.bounded)
        parts = tracked["segment_stats"] | "SegmentStats" >> beam.Flatten()
        described: dict[str, Any] = parts | "DescribeSegments" >> describe
        return described

    @property
    def _books(self) -> dict[str, Any]:
        return {"playbook": self.versions.first, "later": self.versions.playbooks[1:]}

    @property
    def _time(self) -> dict[str, Any]:
        return {"bounded": self.bounded, "backlog": self.backlog}

    @property
    def _segmented(self) -> bool:
        every = (plan for plans in self.contexts.plans for plan in plans.values())
        return self.described and any(plan.segments for plan in every)
