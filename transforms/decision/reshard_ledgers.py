"""The ledgers of a shard made of those of others, for a run with another number of shards."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import LEVELS
from schemas.records import EVERYBODY
from transforms.arrays.dtypes import Bools
from transforms.arrays.hashing import shard_of
from transforms.arrays.plain_arrow import framed, tabled
from transforms.decision import ledger_state as memories
from transforms.decision.ledger_state import LedgerState

_ROOT = ("root_kind", "root")


def reshard_ledgers(states: Sequence[bytes], shard: int, shards: int, closed: int) -> LedgerState:
    """Return what a shard knows that takes its contact roots over from others.

    What everybody was told is in each of them, and is kept once.

    Args:
        states: What `decide` gave of shards among which all of its contact roots are; at least one.
        shard: The shard.
        shards: How many there are.
        closed: A tick at which nothing is due in any of them.

    Raises:
        StateError: a state cannot be read.
    """
    every = [memories.load(state) for state in states]

    def joined(tables: Iterable[pa.Table]) -> pa.Table:
        kept = [(table, of_shard(table, shard, shards) | about_everybody(table)) for table in tables]
        return _by_root([table.filter(pa.array(mine)) for table, mine in kept])

    deferred = [one.deferred for one in every if one.deferred is not None]
    signals = sorted({signal for one in every for signal in one.notices})
    latest = max(every, key=lambda one: -1 if one.closed is None else one.closed)
    return LedgerState(
        closed,
        joined(one.reservations for one in every),
        joined(one.memberships for one in every),
        joined(deferred) if deferred else None,
        {signal: joined(one.notices[signal] for one in every if signal in one.notices) for signal in signals},
        joined(one.sequences for one in every),
        latest.playbook_hash,
        {name: traits for one in (*every, latest) for name, traits in one.offers.items()},
    )


def of_shard(rows: pa.Table | pa.RecordBatch, shard: int, shards: int) -> Bools:
    """Tell which rows, with columns root_kind and root, are of contact roots of a shard."""
    mine = np.zeros(rows.num_rows, np.bool_)
    for kind in LEVELS:
        of_kind = np.flatnonzero(_are(rows, kind))
        if len(of_kind):
            roots = pa.array(rows["root"].take(pa.array(of_kind)).to_pylist(), pa.string())
            mine[of_kind] = shard_of(kind, roots, shards) == shard
    return mine


def about_everybody(rows: pa.Table | pa.RecordBatch) -> Bools:
    """Tell which rows are of no contact root alone."""
    return _are(rows, EVERYBODY)


def _are(rows: pa.Table | pa.RecordBatch, kind: str) -> Bools:
    are: Bools = np.array(pc.equal(rows["root_kind"].cast(pa.string()), kind)).astype(np.bool_)
    return are


def _by_root(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several tables by contact root, those of one as they were; about everybody each once."""
    every = pa.concat_tables(tables, promote_options="default").combine_chunks()
    roots = framed(every.select(_ROOT)).with_row_index("row").sort(*_ROOT, maintain_order=True)
    rows = every.take(pa.array(roots["row"].to_numpy()))
    of_all = about_everybody(rows)
    if not of_all.any():
        return rows
    once = framed(rows.filter(pa.array(of_all))).unique(maintain_order=True)
    return pa.concat_tables([tabled(once, rows.schema), rows.filter(pa.array(~of_all))])
