"""The state of one shard of contexts, in memory and as a blob."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.plain_arrow import unmasked
from transforms.arrays.row_order import in_order
from transforms.blobs import table_blob

KIND = "contexts"

SEEN = {"code": pl.Int64, "hash": pl.UInt64, "time": pl.Int64}
MEMBERS = {
    "code": pl.Int64,
    "segment": pl.String,
    "entered": pl.Int64,
    "last_true": pl.Int64,
    "enter": pl.Boolean,
    "exit": pl.Boolean,
}
DOWN = {"signal": pl.String, "source": pl.String}
MOMENTS = {"code": pl.Int64, "moment": pl.String, "since": pl.Int64, "fired": pl.Int64}

MOST_SUBJECTS = 2**23
"""How many subjects a shard has room for; see `timeline.keys_of`."""


class PaneKey(NamedTuple):
    """Names the compacted rows of a signal in panes of one length."""

    signal: str
    pane: int


class ValuesKey(NamedTuple):
    """Names the different values of a measure of a signal in panes of one length."""

    signal: str
    pane: int
    measure: str


class StepKey(NamedTuple):
    """Names the rows that play a part in a sequence."""

    sequence: str
    part: str


Key = TypeVar("Key")
Tables = MutableMapping[Key, pl.DataFrame]
Steps = Tables[StepKey]

_HEADER = ("closed", "complete_from", "latest", "definitions", "since")


@dataclass
class ShardState:
    """Everything a shard remembers. Column `code` of every table is a row number of `subjects`.

    Attributes:
        closed: The last tick that was advanced to, None before the first.
        complete_from: Since when the input is complete, None for ever.
        latest: The greatest time of all rows that were applied, None before the first.
        definitions: Hash of each definition of the plan that made the state, by name.
        since: Since when the input of a feature is complete that a later version brought, by its key.
        subjects: Column `subject`, the ids, sorted; column `changed`, since its context was last written.
        rows: Per signal: code, time, measures; with source and id where ties matter; sorted by code and time.
        panes: Compacted rows; see `partial_aggregates.compact`.
        values: Compacted different values.
        seen: Hashes of the ids of applied signals, with their times.
        members: One row a membership: since when, the last tick at which `enter` was true before it
            became false, and the present levels of both conditions.
        moments: Where a moment's condition is true, since when; when it last fired.
        steps: Code, time and columns of the rows that may still complete or end a sequence.
        fading: Per hash of a derived value's definition, what is left of it; see `fading.KEPT`.
        down: The feeds that are down: type of signal and source.
        groups: What is known of who is in which group; see `identity.KEPT`, `people.KEPT`, `sizes.KEPT`,
            and who may be addressed, `recipient_facts.KEPT`.
        notices: Per signal that contact roots are told of, what a new root of a subscriber would be told: code, time,
            source, id, payload; sorted by these.
    """

    closed: int | None = None
    complete_from: int | None = None
    latest: int | None = None
    definitions: dict[str, str] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    subjects: pl.DataFrame = field(default_factory=lambda: _empty({"subject": pl.String, "changed": pl.Boolean}))
    rows: Tables[str] = field(default_factory=dict)
    panes: Tables[PaneKey] = field(default_factory=dict)
    values: Tables[ValuesKey] = field(default_factory=dict)
    seen: pl.DataFrame = field(default_factory=lambda: _empty(SEEN))
    members: pl.DataFrame = field(default_factory=lambda: _empty(MEMBERS))
    moments: pl.DataFrame = field(default_factory=lambda: _empty(MOMENTS))
    down: pl.DataFrame = field(default_factory=lambda: _empty(DOWN))
    steps: Steps = field(default_factory=dict)
    fading: Tables[str] = field(default_factory=dict)
    groups: Tables[str] = field(default_factory=dict)
    notices: Tables[str] = field(default_factory=dict)

    def coded(self) -> list[pl.DataFrame]:
        """Return every table that has a column `code`."""
        return [table for _, table in self.tables()]

    def tables(self) -> list[tuple[str, pl.DataFrame]]:
        """Return every table that has a column `code`, with what it is of."""
        named = [(kind, table) for kind, tables in self.named().items() for table in tables.values()]
        return [*named, ("ids", self.seen), ("memberships", self.members), ("moments", self.moments)]

    def recode(self, codes: Ints) -> None:
        """Replace each code by `codes[code]` in every table; the new codes keep the order."""

        def recoded(table: pl.DataFrame) -> pl.DataFrame:
            return table.with_columns(code=pl.Series(codes[table["code"].to_numpy()], dtype=pl.Int64))

        self.change(recoded)

    def know(self, subjects: pa.Array) -> tuple[Ints, Bools]:
        """Add the subjects, each given once, that are not known yet.

        Returns:
            The code of each, and whether it is new.

        Raises:
            ValueError: there are more than `MOST_SUBJECTS`.
        """
        known = self.subjects["subject"]
        found = pc.index_in(known.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string()), value_set=subjects)
        there = found.is_valid().to_numpy(zero_copy_only=False)
        codes = np.full(len(subjects), -1)
        codes[found.drop_null().to_numpy()] = np.flatnonzero(there)
        new = codes < 0
        if not new.any():
            return codes, new
        fresh = pl.Series("subject", subjects, pl.String).filter(new)
        if len(known) + len(fresh) > MOST_SUBJECTS:
            raise ValueError(f"a shard has more than {MOST_SUBJECTS:,} subjects: run with more `--shards`")
        order = fresh.arg_sort().to_numpy()
        before = known.search_sorted(fresh[order], "left").to_numpy().astype(np.int64)  # known ones that come first
        moved = np.arange(len(known)) + np.cumsum(np.bincount(before, minlength=len(known) + 1))[:-1]
        places = before + np.arange(len(fresh))
        self.recode(moved)
        every = pl.concat([self.subjects, fresh[order].to_frame().with_columns(changed=pl.lit(False))])
        self.subjects = every[np.argsort(np.concatenate([moved, places]))]
        codes = np.append(moved, -1)[codes]
        codes[np.flatnonzero(new)[order]] = places
        return codes, new

    def forget(self) -> None:
        """Drop the subjects of whom nothing is left and nothing is to be written."""
        left = self.subjects["changed"].to_numpy().copy()
        for table in self.coded():
            left[table["code"].to_numpy()] = True
        if not left.all():
            self.recode(np.cumsum(left) - 1)
            self.subjects = self.subjects.filter(left)

    def order(self) -> None:
        """Sort what came in no order, so that equal memories have equal blobs."""
        tied = (pl.col("code").diff() == 0) & (pl.col("time").diff() == 0)
        for name, table in self.rows.items():
            if table.select(tied.any()).item():
                self.rows[name] = table.sort(pl.all())
        self.steps = {name: in_order(table, "code", "time") for name, table in self.steps.items()}
        self.seen = self.seen.sort("code", "time", "hash")

    def named(self) -> dict[str, Tables[Any]]:
        """Return the tables that there are several of, by kind and key."""
        return {
            "rows": self.rows,
            "panes": self.panes,
            "values": self.values,
            "steps": self.steps,
            "fading": self.fading,
            "groups": self.groups,
            "notices": self.notices,
        }

    def change(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Change every table that has a column `code`."""
        for tables in self.named().values():
            tables.update({name: change(table) for name, table in tables.items()})
        self.seen, self.members, self.moments = change(self.seen), change(self.members), change(self.moments)


