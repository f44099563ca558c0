"""The contact root of each subscriber: whose ledger governs contacting it; and for how long a move bars it."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Bools, Ints
from transforms.context.grid import NEVER
from transforms.context.groups.membership import Stays

SUBSCRIBER = "subscriber"
MOVES = {"code": pl.Int64, "time": pl.Int64, "until": pl.Int64}


def groups_at(stays: Mapping[str, Stays], codes: Ints, times: Ints) -> pl.DataFrame:
    """Return the groups of subscribers at times: columns household and sme, NULL for none, and role of each."""
    columns: dict[str, pl.Series] = {}
    for kind in GROUPS:
        rows = stays[kind].at(codes, times)
        picked = stays[kind].table.select("group", "role")[np.maximum(rows, 0)] if stays[kind].table.height else None
        missing = pl.Series(rows < 0)
        for column, name in (("group", kind), ("role", f"{kind}_role")):
            values = pl.Series([None] * len(codes), dtype=pl.String) if picked is None else picked[column]
            columns[name] = values.set(missing, None) if missing.any() else values
    return pl.DataFrame(columns)


def root_of(groups: pl.DataFrame, subjects: pl.Series) -> pl.DataFrame:
    """Return root_kind and root: the household, else the SME, else the subscriber itself.

    Args:
        groups: Columns household and sme.
        subjects: The subscribers' ids.
    """
    at_home = pl.when(pl.col("household").is_not_null()).then(pl.lit("household"))
    at_work = at_home.when(pl.col("sme").is_not_null()).then(pl.lit("sme"))
    return groups.select(
        root_kind=at_work.otherwise(pl.lit(SUBSCRIBER)), root=pl.coalesce("household", "sme", subjects)
    )


def moves_of(moved: pl.DataFrame, triggers: pl.DataFrame, bar: int) -> pl.DataFrame:
    """Return when subscribers changed their contact root, and until when that bars contacting them.

    Contacts of the old root are not known to the new one, so the subscriber is barred as recipient while they
    matter; not if the old root was its own and had no trigger in that time.

    Args:
        moved: As `root_changes`.
        triggers: Columns code and tick of the subscribers' triggers.
        bar: For how long, milliseconds.

    Returns:
        Columns of `MOVES`, sorted by code and time.
    """
    codes, times = moved["code"].to_numpy(), moved["time"].to_numpy()
    idle = (moved["old_kind"] == SUBSCRIBER).to_numpy() & ~_triggered(triggers, codes, times, bar)
    return moved.select("code", "time", until=pl.col("time") + bar).filter(~idle)


def root_changes(stays: Mapping[str, Stays], subjects: pl.Series, since: int) -> pl.DataFrame:
    """Return the changes of contact roots from a time on.

    Returns:
        Columns code, time, root_kind, root, and old_kind, old_root of the root before; sorted by code and time.
    """
    tables = [stays[kind].table for kind in GROUPS]
    turns = pl.concat([t.select("code", time=edge) for t in tables for edge in ("start", "end")])
    turns = turns.filter(pl.col("time").is_between(since, NEVER, "left")).unique().sort("code", "time")
    codes, times = turns["code"].to_numpy(), turns["time"].to_numpy()
    ids = subjects[codes]
    now = root_of(groups_at(stays, codes, times), ids)
    before = root_of(groups_at(stays, codes, times - 1), ids).rename({"root_kind": "old_kind", "root": "old_root"})
    moved = (pl.col("root_kind") != pl.col("old_kind")) | (pl.col("root") != pl.col("old_root"))
    return turns.hstack(now).hstack(before).filter(moved)


def barred_until(moves: pl.DataFrame, codes: Ints, times: Ints) -> pl.Series:
    """Return until when each subscriber is barred at ticks after a time, NULL where it is not."""
    asked = pl.DataFrame({"code": codes, "time": times}).with_row_index("row").sort("code", "time")
    found = asked.join_asof(moves, on="time", by="code", check_sortedness=False).sort("row")
    return found.select(pl.when(pl.col("until") > pl.col("time") + 1).then("until")).to_series()


def _triggered(triggers: pl.DataFrame, codes: Ints, times: Ints, within: int) -> Bools:
    """Tell of each subscriber whether it had a trigger in (time - within, time]."""
    every = triggers.select("code", time="tick").sort("time")
    asked = pl.DataFrame({"code": codes, "time": times}).with_row_index("row").sort("time")
    last = asked.join_asof(every.with_columns(last="time"), on="time", by="code", check_sortedness=False).sort("row")[
        "last"
    ]
    return (last > pl.Series(times) - within).fill_null(False).to_numpy()
