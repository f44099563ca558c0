"""When contexts are written unasked: at the multiples of `contexts_every`, if they changed since the one before."""

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Ints
from transforms.compiler.context_plan import ContextPlan
from transforms.context.features.timeline import EvaluationPoints, keys_of, points_of, without_repeats
from transforms.context.grid import NEVER, Span
from transforms.context.state.shard_state import ShardState


class Periodic:
    """Collects the changes of one call; what changed after the last multiple is noted in the memory."""

    def __init__(self, plan: ContextPlan, memory: ShardState, span: Span) -> None:
        """Start with what the memory has noted."""
        self._grid, self._every, self._span = plan.grid, plan.contexts_every, span
        noted = np.flatnonzero(memory.subjects["changed"].to_numpy())
        self._flags = np.zeros(memory.subjects.height, bool)
        self._keys = [np.empty(0, np.int64)]
        self.changed(noted, np.full(len(noted), span.first))

    def changed(self, codes: Ints, ticks: Ints) -> None:
        """Note that contexts changed at ticks of the span."""
        due = -(-ticks // self._every) * self._every
        now = due <= self._span.upto
        if now.any():
            self._keys.append(without_repeats(keys_of(self._grid, codes[now], due[now])))
        self._flags[codes[~now]] = True

    @property
    def points(self) -> EvaluationPoints:
        """What is due in the span."""
        return points_of(self._grid, np.concatenate(self._keys))

    @property
    def noted(self) -> pl.Series:
        """Of each subject, whether its context changed after the last multiple."""
        return pl.Series(self._flags)

    @property
    def wake(self) -> int:
        """The next tick at which something is due, `NEVER` if nothing is noted."""
        return self.at(self._span.end) if self._flags.any() else NEVER

    def at(self, tick: int) -> int:
        """Return the multiple at which a change at a tick is written."""
        return -(-tick // self._every) * self._every if tick < NEVER else NEVER
