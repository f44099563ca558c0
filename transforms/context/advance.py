"""Advance a shard's contexts over every tick of a span at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.steps import WITHOUT
from transforms.context.conditions import sequences
from transforms.context.conditions.moments import Firings
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.conditions.sequences import SequenceMatches
from transforms.context.conditions.strata import run_conditions
from transforms.context.emit.outputs import Outputs, outputs
from transforms.context.emit.periodic import Periodic
from transforms.context.emit.segment_stats import SegmentStats
from transforms.context.features import intervals
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of, without_repeats
from transforms.context.features.windows import Features, ready_at
from transforms.context.grid import NEVER, Ints, Span
from transforms.context.groups.routing import NOBODY, group_routing
from transforms.context.ingest.ingest import Ingested, ingest
from transforms.context.ingest.source_liveness import Feeds, take_feeds
from transforms.context.state import plan_migration as changing
from transforms.context.state import retention
from transforms.context.state import shard_state as memories
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState
from transforms.context.state.wakes import Wakes


@dataclass(frozen=True)
class Advanced:
    """What came of one call.

    Attributes:
        outputs: Triggers, transitions, contexts and rejected rows.
        facts: What contact roots are told of memberships, as `schemas.records.FACT`.
        told: What subscribers tell their groups, as signal batches about these.
        counts: Rows applied, of these late; duplicates; rejected; pending.
        waiting: Rows of later ticks, to be given again.
        wakes: When something can change without new signals, by the codes of `memory`.
        intake: What became of the signals.
        leaves: Which members left groups: code, member, tick.
        memory: Everything that is remembered, not settled.
    """

    outputs: Outputs
    facts: list[pa.RecordBatch]
    told: list[pa.RecordBatch]
    counts: dict[str, int]
    waiting: list[pa.RecordBatch]
    wakes: Wakes
    intake: Ingested = field(repr=False)
    leaves: pl.DataFrame = field(repr=False)
    memory: ShardState = field(repr=False)
    _plan: ContextPlan = field(repr=False)

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        return self.wakes.first

    @cached_property
    def state(self) -> bytes:
        """The shard's state for the next call."""
        return memories.dump(settle(self._plan, self.memory))


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
    pulse: Sequence[int] = (),
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
        pulse: Widths of the windows in which to tell of segments, milliseconds, ascending; the last has portraits.

    Raises:
        ValueError: `upto` is no tick, or not after the closed one.
    """
    memory = memories.load(state)
    return advance_memory(plan, memory, signals, upto, complete_from=complete_from, final=final, pulse=pulse)


def advance_memory(
    plan: ContextPlan,
    memory: ShardState,
    signals: Sequence[pa.RecordBatch],
    upto: int,
    *,
    complete_from: int | None = None,
    final: bool = False,
    pulse: Sequence[int] = (),
    part: bool = False,
) -> Advanced:
    """Advance what is decoded; see `advance`.

    Args:
        plan: The level's plan.
        memory: Changed in place.
        signals: As for `advance`.
        upto: As for `advance`.
        complete_from: As for `advance`.
        final: As for `advance`.
        pulse: As for `advance`.
        part: Whether the memory is of those subjects only that a tick concerns, and nothing of it is tidied up.

    Raises:
        ValueError: as `advance`.
    """
    if upto % plan.grid.tick or (memory.closed is not None and upto <= memory.closed):
        raise ValueError(f"cannot advance to {upto}: it must be a tick after {memory.closed}")
    if memory.closed is None:
        memory.complete_from = complete_from
    span = Span(plan.grid, memory.closed, upto)
    change = changing.adopt(plan, memory, span)
    feeds, signals = take_feeds(span, memory.down, signals)
    intake = ingest(plan, memory, signals, upto)
    if not part:
        retention.compact(plan, memory)
    company = group_routing(plan, memory, intake, span)
    features = Features(plan, memory, company.leaves)
    done = _sequences(plan, memory, intake, span, feeds, company.leaves)
    asked = np.concatenate([company.asked, *(one.points.keys(plan.grid) for one in done.values())])
    due, wakes = Periodic(plan, memory, span), Wakes(memory.subjects.height)
    points = _points(plan, memory, features, intake, span, asked, change, due, wakes, part)
    changes, fired, points = run_conditions(plan, memory, features, span, points, company, change, done)
    for one in features.faded.values():
        due.changed(one.falls.codes, one.falls.ticks)
    for tick in (tick for tick in _ready(plan, memory) if span.first <= tick <= span.upto):
        there = _there(plan, memory, features, span, changes, tick)
        due.changed(there, np.full(len(there), tick))
    written = due.close()
    gone = changing.left(plan, memory, span)
    turns = {name: one.events for name, one in changes.items()} | changing.by_segment(gone)
    beat = SegmentStats(plan, features, span, turns, memory, pulse, final)
    _store(memory, changes, fired)
    memory.fading = {plan.keys[name]: one.kept for name, one in features.faded.items()}
    memory.closed, memory.down = upto, feeds.after
    if not part:
        retention.prune(plan, memory)
    wakes.all_at(min(beat.wake, due.wake))
    timed = [*(one.wakes for one in fired.values()), *(one.wakes for one in features.faded.values())]
    for codes, ticks in (*timed, *(changes[segment.name].wakes(segment) for segment in plan.segments)):
        wakes.at(codes, ticks)
    made = outputs(plan, memory, features, intake, span, changes, fired, written, gone, change, beat, final, company)
    facts = company.facts(changes, span, change)
    waiting = [*intake.waiting, *([] if final else feeds.waiting)]
    told = company.tell(features, changes, points)
    return Advanced(made, facts, told, intake.counts, waiting, wakes, intake, company.leaves, memory, plan)


def note_unread(plan: ContextPlan, memory: ShardState, after: int) -> None:
    """Note whose contexts changed after a tick in what no condition reads: calls for a part do not look there."""
    assert memory.closed is not None, "there were calls"
    changed = memory.subjects["changed"].to_numpy().copy()
    for codes, ticks, needed in Features(plan, memory, NOBODY).changes(unread=True):
        if not needed:
            changed[codes[(ticks > after) & (ticks <= memory.closed)]] = True
    memory.subjects = memory.subjects.with_columns(changed=pl.Series(changed))


def _sequences(
    plan: ContextPlan, memory: ShardState, intake: Ingested, span: Span, feeds: Feeds, leaves: pl.DataFrame
) -> dict[str, SequenceMatches]:
    """Run the sequences of all moments that have one; the tables of others are gone."""
    before, memory.steps = memory.steps, {}
    done = {}
    for moment in plan.moments:
        if moment.sequence:
            gaps = feeds.gaps({step.signal for step in moment.sequence.steps if step.part == WITHOUT})
            made = sequences.run(moment.sequence, span, plan.allowed_lateness, before, intake.steps, gaps, leaves)
            done[moment.name] = made
            memory.steps |= made.tables
    return done


def _points(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    intake: Ingested,
    span: Span,
    asked: Ints,
    change: PlanMigration | None,
    due: Periodic,
    wakes: Wakes,
    part: bool,
) -> EvaluationPoints:
    """Return where conditions may change or are asked for; note where contexts change, and when they next may."""
    grid = plan.grid
    new, first_ticks = intake.new
    since = np.zeros(memory.subjects.height, np.int64)
    since[new] = first_ticks
    known = np.flatnonzero(since < span.first) if change else new[:0]
    keys = [
        keys_of(grid, known, np.full(len(known), span.first)),
        keys_of(grid, new, np.maximum(first_ticks, span.first)),
        keys_of(grid, intake.late, np.full(len(intake.late), span.first)),
        asked,
    ]
    due.changed(known, np.full(len(known), span.first))
    due.changed(intake.late, np.full(len(intake.late), span.first))
    for codes, ticks, needed in features.changes(unread=not part):
        later = ticks > span.upto
        within = (ticks >= span.first) & ~later
        due.changed(codes[within], ticks[within])
        if needed:
            keys.append(without_repeats(keys_of(grid, codes[within], ticks[within])))
            wakes.at(codes[later], ticks[later])
        else:
            wakes.all_at(due.at(int(ticks[later].min(initial=NEVER))))
    for tick in (tick for tick in _ready(plan, memory) if tick >= span.first):
        codes = np.flatnonzero(since <= tick)
        if tick <= span.upto:
            keys.append(keys_of(grid, codes, np.full(len(codes), tick)))
        elif len(codes):
            wakes.all_at(tick)
    return points_of(grid, np.concatenate(keys))


def _ready(plan: ContextPlan, memory: ShardState) -> list[int]:
    """Return the ticks at which features become complete."""
    return sorted({plan.grid.at_least(at) for f in plan.features if (at := ready_at(memory, f)) is not None})


def _there(
    plan: ContextPlan,
    memory: ShardState,
    features: Features,
    span: Span,
    changes: Mapping[str, MembershipChanges],
    tick: int,
) -> Ints:
    """Return who has a row in some window, or is in some segment, at a tick: others may have been forgotten."""
    codes = np.arange(memory.subjects.height)
    points = EvaluationPoints(codes, np.full(len(codes), tick))
    there = np.zeros(len(codes), bool)
    there[intervals.pairs_at(intervals.of_rows(features, span), np.array([tick]))[0]] = True
    for change in changes.values():
        there |= change.member_at(plan.grid, points)
    return np.flatnonzero(there)


def _store(memory: ShardState, changes: dict[str, MembershipChanges], fired: dict[str, Firings]) -> None:
    memory.members = pl.concat([memory.members.clear(), *(change.members for change in changes.values())])
    memory.moments = pl.concat([memory.moments.clear(), *(one.memory for one in fired.values())])
