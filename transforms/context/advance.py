"""Advance a shard's contexts over every tick of a span at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from transforms.compiler.context_plan import ContextPlan
from transforms.context.conditions import sequences
from transforms.context.conditions.asked import evaluation_points, note_changes
from transforms.context.conditions.strata import run_conditions
from transforms.context.emit.outputs import Outputs, outputs
from transforms.context.emit.periodic import Periodic
from transforms.context.emit.segment_parts import SegmentStats
from transforms.context.features.windows import Features
from transforms.context.grid import Span
from transforms.context.groups.routing import NOBODY, group_routing
from transforms.context.ingest.ingest import Ingested, ingest
from transforms.context.ingest.source_liveness import take_feeds
from transforms.context.run import Options, Run
from transforms.context.state import plan_migration, retention
from transforms.context.state import shard_state as memories
from transforms.context.state.shard_state import ShardState
from transforms.context.state.wakes import Wakes


@dataclass(frozen=True)
class Advanced:
    """What came of one call.

    Attributes:
        outputs: Triggers, transitions, contexts and rejected rows.
        facts: What contact roots are told: of memberships, as `schemas.records.FACT`; of signals that the policy reads,
            as `schemas.records.NOTICE` and the payload, each type apart.
        forwarded: What subscribers forward to their groups, as signal batches about these.
        counts: Rows applied, of these late; duplicates; rejected; pending.
        waiting: Rows of later ticks, to be given again.
        wakes: When something can change without new signals, by the codes of `memory`.
        ingested: What became of the signals.
        leaves: Which members left groups: code, member, tick.
        memory: Everything that is remembered, not settled.
        plan: Of the call.
    """

    outputs: Outputs
    facts: list[pa.RecordBatch]
    forwarded: list[pa.RecordBatch]
    counts: dict[str, int]
    waiting: list[pa.RecordBatch]
    wakes: Wakes
    ingested: Ingested = field(repr=False)
    leaves: pl.DataFrame = field(repr=False)
    memory: ShardState = field(repr=False)
    plan: ContextPlan = field(repr=False)

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        return self.wakes.first

    def dump(self) -> bytes:
        """Return the shard's state for the next call."""
        return memories.dump(settle(self.plan, self.memory))


def settle(plan: ContextPlan, memory: ShardState) -> ShardState:
    """Bring a memory into the one form that all calls with the same signals come to, in place; codes change."""
    retention.compact(plan, memory)
    retention.prune(plan, memory)
    memory.forget()
    memory.order()
    return memory


def advance(
    plan: ContextPlan,
    state: bytes | None,
    signals: Sequence[pa.RecordBatch],
    upto: int,
    *,
    complete_from: int | None = None,
    final: bool = False,
    stats: Sequence[int] = (),
) -> Advanced:
    """Advance the contexts of a shard to the tick `upto`.

    One call over a span gives the same as several over its parts, if each row is given no later than the
    call that closes its tick.

    Args:
        plan: The level's plan. One with other definitions than the state's takes over at the first tick of the call.
        state: What the call before returned, None at first.
        signals: Signal batches, in any order.
        upto: A tick after those of the calls before.
        complete_from: For a first call: since when the input is complete, None for ever.
        final: Whether this ends the run: every known subject's context is written.
        stats: Widths of the windows in which to tell of segments, milliseconds, ascending; the last has profiles.

    Raises:
        ValueError: `upto` is no tick, or not after the closed one.
    """
    memory = memories.load(state)
    options = Options(complete_from=complete_from, final=final, stats=stats)
    return advance_memory(plan, memory, signals, upto, options)


