"""A level of a shard laid out by subject, so that a few subjects can be taken out of it and put back."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import MEMBERS
from transforms.arrays.dtypes import Ints
from transforms.arrays.row_order import in_order
from transforms.context.advance import Advanced
from transforms.context.grid import NEVER
from transforms.context.live.subject_table import Chosen, SubjectTable, Taken
from transforms.context.state.shard_state import ShardState
from transforms.context.state.wakes import Wakes

KINDS = ("rows", "panes", "values", "steps", "fading", "groups", "notices")
SINGLE = ("seen", "members", "moments")
ADDED_TO = ("rows", "panes", "values", "seen")
"""Kinds of tables to which a call only adds; those of others it makes anew for the subjects that it advances."""

LEAST = 100_000
"""Added rows that are never too many."""


class BySubject:
    """What is remembered of each subject, under a code that stays its own.

    Attributes:
        memory: What is not about single subjects; its tables are empty.
        wakes: When something may change without new signals.
    """

    def __init__(self, memory: ShardState, wakes: Wakes) -> None:
        """Lay out a memory.

        Args:
            memory: Settled.
            wakes: By its codes; kept up with the calls that follow.
        """
        count = memory.subjects.height
        self.wakes = wakes
        self._subjects = memory.subjects["subject"]
        self._codes = {name: code for code, name in enumerate(self._subjects.to_list())}
        self._changed = memory.subjects["changed"].to_numpy().copy()
        named = memory.named()
        self._tables = {(kind, name): SubjectTable(named[kind][name], count) for kind in KINDS for name in named[kind]}
        for kind in SINGLE:
            self._tables[kind, ""] = SubjectTable(getattr(memory, kind).sort("code", maintain_order=True), count)
        self.memory = _emptied(memory)

    @property
    def outgrown(self) -> bool:
        """Whether so much was added that it is time to lay everything out anew."""
        laid, added = map(sum, zip(*(table.sizes for table in self._tables.values()), strict=True))
        return bool(added > max(laid, LEAST))

    def codes_of(self, signals: Sequence[pa.RecordBatch]) -> Ints:
        """Return the codes of those whom signals are about, as far as they are known."""
        found = [np.empty(0, np.int64)]
        for batch in signals:
            subjects = batch["subject"]
            subjects = subjects if pa.types.is_dictionary(subjects.type) else subjects.dictionary_encode()
            names = subjects.dictionary.to_pylist()
            found.append(np.fromiter(map(self._codes.get, names, repeat(-1)), np.int64, len(names)))
        codes = np.unique(np.concatenate(found))
        return codes[codes >= 0]

    def in_order(self, codes: Ints) -> Ints:
        """Return codes in the order of the subjects' names."""
        return codes[self._subjects.gather(codes).arg_sort().to_numpy()]

    def take(self, chosen: Chosen, signalled: Ints) -> ShardState:
        """Return the memory of some subjects; of ids that were seen, only those of the subjects of some codes."""
        names, changed = self._subjects.gather(chosen.codes), self._changed[chosen.codes]
        memory = replace(self.memory, subjects=pl.DataFrame({"subject": names, "changed": changed}))
        for kind in KINDS:
            tables = {name: table for (of, name), table in self._tables.items() if of == kind}
            setattr(memory, kind, Taken({n: partial(_in_time, kind, table, chosen) for n, table in tables.items()}))
        memory.members, memory.moments = (self._tables[kind, ""].of(chosen) for kind in ("members", "moments"))
        seen = self._tables["seen", ""].of(Chosen(signalled, len(self.wakes.ticks)))
        memory.seen = seen.with_columns(code=pl.Series(chosen.place[signalled[seen["code"].to_numpy()]]))
        return memory

    def put_back(self, chosen: Chosen, made: Advanced) -> None:
        """Keep what a call made of the subjects that were taken, and of new ones."""
        after = made.memory
        codes = self._codes_after(chosen, made)
        self.memory = _emptied(after)
        self.wakes.ticks[codes] = made.wakes.ticks
        self._changed[codes] = after.subjects["changed"].to_numpy()
        for name, added in made.ingested.rows.items():
            if name != MEMBERS:
                self._add(("rows", name), codes, added)
        self._add(("seen", ""), codes, made.ingested.seen)
        named = after.named()
        kinds = [kind for kind in KINDS if kind not in ADDED_TO]
        remade = {(kind, name): one for kind in kinds for name, one in named[kind].items()}
        remade |= {("members", ""): after.members, ("moments", ""): after.moments}
        remade |= {("rows", name): table for name, table in after.rows.items() if name == MEMBERS}
        self._replace(chosen, codes, remade)
        if made.leaves.height:
            left = np.unique(codes[made.leaves["code"].to_numpy()])
            self._replace_rows(Chosen(left, len(self.wakes.ticks)), codes, after)

    def whole(self) -> ShardState:
        """Return everything that is remembered, as a memory that is not settled."""
        order = self._subjects.arg_sort().to_numpy()
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        subjects = pl.DataFrame({"subject": self._subjects.gather(order), "changed": self._changed[order]})
        memory = replace(_emptied(self.memory), subjects=subjects)
        for (kind, name), laid_out in self._tables.items():
            table = _sorted(kind, laid_out.all(place))
            if name:
                getattr(memory, kind)[name] = table
            else:
                setattr(memory, kind, table)
        return memory

    def _codes_after(self, chosen: Chosen, made: Advanced) -> Ints:
        """Return the code of each subject of a call; new ones, who came between the others, get the highest."""
        new = np.unique(made.ingested.new[0])
        if not len(new):
            return chosen.codes
        known = np.ones(made.memory.subjects.height, bool)
        known[new] = False
        names = made.memory.subjects["subject"].gather(new)
        self._codes |= {name: len(self._subjects) + n for n, name in enumerate(names.to_list())}
        codes = np.empty(len(known), np.int64)
        codes[known], codes[new] = chosen.codes, np.arange(len(self._subjects), len(self._subjects) + len(new))
        self._subjects = pl.concat([self._subjects, names])
        self.wakes.ticks = np.append(self.wakes.ticks, np.full(len(new), NEVER))
        self._changed = np.append(self._changed, np.zeros(len(new), bool))
        return codes

    def _replace(self, chosen: Chosen, codes: Ints, tables: dict[tuple[str, str], pl.DataFrame]) -> None:
        """Put the tables of some subjects in the place of those that were there."""
        for key in {**self._tables, **tables}:
            if key[0] not in ADDED_TO or key == ("rows", MEMBERS):
                if key in self._tables:
                    self._tables[key].drop(chosen)
                if key in tables:
                    self._add(key, codes, [tables[key]])

    def _replace_rows(self, chosen: Chosen, codes: Ints, after: ShardState) -> None:
        """Do so with all rows of groups that somebody left."""
        for kind in ("rows", "panes", "values"):
            for name, table in after.named()[kind].items():
                if (kind, name) in self._tables and name != MEMBERS:
                    self._tables[kind, name].drop(chosen)
                    mine = chosen.place[codes[table["code"].to_numpy()]] >= 0
                    self._add((kind, name), codes, [table.filter(mine)])

    def _add(self, key: tuple[str, str], codes: Ints, tables: Sequence[pl.DataFrame]) -> None:
        for table in tables:
            if table.height:
                if key not in self._tables:
                    self._tables[key] = SubjectTable(table.clear(), 0)
                self._tables[key].add(table.with_columns(code=pl.Series(codes[table["code"].to_numpy()])))


def _emptied(memory: ShardState) -> ShardState:
    empty: dict[str, Any] = {kind: {} for kind in KINDS} | {kind: getattr(memory, kind).clear() for kind in SINGLE}
    return replace(memory, subjects=memory.subjects.clear(), **empty)


def _in_time(kind: str, table: SubjectTable, chosen: Chosen) -> pl.DataFrame:
    return _sorted(kind, table.of(chosen))


def _sorted(kind: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the order in which a call that takes them in leaves them."""
    if kind != "rows":
        return table
    tied = "source" in table.columns and "id" in table.columns
    return in_order(table, "code", "time") if tied else table.sort("code", "time", maintain_order=True)
