"""Goals: what of offers was reached, by whom and when, and which decisions that is about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS, LEVELS
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER, as_of
from transforms.arrays.plain_arrow import framed
from transforms.compiler.notices import GOAL
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.notices import WHO, Notices

EARLIEST = ("time", "source", "id")
"""The order of notices."""
REACHED = {
    **dict.fromkeys((*WHO, "offer"), pl.String()),
    **dict.fromkeys(("own", "since", "time"), pl.Int64()),
    **dict.fromkeys(("source", "id"), pl.String()),
}
NOTICE = pl.Struct({name: REACHED[name] for name in EARLIEST})
_ASKED = (*WHO, "recipient", "tick", "own_tick", "shown")
_ROOT = ("root_kind", "root")
_IS_ROOT = (
    ~pl.col("alone")
    & pl.col("subject_kind").is_in(GROUPS)
    & (pl.col("subject_kind") == pl.col("root_kind"))
    & (pl.col("subject") == pl.col("root"))
)


@dataclass(frozen=True)
class Goals:
    """The goals that were reached.

    Attributes:
        plan: The offers.
        reached: As `REACHED`, `own` the first tick after the signal, `since` the tick from which on it acts; of offers
            that have a goal.
    """

    plan: OfferPlan
    reached: pl.DataFrame

    def stopped(self, entries: pa.Table, alone: Bools) -> Mapping[int, Bools]:
        """Tell, by the index of offers, which triggers' people reached its goal after the own tick.

        Of triggers that were shown on own channels before it is enough that they reached a goal of its family since.

        Args:
            entries: `WHO`, recipient, trigger, tick, own_tick and shown.
            alone: Whether each reaches somebody whose group is too large.
        """
        found: dict[int, Bools] = {}
        if self.reached.is_empty():
            return found
        asked = framed(entries.select([*_ASKED, "trigger"])).with_row_index("row").with_columns(alone=alone)
        shown, kin = asked.drop_nulls("shown"), self._of_kin(self.reached)
        for number, offer in enumerate(self.plan.offers):
            triggered = pl.col("trigger").is_in(offer.triggers)
            own, family = pl.col("offer") == offer.name, pl.col("family") == offer.family
            late = _late(asked.filter(triggered), self.reached.filter(own), "own_tick")
            late += _late(shown.filter(triggered), kin.filter(family), "shown")
            if late:
                found[number] = np.zeros(len(entries), np.bool_)
                found[number][np.concatenate(late)] = True
        return found

    def reached_at(self, reservations: pl.DataFrame) -> Ints:
        """Return the tick from which on the goal of each decision is reached, FOREVER where it is not.

        Args:
            reservations: `WHO`, recipient, alone, offer and tick.
        """
        found = np.full(len(reservations), FOREVER)
        if not self.reached.is_empty():
            first = self._in_time(reservations).group_by("row").agg(pl.col("since").min())
            found[first["row"].to_numpy()] = first["since"].to_numpy()
        return found

    def earliest(self, reservations: pl.DataFrame) -> pl.Series:
        """Return the earliest notice, as `NOTICE`, that the goal of each decision is reached as of now; else null.

        Args:
            reservations: `WHO`, recipient, alone, offer, tick and now.
        """
        if self.reached.is_empty():
            return pl.Series([None] * len(reservations), dtype=NOTICE)
        ours = self._in_time(reservations).filter(pl.col("since") <= pl.col("now"))
        return _first_of(ours, len(reservations))

    def stops(self, entries: pa.Table, alone: Bools, rows: Ints, offers: Sequence[str]) -> pl.Series:
        """Return the earliest notice, as `NOTICE`, that stops an offer for a trigger: one of which `stopped` says so.

        Args:
            entries: As `stopped`.
            alone: The same.
            rows: Rows of entries.
            offers: Of each the offer.
        """
        families = {offer.name: offer.family for offer in self.plan.offers}
        asked = framed(entries.select(_ASKED)).with_columns(alone=alone)[rows].with_row_index("row")
        asked = asked.with_columns(offer=pl.Series(offers, dtype=pl.String))
        asked = asked.with_columns(family=pl.col("offer").replace_strict(families, return_dtype=pl.String))
        own = _pairs(asked, self.reached, ["offer"]).filter(pl.col("own") > pl.col("own_tick"))
        kin = _pairs(asked, self._of_kin(self.reached), ["family"]).filter(pl.col("own") > pl.col("shown"))
        return _first_of(pl.concat([own, kin]).filter(pl.col("since") <= pl.col("tick")), len(rows))

    def _in_time(self, reservations: pl.DataFrame) -> pl.DataFrame:
        """Pair decisions, by their row, with the notices that their goal was reached in time after them."""
        lengths = {offer.name: offer.goal_within for offer in self.plan.offers if offer.goal_within}
        within = pl.col("offer").replace_strict(lengths, default=None, return_dtype=pl.Int64)
        made = reservations.with_row_index("row").with_columns(within=within).drop_nulls("within")
        pairs = _pairs(made, self.reached, ["offer"])
        return pairs.filter(pl.col("own").is_between(pl.col("tick"), pl.col("tick") + pl.col("within"), "right"))

    def overtaken(self, offers: pl.DataFrame, since: int, upto: int) -> pl.DataFrame:
        """Return which offers a goal of their family overtakes, at which ticks in (since, upto].

        With the earliest notice that says so: row, tick, signal (its type), by (its id), since (its time).

        Args:
            offers: row, `WHO`, recipient, alone, family, tick and valid_until of reservations.
            since: The tick after which to look.
            upto: The last tick.
        """
        now = self._of_kin(self.reached.filter(pl.col("since").is_between(since, upto, "right")))
        pairs = _pairs(offers, now, ["family"], "signal")
        ours = pairs.filter((pl.col("tick") < pl.col("own")) & (pl.col("since") < pl.col("valid_until")))
        first = ours.sort("row", "since", *EARLIEST, "signal").unique(["row", "since"], keep="first")
        return first.select(pl.col("row").cast(pl.Int64), "signal", tick="since", by="id", since="time")

    def _of_kin(self, reached: pl.DataFrame) -> pl.DataFrame:
        """Return what was reached with family and signal of the offer instead of it."""
        offers = [(offer.name, offer.family, offer.goal_signal) for offer in self.plan.offers]
        known = pl.DataFrame(offers, ["offer", "family", "signal"], orient="row")
        return reached.join(known, "offer", maintain_order="left").drop("offer")


def goals_of(plan: OfferPlan, notices: Notices) -> Goals:
    """Return which goals contact roots were told of."""
    named = [offer.name for offer in plan.offers if offer.goal_within]
    if not named or GOAL not in notices.tables:
        return Goals(plan, pl.DataFrame(schema=REACHED))
    return Goals(plan, notices.tables[GOAL].filter(pl.col("offer").is_in(named)).select(REACHED.keys()))


def _late(made: pl.DataFrame, reached: pl.DataFrame, after: str) -> list[Ints]:
    """Return which rows' people have reached something after a tick of theirs, as of another, `tick`."""
    if made.is_empty() or reached.is_empty():
        return []
    found = []
    for by, who in _people(made):
        known = reached.sort("since").select(*by, "since", own=pl.col("own").cum_max().over(by))
        late = (as_of(who, known, by)["own"] > who[after]).fill_null(False)
        found.append(who.filter(late)["row"].to_numpy())
    return found