def dump(memory: ShardState) -> bytes:
    """Return the blob of a state."""
    header = {name: getattr(memory, name) for name in _HEADER}
    tables = {f"{kind} {_text(key)}": table for kind, group in memory.named().items() for key, table in group.items()}
    singles = {
        "subjects": memory.subjects,
        "seen": memory.seen,
        "members": memory.members,
        "moments": memory.moments,
        "down": memory.down,
    }
    return table_blob.dump(KIND, header, {name: _to_arrow(table) for name, table in (tables | singles).items()})


def load(blob: bytes | None) -> ShardState:
    """Return the state of a blob; None is the state before the first signal."""
    if blob is None:
        return ShardState()
    header, stored = table_blob.load(KIND, blob)
    memory = ShardState(**{name: header[name] for name in _HEADER})
    for name, table in stored.items():
        kind, _, text = name.partition(" ")
        frame = _from_arrow(table)
        if text:
            getattr(memory, kind)[_key(kind, text)] = frame
        else:
            setattr(memory, kind, frame)
    return memory


_KEYS: Mapping[str, type[PaneKey | ValuesKey | StepKey]] = {"panes": PaneKey, "values": ValuesKey, "steps": StepKey}
"""The keys of tables that are not texts, by kind: no part of one has a blank."""


def _text(key: str | tuple[object, ...]) -> str:
    return key if isinstance(key, str) else " ".join(map(str, key))


def _key(kind: str, text: str) -> Any:
    """Return the key that `_text` made a text of."""
    if kind not in _KEYS:
        return text
    parts = zip(_KEYS[kind]._fields, text.split(" "), strict=True)
    return _KEYS[kind]._make(int(part) if name == "pane" else part for name, part in parts)


def _to_arrow(table: pl.DataFrame) -> pa.Table:
    """Return the table with codes as differences: small numbers, which zstd halves."""
    if "code" in table.columns:
        table = table.with_columns(pl.col("code").diff().fill_null(pl.col("code")))
    return unmasked(table.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _from_arrow(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.col("code").cum_sum()) if "code" in frame.columns else frame


def _empty(schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(schema))
