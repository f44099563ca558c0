"""Advance the contexts of a shard's subjects of several kinds, each by the plan of its level."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import pyarrow as pa

from transforms.context.advance import Advanced, advance
from transforms.context.definitions import ContextPlan
from transforms.context.forwarding import FLOOR


class _State(msgspec.Struct, array_like=True):
    closed: int
    levels: list[bytes]


@dataclass(frozen=True)
class AdvancedLevels:
    """What came of one call.

    Attributes:
        made: In the order of ticks, of each level one or more.
        upto: The last tick.
        next_version: The tick at which another version of the playbook takes over, None for never.
        held: Late rows from where a later tick was closed already.
    """

    made: Sequence[Sequence[Advanced]]
    upto: int
    next_version: int | None = None
    held: Sequence[pa.RecordBatch] = ()

    @property
    def every(self) -> list[Advanced]:
        """All that came of the call."""
        return [advanced for level in self.made for advanced in level]

    @property
    def waiting(self) -> list[pa.RecordBatch]:
        """Rows of later ticks, to be given again."""
        return [*self.held, *(batch for level in self.made for batch in level[-1].waiting)]

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        ticks = [self.next_version, *(level[-1].wake for level in self.made)]
        return min((tick for tick in ticks if tick is not None), default=None)

    @cached_property
    def state(self) -> bytes:
        """The shard's state for the next call."""
        return msgspec.msgpack.encode(_State(self.upto, [level[-1].state for level in self.made]))


def advance_levels(
    plans: Sequence[ContextPlan],
    state: bytes | None,
    batches: Sequence[pa.RecordBatch],
    upto: int,
    *,
    complete_from: int | None = None,
    final: bool = False,
    pulse: Sequence[int] = (),
) -> AdvancedLevels:
    """Advance each level to a tick; see `advance`.

    Rows that were late where they came from act at the tick after the one that was closed there, so what was due
    until then comes first.

    Args:
        plans: The levels, always in the same order.
        state: What the call before returned, None at first.
        batches: Signal batches with `subject_kind` in their metadata.
        upto: A tick after those of the calls before.
        complete_from: For a first call: since when the input is complete, None for ever.
        final: Whether this ends the run.
        pulse: Widths of the windows in which to tell of segments.
    """
    before = None if state is None else msgspec.msgpack.decode(state, type=_State)
    blobs = [None] * len(plans) if before is None else before.levels
    made = []
    for plan, blob in zip(plans, blobs, strict=True):
        mine = [batch for batch in batches if batch.schema.metadata[b"subject_kind"] == plan.level.encode()]
        floors = {_floor(batch) for batch in mine}
        ends = sorted(floor for floor in floors if (-1 if before is None else before.closed) < floor < upto)
        level: list[Advanced] = []
        for end in (*ends, upto):
            due = [batch for batch in mine if _floor(batch) < end]
            state = level[-1].state if level else blob
            ends_run = final and end == upto
            level.append(advance(plan, state, due, end, complete_from=complete_from, final=ends_run, pulse=pulse))
            mine = [*level[-1].waiting, *(batch for batch in mine if _floor(batch) >= end)]
        made.append(level)
    return AdvancedLevels(made, upto, held=[batch for batch in batches if _floor(batch) >= upto])


def _floor(batch: pa.RecordBatch) -> int:
    """Return the tick that was closed where late rows came from; -1 for others."""
    return int(batch.schema.metadata.get(FLOOR, -1))