def advance_memory(
    plan: ContextPlan, memory: ShardState, signals: Sequence[pa.RecordBatch], upto: int, options: Options
) -> Advanced:
    """Advance what is decoded; see `advance`.

    Args:
        plan: The level's plan.
        memory: Changed in place.
        signals: As for `advance`.
        upto: As for `advance`.
        options: How; `part` if the memory is of those subjects only that a tick concerns.

    Raises:
        ValueError: as `advance`.
    """
    if upto % plan.grid.tick or (memory.closed is not None and upto <= memory.closed):
        raise ValueError(f"cannot advance to {upto}: it must be a tick after {memory.closed}")
    run = _begin(plan, memory, signals, upto, options)
    notices = run.routing.notices(run.span)
    run.points = evaluation_points(run)
    run_conditions(run)
    note_changes(run)
    left = plan_migration.left(plan, memory, run.migration)
    stats = SegmentStats(run, left)
    _note_wakes(run, stats)
    _commit(run)
    made, addressed = outputs(run, left, stats)
    facts = run.routing.facts(run.changes, run.span, run.migration) + notices
    forwarded = run.routing.forward(run.features, run.changes, run.points, addressed, run.span)
    run.routing.commit(addressed, forwarded)
    return _advanced(run, made, facts, forwarded.batches)


def note_unread(plan: ContextPlan, memory: ShardState, after: int) -> None:
    """Note whose contexts changed after a tick in what no condition reads: calls for a part do not look there."""
    assert memory.closed is not None, "there were calls"
    changed = memory.subjects["changed"].to_numpy().copy()
    for codes, ticks, needed in Features(plan, memory, NOBODY).changes(unread=True):
        if not needed:
            changed[codes[(ticks > after) & (ticks <= memory.closed)]] = True
    memory.subjects = memory.subjects.with_columns(changed=pl.Series(changed))


def _begin(
    plan: ContextPlan, memory: ShardState, signals: Sequence[pa.RecordBatch], upto: int, options: Options
) -> Run:
    """Take in the signals, and lay out what the conditions will look at."""
    span = Span(plan.grid, memory.closed, upto)
    if memory.closed is None:
        memory.complete_from = options.complete_from
    migration = plan_migration.adopt(plan, memory, span)
    liveness, signals = take_feeds(span, memory.down, signals)
    ingested = ingest(plan, memory, signals, upto)
    if not options.part:
        retention.compact(plan, memory)
    routing = group_routing(plan, memory, ingested, span, migration)
    features = Features(plan, memory, routing.leaves)
    matches = sequences.run_all(plan, memory, ingested, span, liveness, routing.leaves)
    wakes, periodic = Wakes(memory.subjects.height), Periodic(plan, memory, span)
    return Run(plan, memory, span, options, migration, liveness, ingested, routing, features, matches, wakes, periodic)


def _commit(run: Run) -> None:
    """Make the memory that of the end of the span."""
    plan, memory = run.plan, run.memory
    memory.subjects = memory.subjects.with_columns(changed=run.periodic.noted)
    memory.members = pl.concat([memory.members.clear(), *(change.members for change in run.changes.values())])
    memory.moments = pl.concat([memory.moments.clear(), *(one.memory for one in run.firings.values())])
    memory.steps = {name: table for one in run.matches.values() for name, table in one.tables.items()}
    memory.fading = {plan.keys[name]: one.kept for name, one in run.features.faded.items()}
    memory.closed, memory.down = run.span.upto, run.liveness.after
    if not run.options.part:
        retention.prune(plan, memory)


def _advanced(run: Run, outputs: Outputs, facts: list[pa.RecordBatch], forwarded: list[pa.RecordBatch]) -> Advanced:
    """Return what came of a call, without what was only needed within it."""
    return Advanced(
        outputs=outputs,
        facts=facts,
        forwarded=forwarded,
        counts=run.ingested.counts,
        waiting=[*run.ingested.waiting, *([] if run.options.final else run.liveness.waiting)],
        wakes=run.wakes,
        ingested=run.ingested,
        leaves=run.routing.leaves,
        memory=run.memory,
        plan=run.plan,
    )


def _note_wakes(run: Run, stats: SegmentStats) -> None:
    """Note when something can change without new signals, of what the conditions came to."""
    run.wakes.all_at(min(stats.wake, run.periodic.wake))
    timed = [*(one.wakes for one in run.firings.values()), *(one.wakes for one in run.features.faded.values())]
    for codes, ticks in (*timed, *(run.changes[segment.name].wakes(segment) for segment in run.plan.segments)):
        run.wakes.at(codes, ticks)
