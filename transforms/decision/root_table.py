"""A table by contact root, out of which the rows of a few roots can be taken, and put back changed."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from transforms.arrays.arrow_columns import spread
from transforms.arrays.dtypes import Bools
from transforms.arrays.hashing import Hashes, finalise, fnv1a64

LEAST = 4_096
"""So many changed rows do not make it worth while to lay everything out anew."""
SHARE = 8
"""What was laid out is so many times as much as what may have changed since."""


class _ByKey(NamedTuple):
    """Rows by the keys of their contact roots."""

    rows: pa.Table
    keys: Hashes

    @classmethod
    def of(cls, rows: pa.Table) -> "_ByKey":
        """Sort rows by their keys; those of a root stay in their order."""
        keys = keys_of(rows)
        order = np.argsort(keys, kind="stable")
        return cls(rows.take(pa.array(order)).combine_chunks(), keys[order])

    def only(self, roots: Hashes) -> pa.Table:
        """Return the rows of some roots, sorted and each once."""
        starts, ends = (np.searchsorted(self.keys, roots, side) for side in ("left", "right"))
        return self.rows.take(pa.array(spread(starts, ends - starts)))

    def without(self, roots: Hashes) -> pa.Table:
        """Return the rows of others than some sorted roots."""
        return self.rows.filter(pa.array(~are_among(self.keys, roots)))


class RootTable:
    """The rows of all contact roots by the hash of these: what was laid out, and what was put back since."""

    def __init__(self, rows: pa.Table) -> None:
        """Lay out rows with columns root_kind and root; those of a root stay in their order."""
        self._laid, self._anew = _ByKey.of(rows), _ByKey.of(rows.schema.empty_table())
        self._moved = self._anew.keys

    def __len__(self) -> int:
        """Return about how many rows there are."""
        return len(self._laid.keys) + len(self._anew.keys)

    @property
    def outgrown(self) -> bool:
        """Whether so much was put back that it is time to lay everything out anew."""
        return max(len(self._anew.keys), len(self._moved)) > max(LEAST, len(self._laid.keys) // SHARE)

    def of(self, roots: Hashes) -> pa.Table:
        """Return the rows of some roots.

        Args:
            roots: Sorted, each once.
        """
        return pa.concat_tables([self._laid.only(roots[~are_among(roots, self._moved)]), self._anew.only(roots)])

    def put(self, roots: Hashes, rows: pa.Table) -> None:
        """Let rows take the place of all those of some roots.

        Args:
            roots: Sorted, each once.
            rows: Of these roots.
        """
        others = self._anew.without(roots)
        self._anew = _ByKey.of(pa.concat_tables([others, rows.cast(others.schema)]))
        self._moved = np.union1d(self._moved, roots)

    def whole(self) -> pa.Table:
        """Return all rows."""
        return pa.concat_tables([self._laid.without(self._moved), self._anew.rows])


def keys_of(rows: pa.Table | pa.RecordBatch) -> Hashes:
    """Return the hash of each row's contact root: two that share one are taken out and put back together."""
    kinds, roots = (_one_array(rows[name].cast(pa.string())) for name in ("root_kind", "root"))
    return finalise(fnv1a64(roots, fnv1a64(kinds)))


def are_among(keys: Hashes, roots: Hashes) -> Bools:
    """Tell which keys are among those of roots, sorted."""
    if not len(roots):
        return np.zeros(len(keys), np.bool_)
    return roots[np.minimum(np.searchsorted(roots, keys), len(roots) - 1)] == keys


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
