"""A table by contact root, out of which the rows of a few roots can be taken, and put back changed."""

import numpy as np
import pyarrow as pa

from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.hashing import Hashes, finalise, fnv1a64

LEAST = 4_096
"""So many changed rows do not make it worth while to lay everything out anew."""
SHARE = 8
"""What was laid out is so many times as much as what may have changed since."""


class RootTable:
    """The rows of all contact roots by the hash of these: what was laid out, and what was put back since."""

    _laid: pa.Table
    _anew: pa.Table
    _keys: Hashes
    _anew_keys: Hashes
    _moved: Hashes

    def __init__(self, rows: pa.Table) -> None:
        """Lay out rows with columns root_kind and root; those of a root stay in their order."""
        self._lay_out(rows)

    def __len__(self) -> int:
        """Return about how many rows there are."""
        return len(self._laid) + len(self._anew)

    def of(self, roots: Hashes) -> pa.Table:
        """Return the rows of some roots.

        Args:
            roots: Sorted, each once.
        """
        laid = self._laid.take(pa.array(_places(self._keys, roots[~are_among(roots, self._moved)])))
        return pa.concat_tables([laid, self._anew.take(pa.array(_places(self._anew_keys, roots)))])

    def put(self, roots: Hashes, rows: pa.Table) -> None:
        """Let rows take the place of all those of some roots.

        Args:
            roots: Sorted, each once.
            rows: Of these roots.
        """
        others = self._anew.filter(pa.array(~are_among(self._anew_keys, roots)))
        self._anew, self._anew_keys = _by_key(pa.concat_tables([others, rows.cast(self._anew.schema)]))
        self._moved = np.union1d(self._moved, roots)
        if max(len(self._anew), len(self._moved)) > max(LEAST, len(self._laid) // SHARE):
            self._lay_out(self.whole())

    def whole(self) -> pa.Table:
        """Return all rows."""
        laid = self._laid.filter(pa.array(~are_among(self._keys, self._moved)))
        return pa.concat_tables([laid, self._anew])

    def _lay_out(self, rows: pa.Table) -> None:
        self._laid, self._keys = _by_key(rows)
        self._anew, self._anew_keys = rows.schema.empty_table(), self._keys[:0]
        self._moved = self._keys[:0]


def keys_of(rows: pa.Table | pa.RecordBatch) -> Hashes:
    """Return the hash of each row's contact root: two that share one are taken out and put back together."""
    hashes = None
    for name in ("root_kind", "root"):
        column = rows[name].cast(pa.string())
        texts = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        hashes = fnv1a64(texts) if hashes is None else fnv1a64(texts, hashes)
    assert hashes is not None
    return finalise(hashes)


def are_among(keys: Hashes, roots: Hashes) -> Bools:
    """Tell which keys are among those of roots, sorted."""
    if not len(roots):
        return np.zeros(len(keys), np.bool_)
    return roots[np.minimum(np.searchsorted(roots, keys), len(roots) - 1)] == keys


def _by_key(rows: pa.Table) -> tuple[pa.Table, Hashes]:
    keys = keys_of(rows)
    order = np.argsort(keys, kind="stable")
    return rows.take(pa.array(order)).combine_chunks(), keys[order]


def _places(keys: Hashes, roots: Hashes) -> Ints:
    """Return the rows of roots among sorted keys."""
    starts, ends = (np.searchsorted(keys, roots, side) for side in ("left", "right"))
    sizes = ends - starts
    before = np.cumsum(sizes) - sizes
    return np.arange(sizes.sum()) - np.repeat(before - starts, sizes)
