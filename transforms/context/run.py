"""One call of the kernel: what it is given, and what each step adds, in the order in which a signal passes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from transforms.compiler.context_plan import ContextPlan
from transforms.context.conditions.moments import Firings
from transforms.context.conditions.segments import MembershipChanges
from transforms.context.conditions.sequences import SequenceMatches
from transforms.context.emit.periodic import Periodic
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.features.windows import Features
from transforms.context.grid import Span
from transforms.context.groups.routing import GroupRouting
from transforms.context.ingest.ingest import Ingested
from transforms.context.ingest.source_liveness import Feeds
from transforms.context.state.plan_migration import PlanMigration
from transforms.context.state.shard_state import ShardState
from transforms.context.state.wakes import Wakes


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a call is made.

    Attributes:
        complete_from: For a first call: since when the input is complete, None for ever.
        final: Whether this ends the run: every known subject's context is written.
        stats: Widths of the windows in which to tell of segments, milliseconds, ascending; the last has profiles.
        salt: Of what is kept of those who are erased; always the same, and needed where there are erasures.
        part: Whether the state is of those subjects only that a tick concerns, and nothing of it is tidied up.
    """

    complete_from: int | None = None
    final: bool = False
    stats: Sequence[int] = ()
    salt: bytes = b""
    part: bool = False


USUAL = Options()


@dataclass
class Run:
    """One call.

    Attributes:
        plan: The level's plan.
        memory: What the shard remembers: ingest adds to it, and a commit makes it that of the span's end.
        span: The ticks of the call.
        options: How the call is made.
        migration: What is different at the first tick, if another plan made the state.
        liveness: From when to when sources were down.
        ingested: What became of the signals.
        routing: What groups mean to the call.
        features: Over the rows of the span.
        matches: What sequences of signals were completed, by moment.
        wakes: When something can change without new signals.
        periodic: Which contexts are written unasked.
        points: Where conditions are evaluated.
        changes: What happened to memberships, by segment.
        firings: What happened to moments, by moment.
    """

    plan: ContextPlan
    memory: ShardState
    span: Span
    options: Options
    migration: PlanMigration | None
    liveness: Feeds
    ingested: Ingested
    routing: GroupRouting
    features: Features
    matches: dict[str, SequenceMatches]
    wakes: Wakes
    periodic: Periodic
    points: EvaluationPoints = field(init=False)
    changes: dict[str, MembershipChanges] = field(init=False, default_factory=dict)
    firings: dict[str, Firings] = field(init=False, default_factory=dict)
