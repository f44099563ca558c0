"""Shards of contexts made of others: some of the subjects of each, brought together as of one tick."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools
from transforms.blobs.envelope import StateError
from transforms.context.state.shard_state import MOST_SUBJECTS, ShardState


def of_subjects(memory: ShardState, mine: Bools) -> ShardState:
    """Return what is remembered of some subjects, with all that is not about single ones.

    Args:
        memory: Settled; it stays as it is.
        mine: Whether each subject is one of them.
    """
    places = np.cumsum(mine) - 1

    def kept(table: pl.DataFrame) -> pl.DataFrame:
        rows = table.filter(pl.Series(mine[table["code"].to_numpy()], dtype=pl.Boolean))
        return rows.with_columns(code=pl.Series(places[rows["code"].to_numpy()], dtype=pl.Int64))

    named: dict[str, Any] = {
        kind: {key: kept(table) for key, table in tables.items()} for kind, tables in memory.named().items()
    }
    singles: dict[str, Any] = {name: kept(getattr(memory, name)) for name in ("seen", "members", "moments")}
    return replace(memory, subjects=memory.subjects.filter(pl.Series(mine, dtype=pl.Boolean)), **singles, **named)


def together(memories: Sequence[ShardState], closed: int) -> ShardState:
    """Return one memory of the subjects of several, as of a tick at which nothing is due in any.

    What is not about single subjects is the same in all shards but for how long they have been there: of two times
    since when all signals are known the later one counts, of the greatest times the greater, and a feed is down that
    is down for one.

    Args:
        memories: At least one, settled; no subject is in two.
        closed: The tick.

    Raises:
        StateError: they are of different definitions.
        ValueError: there are more than `MOST_SUBJECTS`.
    """
    definitions = memories[0].definitions
    if any(one.definitions != definitions for one in memories):
        raise StateError("its shards are of different versions of the playbook")
    names = pl.concat([one.subjects for one in memories])
    if names.height > MOST_SUBJECTS:
        raise ValueError(f"a shard has more than {MOST_SUBJECTS:,} subjects: run with more `--shards`")
    order = names["subject"].arg_sort().to_numpy()
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    starts = np.cumsum([0, *(one.subjects.height for one in memories)])

    def joined(tables: Sequence[tuple[int, pl.DataFrame]]) -> pl.DataFrame:
        moved = [t.with_columns(code=pl.Series(places[starts[n] + t["code"].to_numpy()])) for n, t in tables]
        return pl.concat(moved).sort("code", maintain_order=True)

    made = ShardState(
        closed=closed,
        complete_from=max((one.complete_from for one in memories if one.complete_from is not None), default=None),
        latest=max((one.latest for one in memories if one.latest is not None), default=None),
        definitions=dict(definitions),
        since={key: max(one.since[key] for one in memories if key in one.since) for key in _keys(memories)},
        subjects=names[order],
        down=pl.concat([one.down for one in memories]).unique().sort(pl.all()),
    )
    for kind, tables in made.named().items():
        every = [one.named()[kind] for one in memories]
        for key in dict.fromkeys(key for each in every for key in each):
            tables[key] = joined([(n, each[key]) for n, each in enumerate(every) if key in each])
    for name in ("seen", "members", "moments"):
        setattr(made, name, joined([(n, getattr(one, name)) for n, one in enumerate(memories)]))
    return made


def _keys(memories: Sequence[ShardState]) -> dict[str, None]:
    """Return the features that some memory knows since when, in one order."""
    return dict.fromkeys(sorted(key for one in memories for key in one.since))
