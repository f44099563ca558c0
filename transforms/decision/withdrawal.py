"""Withdrawals: what was offered, when a pause, a lost consent or a goal overtakes it, or it lapses on own channels."""

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_offers import INBOUND
from schemas.records import EVERYBODY
from transforms.arrays.arrow_columns import Bools, Ints, replaced
from transforms.arrays.plain_arrow import as_written, framed
from transforms.compiler.offer_definitions import (
    CONSENT,
    GOAL_REACHED,
    IS_EXPIRED,
    IS_PAUSED,
    NO_CONSENT,
    PAUSED,
    Contact,
    OfferPlan,
)
from transforms.decision.asked import Asked
from transforms.decision.contacts import Contacts
from transforms.decision.goals import Goals
from transforms.decision.notices import Notices

WITHDRAWN = {
    **{"row": pl.Int64, "tick": pl.Int64, "reason": pl.Int64},
    **{"signal": pl.String, "by": pl.String, "since": pl.Int64},
}
"""A withdrawal: the row of its reservation, its tick, the index of the reason; and the type, the id and the time of the
signal that is its cause, null for none."""
_ROOT = ["root_kind", "root"]


def withdrawals_of(
    plan: OfferPlan,
    reservations: pa.Table,
    notices: Notices,
    contacts: Contacts,
    span: tuple[int, int],
    anew: int | None,
) -> pl.DataFrame:
    """Return which offers a pause, a lost consent or a goal overtakes while they are valid, and at which tick first.

    Those on own channels are withdrawn at the latest when they are valid no longer.

    Args:
        plan: The policy.
        reservations: As RESERVATION.
        notices: What contact roots were told.
        contacts: What was reported: what is accepted, say, is withdrawn no more; and which goals were reached.
        span: The tick after which to look, and the last one.
        anew: The first tick of another version, None where it is the same.

    Returns:
        As `WITHDRAWN`.
    """
    everybody = notices.arrived.clear() if anew is None else _turn_of_everybody(anew)
    turns = pl.concat([notices.arrived, lapses(plan, notices), everybody])
    looks = _looks(reservations, turns.filter(pl.col("since").is_between(*span, "right")))
    expired = _expired(plan, reservations).filter(pl.col("tick").is_between(*span, "right"))
    if looks.is_empty() and expired.is_empty():
        return pl.DataFrame(schema=WITHDRAWN)
    settled = contacts.settled
    looks, expired = (_unsettled(each, reservations, settled) for each in (looks, expired))
    gone = pl.concat([_overtaken(plan, reservations, notices, contacts.goals, looks, span), expired])
    return gone.sort("row", "tick").unique("row", keep="first", maintain_order=True)


def _overtaken(
    plan: OfferPlan, reservations: pa.Table, notices: Notices, goals: Goals, looks: pl.DataFrame, span: tuple[int, int]
) -> pl.DataFrame:
    """Return the looks at which a pause, a lost consent or a goal overtakes what is valid, as `WITHDRAWN`."""
    if looks.is_empty():
        return pl.DataFrame(schema=WITHDRAWN)
    asked = replaced(reservations.take(looks["row"].to_arrow()), "tick", looks["tick"].to_arrow())
    contacted = [Contact(*one) for one in zip(*(asked[name].to_pylist() for name in Contact._fields), strict=True)]
    rows = np.arange(len(asked))
    gates = Asked(plan, asked, rows, rows, notices, contacted)
    found = []
    if PAUSED in plan.gates:
        told = notices.tables["control"]
        found.append(_shut(looks, gates.paused(), IS_PAUSED, "control", told, gates.pauses))
    if CONSENT in plan.gates:
        told = notices.tables["consent"]
        found.append(_shut(looks, gates.without_consent(), NO_CONSENT, "consent", told, gates.refusals))
    found.append(_reached(reservations, looks, goals, *span))
    return pl.concat(found).unique(["row", "tick"], keep="first", maintain_order=True)


def _shut(looks: pl.DataFrame, shut: Bools, reason: int, signal: str, told: pl.DataFrame, places: Ints) -> pl.DataFrame:
    """Return the looks at which a gate is shut, as `WITHDRAWN`; `places` says of each look which notice shuts it."""
    gone = looks.with_columns(place=places, reason=pl.lit(reason, pl.Int64), signal=pl.lit(signal)).filter(shut)
    read = told.select("place", by="id", since="time").unique()
    return gone.join(read, "place", "left", maintain_order="left").select(WITHDRAWN.keys())


