"""The ledgers of a shard, decoded: a call decides for the contact roots that it concerns, and for nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import EVERYBODY
from transforms.arrays.dtypes import Ints
from transforms.arrays.hashing import Hashes
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision import ledger_state as memories
from transforms.decision.decide import Decided, decide
from transforms.decision.ledger_state import LedgerState
from transforms.decision.notices import take_notices, to_keep
from transforms.decision.root_table import RootTable, are_among, keys_of

MOST = 0.25
"""Where a call concerns a greater share of a shard, it is about everybody: that is cheaper than to pick them out."""
_EVERYBODY = keys_of(pa.table({"root_kind": [EVERYBODY], "root": [EVERYBODY]}))


@dataclass(frozen=True)
class _Due:
    """When contact roots, by their keys, are to be looked at next."""

    keys: Hashes
    ticks: Ints

    @classmethod
    def of(cls, due: pl.DataFrame) -> "_Due":
        """Return it of columns root_kind, root, tick."""
        return cls(keys_of(due.to_arrow(compat_level=pl.CompatLevel.oldest())), due["tick"].to_numpy())

    @property
    def first(self) -> int | None:
        """The first tick of all, None for none."""
        return int(self.ticks.min()) if len(self.ticks) else None

    def instead(self, roots: Hashes, due: "_Due") -> "_Due":
        """Return it with what is known now of some roots."""
        others = ~are_among(self.keys, roots)
        return _Due(np.append(self.keys[others], due.keys), np.append(self.ticks[others], due.ticks))


class Ledgers:
    """What the contact roots of a shard remember between calls, and who is due when."""

    def __init__(self, memory: LedgerState) -> None:
        """Hold a memory of which nobody knows who is due: the first call concerns everybody."""
        self.hold(memory)

    @classmethod
    def load(cls, blob: bytes | None) -> "Ledgers":
        """Hold what `dump` gave, None at first."""
        return cls(memories.load(blob))

    def dump(self) -> bytes:
        """Return the state as a blob, and forget what is not in it: what no later tick can see."""
        self._memory = self.memory()
        self._laid.clear()
        return memories.dump(self._memory)

    @property
    def closed(self) -> int | None:
        """The last tick that was decided, None before the first."""
        return self._memory.closed

    @property
    def waiting(self) -> int:
        """How many triggers wait for a gate to open, or for what is on own channels to lapse."""
        return len(self.memory().deferred or ())

    def memory(self) -> LedgerState:
        """Return all that a later tick can see, in no order of contact roots."""
        if self._plan is None or not self._laid:
            return self._memory
        whole = self._memory.with_tables({name: table.whole() for name, table in self._laid.items()})
        assert whole.closed is not None, "everybody was decided for first"
        notices = to_keep(self._plan, take_notices(self._plan, whole.notices), whole.closed)
        return memories.retained(self._plan, replace(whole, notices=notices))

    def hold(self, memory: LedgerState) -> None:
        """Remember something else, of which nobody knows who is due."""
        self._memory, self._laid = memory, dict[str, RootTable]()
        self._due: _Due | None = None
        self._plan: OfferPlan | None = None

    def decide(self, plan: OfferPlan, batches: Sequence[pa.RecordBatch], upto: int) -> Decided:
        """Answer the triggers of every tick up to `upto`; see `transforms.decision.decide`."""
        due, roots = self._due, self._concerned(plan, batches, upto)
        if due is None or roots is None:
            decided = decide(plan, self.memory(), batches, upto)
            self.hold(decided.ledger)
            self._due, self._plan = _Due.of(decided.due), plan
            return decided
        before = self._of(roots)
        decided = decide(plan, memories.retained(plan, before), batches, upto)
        self._put(roots, before, decided.ledger)
        self._due = due.instead(roots, _Due.of(decided.due))
        wakes = [tick for tick in (decided.wake, self._due.first) if tick is not None]
        return replace(decided, wake=min(wakes, default=None))

    def _concerned(self, plan: OfferPlan, batches: Sequence[pa.RecordBatch], upto: int) -> Hashes | None:
        """Return the contact roots that a call concerns, and `EVERYBODY`, sorted; None if it concerns all."""
        if self._due is None or self._memory.playbook_hash != plan.playbook_hash:
            return None
        given = [np.empty(0, np.uint64), *map(keys_of, batches)]
        told = np.unique(np.concatenate([*given, self._due.keys[self._due.ticks <= upto]]))
        if are_among(_EVERYBODY, told).any() or len(told) > MOST * self._size:
            return None
        return np.union1d(told, _EVERYBODY)

    @property
    def _size(self) -> int:
        """The rows of the largest table."""
        tables = self._laid or self._memory.tables()
        return max(map(len, tables.values()))

    def _of(self, roots: Hashes) -> LedgerState:
        """Return what some contact roots remember."""
        if not self._laid:
            self._laid = {name: RootTable(table) for name, table in self._memory.tables().items()}
            self._memory = self._memory.with_tables({})
        return self._memory.with_tables({name: table.of(roots) for name, table in self._laid.items()})

    def _put(self, roots: Hashes, before: LedgerState, after: LedgerState) -> None:
        """Remember what became of some contact roots."""
        self._memory, known = after.with_tables({}), before.tables()
        for name, table in after.tables().items():
            if not table.equals(known[name]):
                self._laid[name].put(roots, table)
                if self._laid[name].outgrown:
                    self._laid[name] = RootTable(self._laid[name].whole())