def _people(made: pl.DataFrame) -> Iterator[tuple[Sequence[str], pl.DataFrame]]:
    """Yield rows again for each who may have reached a goal, and the columns that must be equal.

    That is the subject, the recipient, and, if the subject is the contact root, anybody of whom that was told.

    Args:
        made: `WHO`, recipient, alone and others.
    """
    yield WHO, made
    recipients = made.drop_nulls("recipient")
    yield WHO, recipients.with_columns(subject_kind=pl.lit(LEVELS[0]), subject="recipient")
    yield _ROOT, made.filter(_IS_ROOT)


def _pairs(made: pl.DataFrame, reached: pl.DataFrame, alike: Sequence[str], *more: str) -> pl.DataFrame:
    """Pair rows with what their people reached, of which other columns must be equal, too; with `more` of it."""
    left = [name for name in made.columns if name not in WHO]
    notice = ("own", "since", *EARLIEST, *more)
    return pl.concat(who.join(reached, [*by, *alike]).select(*left, *notice) for by, who in _people(made))


def _first_of(pairs: pl.DataFrame, size: int) -> pl.Series:
    """Return the earliest notice of each row, as `NOTICE`; null where it has none."""
    first = pairs.sort("row", *EARLIEST).unique("row", keep="first", maintain_order=True)
    found = pl.DataFrame({"row": np.arange(size, dtype=np.uint32)}).join(
        first.select("row", notice=pl.struct(EARLIEST)), "row", "left", maintain_order="left"
    )
    return found["notice"].cast(NOTICE)
