"""A level of a shard that stays decoded: a tick advances those whom it concerns, and nobody else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.compiler.context_plan import ContextPlan
from transforms.context.advance import Advanced, advance_memory, note_unread, settle
from transforms.context.grid import NEVER
from transforms.context.live.by_subject import BySubject
from transforms.context.live.subject_table import Chosen
from transforms.context.run import USUAL, Options
from transforms.context.state import shard_state as memories
from transforms.context.state.shard_state import ShardState
from transforms.context.state.wakes import Wakes

MOST = 0.25
"""Where a tick concerns a greater share of a shard, everybody is advanced: that is cheaper than to pick them out."""


class Resident:
    """What a shard remembers of one level, between ticks."""

    def __init__(self, memory: ShardState) -> None:
        """Hold a settled memory of which nobody knows who is due: the first tick concerns everybody."""
        self._memory, self._wakes = memory, Wakes(memory.subjects.height)
        self._wakes.all_at(-NEVER)
        self._plan: ContextPlan | None = None
        self._settled, self._laid, self._all_until = True, cast(BySubject | None, None), -NEVER

    @classmethod
    def load(cls, blob: bytes | None) -> "Resident":
        """Hold what `dump` gave, None at first."""
        return cls(memories.load(blob))

    def dump(self) -> bytes:
        """Return the state as a blob."""
        return memories.dump(self.memory())

    def memory(self) -> ShardState:
        """Return everything that is remembered, settled."""
        if self._laid is not None:
            assert self._plan is not None, "it was laid out for a call"
            return settle(self._plan, self._whole(self._plan, self._laid))
        self._settle()
        return self._memory

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        return self._wakes.first

    def advance(
        self,
        plan: ContextPlan,
        signals: Sequence[pa.RecordBatch],
        upto: int,
        options: Options = USUAL,
    ) -> Advanced:
        """Advance to a tick; see `transforms.context.advance`."""
        laid = None if options.final or self._concerns_all(plan, signals, upto) else self._lay_out()
        if laid is None or laid.outgrown:
            memory = self._memory if self._laid is None else self._whole(self._plan or plan, self._laid)
            made = advance_memory(plan, memory, signals, upto, options)
            self._memory, self._wakes, self._plan = made.memory, made.wakes, plan
            self._settled, self._laid = False, None
            return made
        signalled = laid.codes_of(signals)
        due = np.flatnonzero(self._wakes.ticks <= upto)
        chosen = Chosen(laid.in_order(np.union1d(due, signalled)), len(self._wakes.ticks))
        made = advance_memory(plan, laid.take(chosen, signalled), signals, upto, replace(options, part=True))
        laid.put_back(chosen, made)
        self._wakes.all_at(made.wakes.everybody)
        if signals:  # what no condition reads has changed, too
            self._wakes.all_at(self._next_written(plan))
        return made

    def _concerns_all(self, plan: ContextPlan, signals: Sequence[pa.RecordBatch], upto: int) -> bool:
        """Tell whether a tick concerns everybody, or nearly so."""
        if upto >= self._wakes.everybody or not all("subject" in batch.schema.names for batch in signals):
            return True
        if plan is not self._plan or (signals and upto >= self._next_written(plan)):
            return True  # who is due was said by another plan, or everybody may be
        due = np.count_nonzero(self._wakes.ticks <= upto)
        return bool(due + sum(map(_subjects, signals)) > MOST * len(self._wakes.ticks))

    def _lay_out(self) -> BySubject:
        if self._laid is None:
            self._settle()
            assert self._memory.closed is not None, "everybody is advanced first"
            self._laid, self._all_until = BySubject(self._memory, self._wakes), self._memory.closed
            self._memory = self._laid.memory
        return self._laid

    def _whole(self, plan: ContextPlan, laid: BySubject) -> ShardState:
        memory = laid.whole()
        note_unread(plan, memory, self._all_until)
        return memory

    def _settle(self) -> None:
        """Bring the memory into its one form, and the wakes along."""
        if not self._settled and self._plan is not None:
            self._memory.subjects = self._memory.subjects.with_columns(wake=pl.Series(self._wakes.ticks))
            subjects = settle(self._plan, self._memory).subjects
            self._wakes.ticks, self._memory.subjects = subjects["wake"].to_numpy().copy(), subjects.drop("wake")
            self._settled = True

    @property
    def _head(self) -> ShardState:
        """What is not about single subjects."""
        return self._memory if self._laid is None else self._laid.memory

    def _next_written(self, plan: ContextPlan) -> int:
        """Return the next tick at which contexts are written unasked."""
        assert self._head.closed is not None, "everybody is advanced first"
        return (self._head.closed // plan.contexts_every + 1) * plan.contexts_every


def _subjects(batch: pa.RecordBatch) -> int:
    """Return how many subjects a batch is about, or a greater number."""
    subjects = batch["subject"]
    return len(subjects.dictionary) if pa.types.is_dictionary(subjects.type) else len(subjects)