def _expired(plan: OfferPlan, reservations: pa.Table) -> pl.DataFrame:
    """Return the tick from which on each offer that is out on own channels is valid no longer, as `WITHDRAWN`."""
    made = framed(reservations.select(["channel", "valid_until", "holdout", "withdrawn"])).lazy().with_row_index("row")
    out = made.filter((pl.col("channel") == INBOUND) & ~pl.col("holdout") & ~pl.col("withdrawn"))
    tick = -(-pl.col("valid_until") // plan.tick) * plan.tick
    nothing = (pl.lit(None, pl.String).alias(name) for name in ("signal", "by"))
    row = pl.col("row").cast(pl.Int64)
    found = out.select(row, *nothing, tick=tick, reason=pl.lit(IS_EXPIRED, pl.Int64), since="valid_until")
    return as_written(found.select(WITHDRAWN.keys()))


def _reached(reservations: pa.Table, looks: pl.DataFrame, goals: Goals, since: int, upto: int) -> pl.DataFrame:
    """Return the looks at the tick at which a goal of the offer's family is reached, as `WITHDRAWN`."""
    if goals.reached.is_empty():
        return pl.DataFrame(schema=WITHDRAWN)
    offers = framed(reservations).with_row_index("row")
    offers = offers.filter(pl.col("row").is_in(looks["row"].implode()))
    gone = looks.join(goals.overtaken(offers, since, upto), ["row", "tick"])
    return gone.with_columns(reason=pl.lit(GOAL_REACHED, pl.Int64)).select(WITHDRAWN.keys())


def _unsettled(looks: pl.DataFrame, reservations: pa.Table, settled: pl.DataFrame) -> pl.DataFrame:
    """Return the looks at what is not settled by then."""
    key = ["root_kind", "root", "decision_id"]
    if looks.is_empty() or settled.is_empty():
        return looks
    made = framed(reservations.select([*key, "tick"])).rename({"tick": "made"})
    said = looks.hstack(made[looks["row"]]).join(settled, key)
    done = said.filter((pl.col("settled") > pl.col("made")) & (pl.col("settled") <= pl.col("tick")))
    return looks.join(done, ["row", "tick"], "anti")


def _turn_of_everybody(tick: int) -> pl.DataFrame:
    return pl.DataFrame({"root_kind": [EVERYBODY], "root": [EVERYBODY], "since": [tick]})


def _looks(reservations: pa.Table, turns: pl.DataFrame) -> pl.DataFrame:
    """Return the ticks at which each offer that is out and valid is looked at: row, tick."""
    if turns.is_empty() or not len(reservations):
        return pl.DataFrame(schema={"row": pl.Int64, "tick": pl.Int64})
    span = ["tick", "valid_until"]
    made = framed(reservations.select([*_ROOT, *span, "holdout", "withdrawn"])).lazy().with_row_index("row")
    out = made.filter(~pl.col("holdout") & ~pl.col("withdrawn")).select("row", *_ROOT, *span)
    everybody = turns.lazy().filter(pl.col("root_kind") == EVERYBODY).select("since").unique()
    every = (out.join(turns.lazy(), _ROOT), out.join(everybody, how="cross"))
    each = pl.concat(one.select("row", *span, "since") for one in every)
    valid = each.filter((pl.col("since") > pl.col("tick")) & (pl.col("since") < pl.col("valid_until")))
    return as_written(valid.select(pl.col("row").cast(pl.Int64), tick="since").unique())


def lapses(plan: OfferPlan, notices: Notices) -> pl.DataFrame:
    """Return when what withdraws no consent lapses: root_kind, root and since, the first tick without it."""
    schema = {"root_kind": pl.String, "root": pl.String, "since": pl.Int64}
    if CONSENT not in plan.gates:
        return pl.DataFrame(schema=schema)
    told = notices.tables["consent"]
    if told["valid_until"].null_count() == len(told):
        return pl.DataFrame(schema=schema)
    granted = told.lazy().filter(pl.col("state").ne_missing("withdrawn")).drop_nulls("valid_until")
    tick = -(-pl.col("valid_until") // plan.tick) * plan.tick
    return as_written(granted.select(*_ROOT, since=tick).unique())


def lapsing_after(plan: OfferPlan, reservations: pa.Table, notices: Notices, closed: int) -> pl.DataFrame:
    """Return when offers lapse on own channels, or consents of contact roots to which one is out.

    Args:
        plan: The policy.
        reservations: As RESERVATION.
        notices: What contact roots were told.
        closed: The tick after which to look.

    Returns:
        root_kind, root and tick.
    """
    turns = lapses(plan, notices).filter(pl.col("since") > closed)
    looks, expired = _looks(reservations, turns), _expired(plan, reservations).select("row", "tick")
    later = pl.concat([looks, expired]).filter(pl.col("tick") > closed)
    roots = framed(reservations.select(_ROOT))[later["row"].to_numpy()]
    return roots.with_columns(later["tick"])
