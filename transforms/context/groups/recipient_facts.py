"""What groups know of their members as recipients: which channels they have, what they consent to; who is in reach."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.in_time import as_of
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.notices import CONSENT, KEYS, MESSAGES, not_outlasted, order_of
from transforms.compiler.reach import PROFILE, Way, consents, reached_by
from transforms.context.grid import Grid
from transforms.context.groups import people
from transforms.context.state.shard_state import ShardState

KEPT = "recipients"
"""The name under which a memory keeps what members told."""

FACTS = {
    "code": pl.Int64,
    "member": pl.Int64,
    "tick": pl.Int64,
    "channels": pl.String,
    "purpose": pl.String,
    "channel": pl.String,
    "state": pl.String,
    "valid_until": pl.Int64,
}
"""What is known of a member from a tick on, all rows of the same tick together: a row a consent, or one without a
purpose; the channels in each. Consents are for a channel or, where that is empty, for all for which there are none. Of
several the one that lapses first was said last, and holds until then."""

_POINT = ("code", "tick")


def facts_at(points: pl.DataFrame, every: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return what is known of subscribers at ticks; nothing of those who said nothing.

    Args:
        points: Columns code and tick, unique.
        every: Consents and profiles, those of which groups are told, as `about_contacts` gives them.

    Returns:
        The columns of `FACTS` but member; in the order of the points.
    """
    said = pl.DataFrame(schema={name: FACTS[name] for name in (*_POINT, "purpose", "channel", "state", "valid_until")})
    has = pl.DataFrame(schema={name: FACTS[name] for name in (*_POINT, "channels")})
    if CONSENT in every:
        said = _consents_at(points, every[CONSENT]).select(said.columns)
    if PROFILE in every:
        has = _held(PROFILE, points, every[PROFILE]).select(has.columns)
    known = points.join(has.with_columns(known=pl.lit(True)), _POINT, "left", maintain_order="left")
    rows = known.join(said, _POINT, "left", maintain_order="left_right")
    return rows.filter(pl.any_horizontal(pl.col("known", "purpose").is_not_null())).drop("known")


def about_contacts(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that say who may be contacted; consents for all channels with an empty one.

    Args:
        name: Their signal type.
        rows: As `notices.every_row`.
    """
    if name != CONSENT:
        return rows
    return rows.with_columns(pl.col("channel").fill_null("")).filter(pl.col("purpose").is_in(MESSAGES))


def take_facts(grid: Grid, memory: ShardState, told: pl.DataFrame | None) -> pl.DataFrame:
    """Take in what members told, and return all that is known of them, as `FACTS`.

    Args:
        grid: Of the plan.
        memory: Has what was known before.
        told: What members told in the call, as `plan.features.FACTS` with code and time.
    """
    facts = memory.groups.get(KEPT, pl.DataFrame(schema=FACTS))
    if told is None:
        return facts
    new = told.with_columns(tick=pl.Series(grid.after(told["time"].to_numpy())))
    return pl.concat([facts, new.select(FACTS.keys())])


def keep_facts(facts: pl.DataFrame, memory: ShardState) -> None:
    """Keep the last that is known of those who are in a group at the closed tick; `people` are kept already."""
    memory.groups.pop(KEPT, None)
    if facts.is_empty():
        return
    who = ["code", "member"]
    last = facts.filter(pl.col("tick") == pl.col("tick").max().over(who))
    last = last.join(memory.groups[people.KEPT].select(who), who, "semi")
    if last.height:
        memory.groups[KEPT] = last.sort(*who, "purpose", "channel", "valid_until")


def in_reach(plan: ContextPlan, facts: pl.DataFrame, there: pl.DataFrame) -> Bools:
    """Tell of members whether a trigger may come to them by some way of its offers.

    Args:
        plan: The group's plan.
        facts: As `take_facts` gives them.
        there: Columns code, tick, trigger, member.
    """
    found = np.ones(there.height, np.bool_)
    if there.is_empty() or not plan.ways:
        return found
    known = _known(facts, there)
    for trigger, ways in plan.ways.items():
        rows = np.flatnonzero(there["trigger"] == trigger)
        if len(rows):
            found[rows] = _by_some(ways, known.filter(pl.col("trigger") == trigger), there["tick"][rows], rows)
    return found


def _by_some(ways: tuple[Way, ...], known: pl.DataFrame, ticks: pl.Series, rows: Ints) -> Bools:
    """Tell who is in reach by some way: those with numbers `rows`, of whom is known what `known` says."""
    who, found = pl.DataFrame({"who": rows, "at": ticks}), np.zeros(len(rows), np.bool_)
    channels = who.join(known.unique("who", keep="any"), "who", "left", maintain_order="left")["channels"]
    reached = reached_by(channels, {way.channel for way in ways})
    for way in ways:
        mine = known.filter((pl.col("purpose") == way.purpose) & pl.col("channel").is_in([way.channel, ""]))
        said = who.join(_holding(mine.join(who, "who")), "who", "left", maintain_order="left")
        agrees = consents(way.basis, said["state"], said["valid_until"], ticks).to_numpy()
        found |= agrees & (reached[way.channel].to_numpy() | (not way.by_profile))
    return found


def _holding(said: pl.DataFrame) -> pl.DataFrame:
    """Return of consents to one purpose, by a channel or all, the one that holds for each `who` at its tick `at`."""
    own = said.filter(pl.col("channel") == pl.col("channel").max().over("who"))
    lapsed = (pl.col("valid_until") <= pl.col("at")).fill_null(False)
    return own.sort(lapsed, "valid_until", nulls_last=True).unique("who", keep="first", maintain_order=True).drop("at")


def _known(facts: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of facts that hold for members at ticks, with the number of each and its trigger."""
    who = ("code", "member")
    told = facts.select(*who, since="tick").unique().with_columns(told="since")
    asked = there.select(*who, "tick", "trigger")
    at = asked.hstack(as_of(asked, told, who)).drop("tick").with_row_index("who").cast({"who": pl.Int64})
    return at.join(facts.rename({"tick": "told"}), [*who, "told"])


def _consents_at(points: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the consents that decide from points on: those for all channels; where some for one do, all for that."""
    held = _acted(CONSENT, points, rows).select(*_POINT, "purpose", "channel", "state", "valid_until", own="channel")
    about = [*_POINT, "purpose"]
    one = held.filter(pl.col("channel") != "").select(*about, "channel").unique(maintain_order=True)
    held = held.with_row_index("place")
    too = held.filter(pl.col("channel") == "").drop("channel").join(one, about).select(held.columns)
    every = not_outlasted(pl.concat([held, too]).sort("place", maintain_order=True), *about, "channel")
    return every.filter((pl.col("own") == pl.col("channel")).any().over(*about, "channel"))


def _held(name: str, points: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that hold at points, by what they are about; those that hold of later ones come last."""
    by = [*_POINT, *(KEYS[name] or ())]
    return _acted(name, points, rows).unique(by, keep="last", maintain_order=True)


def _acted(name: str, points: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that act up to points, in the order in which later ones hold."""
    pairs = points.join(rows.rename({"tick": "acts"}), "code").filter(pl.col("acts") <= pl.col("tick"))
    return pairs.sort(order_of(name), maintain_order=True)
