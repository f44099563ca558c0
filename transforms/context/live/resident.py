"""A shard of one level that stays decoded: a tick advances those whom it concerns, and nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import MEMBERS
from transforms.context.advance import Advanced, advance_memory
from transforms.context.live.shelf import Chosen, Shelf, Taken
from transforms.context.memory import Memory, Tables
from transforms.context.plan.context_plan import ContextPlan
from transforms.context.segments import NEVER
from transforms.context.ticks import LAST, Ints
from transforms.context.ties import in_order

MOST = 0.25
"""Where a tick concerns a greater share of a shard, everybody is advanced: that is cheaper than to pick them out."""

BY_TIME = ("rows", "panes", "values", "seen")
"""Kinds of tables to which a call only adds; those of others it makes anew for the subjects that it advances."""

Key = tuple[str, str]


class Resident:
    """What a shard remembers of one level, between ticks.

    Attributes:
        memory: What is not about single subjects; its tables are empty.
    """

    def __init__(self, plan: ContextPlan, memory: Memory) -> None:
        """Lay out a memory in which nothing is known of who is due: the first tick concerns everybody.

        Args:
            plan: The level's plan.
            memory: Settled.
        """
        self._plan = plan
        self._lay_out(memory, np.full(memory.subjects.height, -NEVER), -NEVER)

    def advance(self, signals: Sequence[pa.RecordBatch], upto: int, pulse: Sequence[int] = ()) -> Advanced:
        """Advance to a tick; see `advance`."""
        codes = self._concerned(signals, upto)
        if codes is None:
            return self._advance_all(signals, upto, pulse)
        chosen = Chosen(codes, len(self._wakes))
        made = advance_memory(self._plan, self._take(chosen, signals), signals, upto, pulse=pulse, part=True)
        self._put_back(chosen, made, signals)
        return made

    @property
    def wake(self) -> int | None:
        """The next tick at which something can change without new signals."""
        wake = min(int(self._wakes.min(initial=NEVER)), self._everybody)
        return None if wake > LAST else wake

    def whole(self) -> Memory:
        """Return everything that is remembered; it is to be advanced, or settled, and then laid out again."""
        names = self._subjects.sort()
        order = self._subjects.arg_sort().to_numpy()
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        memory = replace(self.memory, subjects=pl.DataFrame({"subject": names, "changed": self._changed[order]}))
        memory = replace(memory, rows={}, panes={}, values={}, steps={}, fading={}, groups={})
        for (kind, name), shelf in self._shelves.items():
            _put(memory, kind, name, _in_time(kind, shelf.all(place)))
        return memory

    def _concerned(self, signals: Sequence[pa.RecordBatch], upto: int) -> Ints | None:
        """Return the codes of those whom a tick concerns, by name; None for everybody."""
        plan, memory = self._plan, self.memory
        if memory.closed is None or memory.definitions != plan.keys or not all(map(_has_subjects, signals)):
            return None
        if upto >= self._everybody or (signals and upto >= self._next_written):
            return None
        due = np.flatnonzero(self._wakes <= upto)
        codes = np.union1d(due, np.fromiter(self._known(signals), np.int64))
        if len(codes) > MOST * len(self._wakes):
            return None
        return codes[self._subjects.gather(codes).arg_sort().to_numpy()]

    @property
    def _next_written(self) -> int:
        """The next tick at which contexts are written unasked."""
        assert self.memory.closed is not None, "everybody is advanced first"
        return (self.memory.closed // self._plan.contexts_every + 1) * self._plan.contexts_every

    def _known(self, signals: Sequence[pa.RecordBatch]) -> Iterator[int]:
        """Yield the codes of those whom signals are about, as far as they are known."""
        for batch in signals:
            subjects = batch["subject"]
            subjects = subjects if pa.types.is_dictionary(subjects.type) else subjects.dictionary_encode()
            yield from (code for name in subjects.dictionary.to_pylist() if (code := self._codes.get(name)) is not None)

    def _take(self, chosen: Chosen, signals: Sequence[pa.RecordBatch]) -> Memory:
        """Return the memory of some subjects."""
        subjects = self._subjects.gather(chosen.codes)
        memory = replace(self.memory, subjects=pl.DataFrame({"subject": subjects, "changed": self._changed[chosen.codes]}))
        for kind in ("rows", "panes", "values", "steps", "fading", "groups"):
            sources = {
                name: partial(lambda kind, shelf: _in_time(kind, shelf.of(chosen)), kind, shelf)
                for (of, name), shelf in self._shelves.items()
                if of == kind
            }
            setattr(memory, kind, Taken(sources, {}))
        for kind in ("members", "moments"):
            setattr(memory, kind, self._shelves[kind, ""].of(chosen))
        told = Chosen(np.unique(np.fromiter(self._known(signals), np.int64)), len(self._wakes))
        seen = self._shelves["seen", ""].of(told)
        memory.seen = seen.with_columns(code=pl.Series(chosen.place[told.codes[seen["code"].to_numpy()]]))
        return memory

    def _put_back(self, chosen: Chosen, made: Advanced, signals: Sequence[pa.RecordBatch]) -> None:
        """Keep what a call made of some subjects."""
        after = made.memory
        codes = self._name(after.subjects["subject"])
        self.memory = replace(after, **{kind: {} for kind in after.named()}, subjects=self.memory.subjects)
        self.memory.seen, self.memory.members, self.memory.moments = self.memory.seen[:0], after.members[:0], after.moments[:0]
        self._wakes[codes] = made.wakes.ticks
        self._changed[codes] = after.subjects["changed"].to_numpy()
        self._everybody = min(self._everybody, made.wakes.everybody)
        if signals:  # what no condition reads has changed, too
            self._everybody = min(self._everybody, self._next_written)
        for name, added in made.intake.rows.items():
            if name != MEMBERS:
                self._add("rows", name, codes, added)
        self._add("seen", "", codes, made.intake.seen)
        kept = {kind: after.named()[kind] for kind in ("steps", "fading", "groups")}
        tables: dict[Key, pl.DataFrame] = {(kind, name): t for kind, named in kept.items() for name, t in named.items()}
        tables |= {("members", ""): after.members, ("moments", ""): after.moments}
        if MEMBERS in after.rows:
            tables["rows", MEMBERS] = after.rows[MEMBERS]
        self._replace(chosen, codes, tables)
        left = made.leaves
        if left.height:
            gone = Chosen(np.unique(codes[left["code"].to_numpy()]), len(self._wakes))
            self._replace_rows(gone, codes, after)

    def _replace(self, chosen: Chosen, codes: Ints, tables: dict[Key, pl.DataFrame]) -> None:
        """Put the tables of some subjects in the place of those that were there."""
        for key in {**self._shelves, **tables}:
            if key[0] not in BY_TIME or key == ("rows", MEMBERS):
                if key in self._shelves:
                    self._shelves[key].drop(chosen)
                if key in tables:
                    self._add(*key, codes, [tables[key]])

    def _replace_rows(self, chosen: Chosen, codes: Ints, after: Memory) -> None:
        """Do so with all rows of groups that somebody left."""
        for kind in ("rows", "panes", "values"):
            for name, table in after.named()[kind].items():
                if (kind, name) in self._shelves and name != MEMBERS:
                    self._shelves[kind, name].drop(chosen)
                    mine = chosen.place[codes[table["code"].to_numpy()]] >= 0
                    self._add(kind, name, codes, [table.filter(mine)])

    def _add(self, kind: str, name: str, codes: Ints, tables: Sequence[pl.DataFrame]) -> None:
        for table in tables:
            if table.height:
                if (kind, name) not in self._shelves:
                    self._shelves[kind, name] = Shelf(table.clear(), 0)
                self._shelves[kind, name].add(table.with_columns(code=pl.Series(codes[table["code"].to_numpy()])))

    def _name(self, subjects: pl.Series) -> Ints:
        """Return the codes of subjects, new ones among them."""
        names = subjects.to_list()
        new = [name for name in names if name not in self._codes]
        if new:
            self._codes |= {name: len(self._subjects) + n for n, name in enumerate(new)}
            self._subjects = self._subjects.append(pl.Series(new, dtype=pl.String))
            self._wakes = np.append(self._wakes, np.full(len(new), NEVER))
            self._changed = np.append(self._changed, np.zeros(len(new), bool))
        return np.fromiter((self._codes[name] for name in names), np.int64, len(names))

    def _advance_all(self, signals: Sequence[pa.RecordBatch], upto: int, pulse: Sequence[int]) -> Advanced:
        """Advance everybody, and lay everything out anew."""
        made = advance_memory(self._plan, self.whole(), signals, upto, pulse=pulse)
        memory = made.memory
        memory.subjects = memory.subjects.with_columns(wake=pl.Series(made.wakes.ticks))
        wakes = made.settle().subjects["wake"].to_numpy().copy()
        memory.subjects = memory.subjects.drop("wake")
        self._lay_out(memory, wakes, made.wakes.everybody)
        return made

    def _lay_out(self, memory: Memory, wakes: Ints, everybody: int) -> None:
        count = memory.subjects.height
        self._subjects = memory.subjects["subject"]
        self._codes = {name: code for code, name in enumerate(self._subjects.to_list())}
        self._changed = memory.subjects["changed"].to_numpy().copy()
        self._wakes, self._everybody = wakes, everybody
        self._shelves: dict[Key, Shelf] = {
            (kind, name): Shelf(table, count) for kind, tables in memory.named().items() for name, table in tables.items()
        }
        for kind, table in (("seen", memory.seen), ("members", memory.members), ("moments", memory.moments)):
            self._shelves[kind, ""] = Shelf(table.sort("code", maintain_order=True), count)
        self.memory = replace(memory, subjects=memory.subjects.clear(), **{kind: {} for kind in memory.named()})
        self.memory.seen, self.memory.members, self.memory.moments = (
            memory.seen.clear(), memory.members.clear(), memory.moments.clear(),
        )


def _has_subjects(batch: pa.RecordBatch) -> bool:
    """Tell whether a batch is about single subjects; that a feed is down is about everybody."""
    return "subject" in batch.schema.names


def _in_time(kind: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the order in which a call that takes them in leaves them."""
    if kind != "rows":
        return table
    ties = [name for name in ("source", "id") if name in table.columns]
    return in_order(table, "code", "time") if len(ties) == 2 else table.sort("code", "time", maintain_order=True)


def _put(memory: Memory, kind: str, name: str, table: pl.DataFrame) -> None:
    if name:
        tables: Tables = getattr(memory, kind)
        tables[name] = table
    else:
        setattr(memory, kind, table)
