"""A table of rows by subject, from which those of a few are quickly taken."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.narrow import NarrowTable

MOST_CHUNKS = 16
"""Of how many pieces a table may be: many small ones take long to go through."""


class Chosen:
    """Some subjects of a shard, who are numbered anew among themselves.

    Attributes:
        codes: Their codes in the shard, in the order of their new ones.
        place: Of each subject of the shard the new code, -1 for the others.
    """

    def __init__(self, codes: Ints, subjects: int) -> None:
        """Number them.

        Args:
            codes: Their codes in the shard.
            subjects: How many the shard has.
        """
        self.codes = codes
        self.place: Ints = np.full(subjects, -1)
        self.place[codes] = np.arange(len(codes))


class SubjectTable:
    """The rows of one table: laid out by subject as of some time, and those that were added since.

    Codes are those of the shard: subjects that came since have the highest.
    """

    def __init__(self, table: pl.DataFrame, subjects: int) -> None:
        """Lay out a table.

        Args:
            table: Sorted by `code`.
            subjects: How many the shard has.
        """
        self._starts: Ints = np.searchsorted(table["code"].to_numpy(), np.arange(subjects + 1))
        self._table = NarrowTable(table.drop("code"))
        self._gone: Bools = np.zeros(subjects, bool)
        self._added = table.clear()

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rows were laid out, and how many were added since."""
        return self._table.height, self._added.height

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows, in any order of their subjects."""
        whole = self._added.n_chunks() > MOST_CHUNKS
        self._added = pl.concat([self._added, rows.select(self._added.columns)], rechunk=whole)

    def drop(self, chosen: Chosen) -> None:
        """Drop the rows of some subjects."""
        known = chosen.codes[chosen.codes < len(self._gone)]
        self._gone[known] = True
        if self._added.height:
            self._added = self._added.filter(chosen.place[self._added["code"].to_numpy()] < 0)

    def of(self, chosen: Chosen) -> pl.DataFrame:
        """Return the rows of some subjects under their new codes, by subject, those laid out first."""
        known = np.flatnonzero(chosen.codes < len(self._gone))
        known = known[~self._gone[chosen.codes[known]]]
        laid = self._laid(chosen.codes[known], known)
        if self._added.is_empty():
            return laid
        places = chosen.place[self._added["code"].to_numpy()]
        mine = self._added.filter(places >= 0).with_columns(code=pl.Series(places[places >= 0], dtype=pl.Int64))
        return _by_code(laid, mine)

    def all(self, place: Ints) -> pl.DataFrame:
        """Return all rows under new codes, by subject.

        Args:
            place: The new code of each subject; it keeps the order of those who were laid out.
        """
        there = np.flatnonzero(~self._gone)
        laid = self._laid(there, place[there])
        new = pl.Series(place[self._added["code"].to_numpy()], dtype=pl.Int64)
        return _by_code(laid, self._added.with_columns(code=new))

    def _laid(self, codes: Ints, places: Ints) -> pl.DataFrame:
        first, counts = self._starts[codes], self._starts[codes + 1] - self._starts[codes]
        rows = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        return self._table.rows(rows, pl.Series("code", np.repeat(places, counts), pl.Int64))


class Taken(MutableMapping[Any, pl.DataFrame]):
    """Tables of some subjects, each taken from its table when it is first asked for."""

    def __init__(self, sources: dict[Any, Callable[[], pl.DataFrame]]) -> None:
        """Start with what there is to take."""
        self._sources, self._made = sources, dict[Any, pl.DataFrame]()

    def __getitem__(self, name: Any) -> pl.DataFrame:
        """Return a table."""
        if name not in self._made:
            self._made[name] = self._sources[name]()
        return self._made[name]

    def __setitem__(self, name: Any, table: pl.DataFrame) -> None:
        """Put another table in its place."""
        self._made[name] = table
        self._sources.setdefault(name, lambda: table)

    def __delitem__(self, name: Any) -> None:
        """Remove a table."""
        del self._sources[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[Any]:
        """Return the keys of all."""
        return iter(self._sources)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sources)

    def __copy__(self) -> "Taken":
        """Return tables of their own; what is taken later is taken twice."""
        copied = Taken({**self._sources})
        copied._made = {**self._made}
        return copied


def _by_code(laid: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    if added.is_empty():
        return laid
    both = pl.concat([laid, added], rechunk=True)  # from one piece rows are gathered three times as fast
    return both[np.argsort(both["code"].to_numpy(), kind="stable")]
