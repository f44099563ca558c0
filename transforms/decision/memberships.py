"""Memberships that facts tell of, and what expressions see of them at each trigger."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import FACT, MOVED, TOO_LARGE
from transforms.arrays.arrow_columns import Bools
from transforms.arrays.in_time import as_of
from transforms.arrays.plain_arrow import framed, tabled
from transforms.compiler.dotted import columns_of
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.sql.dates import TICK
from transforms.compiler.steps import MADE
from transforms.decision.ledger_state import MEMBERSHIP

_RECORDED = ("context", "evidence")
_WHO = ("root_kind", "root", "subject")
_KEY = ("segment", *_WHO)
_TABLE = (*_KEY, "tick", "member")


def take_facts(memberships: pa.Table, facts: Sequence[pa.RecordBatch]) -> pl.DataFrame:
    """Lay memberships and facts out in time.

    A fact acts from its tick on, one that comes too late from the first open tick on. The latest by tick counts: one
    from before what is known changes nothing. Of two that contradict each other at one tick the membership counts.

    Args:
        memberships: What held after the closed tick, as MEMBERSHIP.
        facts: As FACT, and `since`.

    Returns:
        segment, root_kind, root, subject, tick, member, since (the tick from which on the row holds, until the next
        of the same key), sorted by all but tick and member.
    """
    known = framed(memberships).with_columns(since="tick", member=pl.lit(True))
    if not facts:
        return known.select(*_TABLE, "since").sort(*_KEY)
    arrived = framed(pa.concat_tables(pa.table(batch).select([*FACT.names, "since"]) for batch in facts))
    both = pl.concat(each.select(*_TABLE, "since") for each in (known, arrived)).sort(*_KEY, "since", "tick", "member")
    fresh = both.filter(pl.col("tick") == pl.col("tick").cum_max().over(_KEY))
    return fresh.unique((*_KEY, "since"), keep="last", maintain_order=True)


def that_hold(taken: pl.DataFrame) -> pa.Table:
    """Return the memberships that hold at last, as MEMBERSHIP."""
    lasting = taken.filter(~pl.col("segment").str.ends_with(f".{MOVED}"))
    last = lasting.unique(_KEY, keep="last", maintain_order=True).filter("member").sort(MEMBERSHIP.names)
    return tabled(last, MEMBERSHIP)


def scope_of(plan: OfferPlan, triggers: pa.Table, taken: pl.DataFrame) -> pl.DataFrame:
    """Return what expressions see of each trigger: its context, the signals that made it, and memberships.

    SEGMENT and LEVEL.SEGMENT of the trigger's own level are as recorded with the trigger. Those of other levels are of
    the recipient at the tick: its own segments, and those of the household and the SME it is in.

    Args:
        plan: The offers; `segments` says what they read.
        triggers: As `plan.triggers`, with subject_kind.
        taken: What `take_facts` gives.
    """
    context, evidence = (columns_of(framed(pa.Table.from_struct_array(triggers[name]))) for name in _RECORDED)
    made = evidence.select(name for name in evidence.columns if name.startswith(MADE))
    names = ["subject_kind", "tick", "root_kind", "root", "recipient", "household", "sme", "segments"]
    asked = framed(triggers.select(names)).rename({"recipient": "subscriber"}).with_row_index("row")
    members = (_member(asked, taken, name).alias(name) for name in plan.segments)
    return context.hstack(made).with_columns(pl.Series(TICK, triggers["tick"]), *members)


def stand_alone(triggers: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell which triggers reach somebody whose group, the contact root, is too large at the tick.

    Args:
        triggers: Columns root_kind, root, recipient, tick.
        taken: What `take_facts` gives.
    """
    alone, sizes = np.zeros(len(triggers), np.bool_), sizes_in(taken)
    if sizes.is_empty():
        return alone
    reached = np.flatnonzero(pc.is_valid(triggers["recipient"]).to_numpy())
    asked = framed(triggers.select(["root_kind", "root", "tick"]))[reached].with_columns(subject="root")
    alone[reached] = _held(asked, sizes).to_numpy()
    return alone


def has_moved(entries: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell of which entries the contact root is told at the tick that the recipient has another one.

    Args:
        entries: Columns root_kind, root, recipient, tick.
        taken: What `take_facts` gives.
    """
    asked = entries.select(["root_kind", "root", "recipient", "tick"]).rename_columns([*_WHO, "tick"])
    return _told(asked, moves_in(taken))


def moves_in(taken: pl.DataFrame) -> pl.DataFrame:
    """Return the facts that tell that a subscriber has another contact root."""
    return taken.filter(pl.col("segment").str.ends_with(f".{MOVED}"))


def sizes_in(taken: pl.DataFrame) -> pl.DataFrame:
    """Return the facts that tell that a contact root is too large, or is so no more."""
    return taken.filter(pl.col("segment").str.ends_with(f".{TOO_LARGE}"))


def has_left(entries: pa.Table, taken: pl.DataFrame) -> Bools:
    """Tell of triggers that tell that a segment was entered whether their subject leaves it at the tick.

    Args:
        entries: Columns root_kind, root, trigger, subject, tick.
        taken: What `take_facts` gives.
    """
    asked = entries.select([*_WHO, "tick", "trigger"]).rename_columns([*_WHO, "tick", "segment"])
    return _told(asked, taken.filter(~pl.col("member")))


def _told(asked: pa.Table, facts: pl.DataFrame) -> Bools:
    """Tell of which rows there is a fact that acts at their tick."""
    rows, acting = framed(asked).with_row_index("row"), facts.select(pl.exclude("tick")).rename({"since": "tick"})
    told = np.zeros(len(asked), np.bool_)
    told[rows.join(acting, asked.column_names, "semi")["row"].to_numpy()] = True
    return told


def _member(asked: pl.DataFrame, taken: pl.DataFrame, name: str) -> pl.Series:
    """Tell for each trigger whether its subject, or that of another level, is a member."""
    level, _, segment = name.rpartition(".")
    own = asked["segments"].list.contains(segment)
    elsewhere = asked.filter((pl.col("subject_kind") != level) & (pl.lit(level) != ""))
    if elsewhere.is_empty():
        return own
    held = _held(elsewhere.with_columns(subject=level), taken.filter(pl.col("segment") == name))
    return own.scatter(elsewhere["row"], held)


def _held(asked: pl.DataFrame, facts: pl.DataFrame) -> pl.Series:
    """Return of each row whether what facts tell of its root and subject holds at its tick."""
    known = facts.select(*_WHO, "since", "member")
    return as_of(asked, known, _WHO)["member"].fill_null(False)
