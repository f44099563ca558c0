"""Memberships that facts tell of, and what expressions see of them at each trigger."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import FACT, MOVED, TOO_LARGE
from transforms.arrays.arrow_columns import Bools
from transforms.compiler.dotted import columns_of
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.sql.dates import TICK
from transforms.compiler.steps import MADE
from transforms.decision.ledger_state import MEMBERSHIP

_RECORDED = ("context", "evidence")
_WHO = ("root_kind", "root", "subject")
_KEY = ("segment", *_WHO)
_TABLE = (*_KEY, "tick", "member")


def take_facts(memberships: pa.Table, facts: Sequence[pa.Table], first: int | None) -> pl.DataFrame:
    """Lay memberships and facts out in time.

    A fact acts from its tick on, one that comes too late from the first open tick on. The latest by tick counts: one
    from before what is known changes nothing. Of two that contradict each other at one tick the membership counts.

    Args:
        memberships: What held after the closed tick, as MEMBERSHIP.
        facts: Tables as FACT.
        first: The first open tick, None where all are open.

    Returns:
        segment, root_kind, root, subject, tick, member, since (the tick from which on the row holds, until the next
        of the same key), sorted by all but tick and member.
    """
    known = _frame(memberships).with_columns(since="tick", member=pl.lit(True))
    if not facts:
        return known.select(*_TABLE, "since").sort(*_KEY)
    open_from = pl.col("tick") if first is None else pl.max_horizontal("tick", pl.lit(first))
    arrived = _frame(pa.concat_tables([FACT.empty_table(), *facts])).with_columns(since=open_from)
    both = pl.concat(each.select(*_TABLE, "since") for each in (known, arrived)).sort(*_KEY, "since", "tick", "member")
    fresh = both.filter(pl.col("tick") == pl.col("tick").cum_max().over(_KEY))
    return fresh.unique((*_KEY, "since"), keep="last", maintain_order=True)


def that_hold(taken: pl.DataFrame) -> pa.Table:
    """Return the memberships that hold at last, as MEMBERSHIP."""
    lasting = taken.filter(~pl.col("segment").str.ends_with(f".{MOVED}"))
    last = lasting.unique(_KEY, keep="last", maintain_order=True).filter("member").sort(MEMBERSHIP.names)
    return last.select(MEMBERSHIP.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(MEMBERSHIP)


def scope_of(plan: OfferPlan, triggers: pa.Table, taken: pl.DataFrame) -> pl.DataFrame:
    """Return what expressions see of each trigger: its context, the signals that made it, and memberships.

    SEGMENT and LEVEL.SEGMENT of the trigger's own level are as recorded with the trigger. Those of other levels are of
    the recipient at the tick: its own segments, and those of the household and the SME it is in.

    Args:
        plan: The offers; `segments` says what they read.
        triggers: As `plan.triggers`, with subject_kind.
        taken: What `take_facts` gives.
    """
    context, evidence = (columns_of(_frame(pa.Table.from_struct_array(triggers[name]))) for name in _RECORDED)
    made = evidence.select(name for name in evidence.columns if name.startswith(MADE))
    names = ["subject_kind", "tick", "root_kind", "root", "recipient", "household", "sme", "segments"]
    asked = _frame(triggers.select(names)).rename({"recipient": "subscriber"}).with_row_index("row")
    members = (_member(asked, taken, name).alias(name) for name in plan.segments)
    return context.hstack(made).with_columns(pl.Series(TICK, triggers["tick"]), *members)


def stand_alone(triggers: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell which triggers reach somebody whose group, the contact root, is too large at the tick.

    Args:
        triggers: Columns root_kind, root, recipient, tick.
        taken: What `take_facts` gives.
    """
    alone, sizes = np.zeros(len(triggers), np.bool_), taken.filter(pl.col("segment").str.ends_with(f".{TOO_LARGE}"))
    if sizes.is_empty():
        return alone
    asked = _frame(triggers.select(["root_kind", "root", "recipient", "tick"])).with_row_index("row")
    found = _held(asked.filter(pl.col("recipient").is_not_null()).with_columns(subject="root"), sizes)
    alone[found["row"].to_numpy()] = found["member"].to_numpy()
    return alone


def has_moved(entries: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell of which entries the contact root is told at the tick that the recipient has another one.

    Args:
        entries: Columns root_kind, root, recipient, tick.
        taken: What `take_facts` gives.
    """
    facts = moves_in(taken).select("root_kind", "root", recipient="subject", tick="since").unique()
    asked = _frame(entries.select(facts.columns)).with_row_index("row")
    moved = np.zeros(len(entries), np.bool_)
    moved[asked.join(facts, facts.columns, "semi")["row"].to_numpy()] = True
    return moved


def moves_in(taken: pl.DataFrame) -> pl.DataFrame:
    """Return the facts that tell that a subscriber has another contact root."""
    return taken.filter(pl.col("segment").str.ends_with(f".{MOVED}"))


def has_left(entries: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell of triggers that tell that a segment was entered whether their subject leaves it at the tick.

    Args:
        entries: Columns root_kind, root, trigger, subject, tick.
        taken: What `take_facts` gives.
    """
    asked = _frame(entries.select([*_WHO, "tick", "trigger"])).rename({"trigger": "segment"}).with_row_index("row")
    facts = taken.filter(~pl.col("member")).select(*_KEY, tick="since").unique()
    left = np.zeros(len(entries), np.bool_)
    left[asked.join(facts, [*_KEY, "tick"], "semi")["row"].to_numpy()] = True
    return left


def _member(asked: pl.DataFrame, taken: pl.DataFrame, name: str) -> pl.Series:
    """Tell for each trigger whether its subject, or that of another level, is a member."""
    level, _, segment = name.rpartition(".")
    own = asked["segments"].list.contains(segment)
    elsewhere = asked.filter((pl.col("subject_kind") != level) & (pl.lit(level) != ""))
    if elsewhere.is_empty():
        return own
    found = _held(elsewhere.with_columns(subject=level), taken.filter(pl.col("segment") == name))
    return own.scatter(found["row"], found["member"])


def _held(asked: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Return of each row whether what facts tell of its root and subject holds at its tick: row, member."""
    known = facts.select(*_WHO, "since", "member").sort("since")
    at = asked.select("row", *_WHO, "tick").sort("tick")
    found = at.join_asof(known, left_on="tick", right_on="since", by=_WHO, check_sortedness=False)
    return found.select("row", pl.col("member").fill_null(False))


def _frame(table: pa.Table) -> pl.DataFrame:
    return cast(pl.DataFrame, pl.from_arrow(table))
