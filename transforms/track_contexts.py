"""Track the context of every subject: features, memberships and moments at each tick."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa

from schemas.durations import DAY, HOUR
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from schemas.versions import Versions
from transforms.compiler.features import SUBSCRIBER
from transforms.shell.context_stage import Tracked, track_groups, track_subscribers
from transforms.shell.cuts import BLOBS, Blob
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.timers import Backlog, Cuts, TickTimer
from transforms.sum_receipts import Removed

OUTPUTS = ("transitions", "contexts", "segment_stats", "rejected", "receipts")

STATS_WINDOWS = (HOUR, DAY)
"""Of the statistics of segments, milliseconds."""


@dataclass(eq=False, kw_only=True)
class TrackContexts(beam.PTransform):
    """Advance the contexts of subscribers, or of groups, a shard at a time.

    In: (shard, packed batch of signals), in the global window; an element's timestamp is its smallest event time. A
    bounded run also brings each shard one `end_batch`; one that starts from a cut, a seed to each shard that has one.

    Out: `triggers` (shard of the contact root, packed batch of triggers or of facts), `forwarded` (shard of the group,
    packed batch of signals; what subscribers forward to their groups), under `transitions`, `contexts` and `rejected`
    record batches as in `schemas.records`, under `segment_stats` what `DescribeSegments` takes, and under `receipts`
    what `SumReceipts` does. Erasures of groups come to every shard of subscribers, too; those of subscribers are
    forwarded to every shard of groups, and all go to every shard of decisions. Signals later than the allowed lateness
    are rejected; late ones correct their windows and trigger nothing unless the playbook says so. Any error of our own
    fails the bundle.

    Attributes:
        playbook: What to track.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        shards: Number of shards, the same in all stages.
        groups: Whether to track households and SMEs, not subscribers.
        complete_from: Since when a run without state has all signals (milliseconds), None for ever.
        backlog: History that an unbounded run catches up with.
        segment_stats: Whether to tell what `DescribeSegments` takes.
        cuts: When the shards' states are given as `blobs`, for `SaveState`; None for never.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    shards: int
    groups: bool = False
    complete_from: int | None = None
    backlog: Backlog | None = None
    segment_stats: bool = False
    cuts: Cuts | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The kinds of subjects that are tracked."""
        return GROUPS if self.groups else (SUBSCRIBER,)

    def stage(self) -> beam.DoFn:
        """Return what holds the shards."""
        tracked = Tracked(
            Versions((self.playbook, *self.later)),
            self.levels,
            self.shards,
            self.complete_from,
            STATS_WINDOWS if self.segment_stats else (),
        )
        stage = track_groups if self.groups else track_subscribers
        return stage(tracked, TickTimer(stage.__name__, self.bounded, self.backlog, self.cuts))

    def expand(self, signals: beam.PCollection[ShardBatch]) -> Any:
        """Return the outputs by name."""
        track = beam.ParDo(self.stage())
        tags = {"forwarded": ShardBatch, **dict.fromkeys(OUTPUTS, pa.RecordBatch), "receipts": Removed}
        tags |= {} if self.cuts is None else {BLOBS: Blob}
        made = signals | "Advance" >> track.with_output_types(ShardBatch, **tags).with_outputs(*tags, main="triggers")
        return {name: made[name] for name in ("triggers", *tags)}
