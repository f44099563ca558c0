"""What became of contacts: which of them a ledger counts at a tick, and when that changes without a decision."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import LEVELS
from schemas.playbook_offers import INBOUND
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import first_after
from transforms.arrays.plain_arrow import as_written, framed
from transforms.compiler.offer_definitions import Contact, OfferPlan
from transforms.decision.goals import NOTICE, Goals, goals_of
from transforms.decision.notices import WHO, Notices

REJECTED = ("rejected", "declined", "complained")
"""Results of an outcome after which the same is not offered for longer."""

FAILED = "failed"
REFUSED, COMMITTED = "rejected", "committed"
"""With `FAILED`, what reports come to."""
SETTLED = (*REJECTED, FAILED, "accepted", "fulfilled", "expired")
"""States and results after which there is nothing left to withdraw."""

COUNTED_BY = [*WHO, "recipient", "offer", "family", "channel", "message", "tick", "decision_id", "alone"]
"""The columns of a reservation that limits look at."""
_HELD = [*COUNTED_BY, "valid_until", "said"]
_ROOT = ("root_kind", "root")
_KEY = (*_ROOT, "decision_id")
_TOLD = ("offer", "family", "channel", "message")
_TEXTS = ("decision_id", "offer", "family", "channel", "message", "what", "source", "id")
_KNOWN_BY = (pl.col("decision_id").alias("by"), pl.col("tick").alias("since"))
_IS_REJECTED = (pl.col("said") == REFUSED).fill_null(False).alias("rejected")
_NO_GOAL = pl.lit(None, NOTICE).alias("goal")
_REPORT = {
    **dict.fromkeys((*WHO, *_TEXTS), pl.String()),
    "contact": pl.Boolean(),
    "again": pl.Boolean(),
    "time": pl.Int64(),
    "since": pl.Int64(),
}
_NO_REPORTS = pl.DataFrame(schema=_REPORT).with_row_index("place")


@dataclass(frozen=True)
class Contacts:
    """What was reported of contacts.

    Attributes:
        reports: `WHO`, decision_id, offer, family, channel, message, what (the state or the result), contact (whether
            the report is a contact), again (whether an outcome may be of a decision of another root),
            since (the tick from which on it acts), place (in the order in which they act).
        within: After so many milliseconds a reservation that nobody reported is released; None for never. One on own
            channels is when it lapses.
        goals: The goals that were reached.
        known_for: Before so many milliseconds a report is of the decision that it names; later the root has forgotten.
        lapses: Whether some are, or may be, on own channels.
    """

    reports: pl.DataFrame
    within: int | None
    goals: Goals
    known_for: int
    lapses: bool

    @property
    def silent(self) -> bool:
        """Whether no ledger ever changes but by decisions."""
        unchanged = self.within is None and not self.lapses
        return unchanged and self.reports.is_empty() and self.goals.reached.is_empty()

    def counted_at(self, entries: pa.Table, reservations: pa.Table) -> pl.DataFrame:
        """Return what the ledgers of the roots of some entries count at the first tick of these.

        Args:
            entries: Columns root_kind, root, tick.
            reservations: As RESERVATION.

        Returns:
            `WHO`, recipient, offer, family, channel, message, tick, decision_id, alone, counts (but for a goal that
            was reached), rejected, reached (its goal), goal (as `goals.NOTICE`), by (the id of the decision, or of the
            signal that reported it), since (its tick, or its time); of other roots too.
        """
        if self.silent:
            every = framed(reservations.select(_HELD)).with_columns(
                *_KNOWN_BY, _NO_GOAL, _IS_REJECTED, counts=pl.lit(True), reached=pl.lit(False)
            )
            return every.drop("valid_until", "said")
        at = first_ticks(entries).drop("row")
        mine = framed(reservations.select(_HELD)).join(at, _ROOT, maintain_order="left")
        goal = self.goals.earliest(mine).alias("goal")
        mine = mine.with_columns(goal, reached=goal.is_not_null())
        ours, others = self._said_by(mine.select(*_KEY, "tick"), at)
        mine = mine.with_columns(pl.coalesce("said", _said_of(mine, ours)).alias("said"))
        silent = (pl.col("now") >= self._released).fill_null(False)
        counts = pl.when(pl.col("said").is_null()).then(~silent).otherwise(pl.col("said") != FAILED)
        mine = mine.with_columns(*_KNOWN_BY, _IS_REJECTED, counts=counts)
        counted = mine.filter(pl.col("counts") | pl.col("reached")).drop("now", "said", "valid_until")
        if others.is_empty():
            return counted
        return pl.concat([counted, _of_others(others, self.goals.plan).select(counted.columns)])

    def said_until(self, reservations: pa.Table, now: int) -> pl.Series:
        """Return what was reported of reservations up to a tick: FAILED, REFUSED or COMMITTED; null for nothing."""
        mine = framed(reservations.select(_HELD))
        at = mine.select(_ROOT).unique().with_columns(now=pl.lit(now, pl.Int64))
        ours, _ = self._said_by(mine.select(*_KEY, "tick"), at)
        return mine.select(pl.coalesce("said", _said_of(mine, ours)).alias("said"))["said"]

    def _said_by(self, made: pl.DataFrame, at: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Part what was reported to some roots up to `now` by whether a decision made then explains it."""
        said = self.reports.join(at, _ROOT).filter(pl.col("since") <= pl.col("now"))
        said = said.join(made.rename({"tick": "made"}), [*_KEY], "left")
        ours = (pl.col("since") > pl.col("made")) & (pl.col("since") - pl.col("made") < self.known_for)
        said = said.with_columns(ours=ours.fill_null(False))
        return said.filter("ours"), said.filter(~pl.col("ours"))

    @property
    def settled(self) -> pl.DataFrame:
        """What is settled: root_kind, root, decision_id, and the tick from which on."""
        told = self.reports.lazy().filter(pl.col("what").is_in(SETTLED))
        return as_written(told.select(*_KEY, settled="since"))

    def came_in(self, entries: pa.Table, reservations: pa.Table) -> Bools:
        """Tell of which entries the customer came: anything but a failure was reported of what was on own channels.

        Args:
            entries: As `entry_schema`.
            reservations: As RESERVATION.
        """
        found = np.zeros(len(entries), np.bool_)
        asked = framed(entries.select(["root_kind", "root", "tick", "inbound"])).with_row_index("row")
        asked = asked.rename({"inbound": "decision_id", "tick": "now"}).drop_nulls("decision_id")
        made = framed(reservations.select([*_KEY, "tick"]))
        said = self.reports.filter(pl.col("what") != FAILED).select(*_KEY, "since")
        told = asked.join(made, [*_KEY]).join(said, [*_KEY])
        came = told.filter((pl.col("since") > pl.col("tick")) & (pl.col("since") <= pl.col("now")))
        found[came["row"].to_numpy()] = True
        return found

    @property
    def _released(self) -> pl.Expr:
        """When a reservation is released that nobody reports, NULL for never; over the columns of RESERVATION."""
        silent = pl.lit(None, pl.Int64) if self.within is None else pl.col("tick") + self.within
        return pl.when(pl.col("channel") == INBOUND).then("valid_until").otherwise(silent)

    def _silences(self, reservations: pl.DataFrame) -> pl.DataFrame:
        """Return when reservations are released that nobody reports before: root_kind, root, since."""
        unsaid = reservations.filter(pl.col("said").is_null())
        held = unsaid.select(*_KEY, made="tick", released=self._released).drop_nulls("released")
        said = self.reports.select(*_KEY, "since").join(held, [*_KEY])
        in_time = pl.col("since").is_between(pl.col("made"), pl.col("released"), "right")
        known = in_time & (pl.col("since") - pl.col("made") < self.known_for)
        silent = held.join(said.filter(known), _KEY, "anti")
        return silent.select(*_ROOT, since="released")

    def changes_after(self, at: pl.DataFrame, reservations: pa.Table) -> Ints:
        """Return the first tick after `now` at which a ledger changes without a decision, FOREVER if none is known.

        Args:
            at: Columns root_kind, root, now.
            reservations: As RESERVATION.
        """
        turns = [self.reports.select(*_ROOT, "since")]
        if self.within is not None or self.lapses:
            turns.append(self._silences(framed(reservations.select(_HELD))))
        if not self.goals.reached.is_empty():
            made = framed(reservations.select(COUNTED_BY))
            turns.append(made.select(_ROOT).with_columns(since=self.goals.reached_at(made)))
        return first_after(at.rename({"now": "tick"}), pl.concat(turns), _ROOT)


def _of_others(reports: pl.DataFrame, plan: OfferPlan) -> pl.DataFrame:
    """Return as reservations, at the first tick after them, the contacts that no decision explains."""
    nameless = reports.filter(pl.col("contact") & (pl.col("what") != FAILED) & pl.col("decision_id").is_null())
    each = nameless.with_columns(rejected=pl.lit(False)).select(*WHO, *_TOLD, "decision_id", "rejected", "time", "id")
    subscriber = pl.when(pl.col("subject_kind") == LEVELS[0]).then("subject")
    return pl.concat([each, _of_other_decisions(reports, plan).select(each.columns)]).select(
        *WHO,
        subscriber.alias("recipient"),
        *(pl.col(name).fill_null("") for name in ("offer", "family", "channel")),
        pl.col("message").fill_null("marketing"),
        (pl.col("time") // plan.tick * plan.tick + plan.tick).alias("tick"),
        pl.col("decision_id").fill_null(""),
        pl.lit(True).alias("counts"),
        "rejected",
        *(pl.lit(False).alias(name) for name in ("alone", "reached")),
        _NO_GOAL,
        by="id",
        since="time",
    )


def _of_other_decisions(reports: pl.DataFrame, plan: OfferPlan) -> pl.DataFrame:
    """Return one contact of each decision that is not known, unless it failed at last; what nobody said is the plan's.

    It is of the first report that is a contact, or an outcome that a subscriber brought along: neither a failure.
    """
    by = [*WHO, "decision_id"]
    named = reports.filter(pl.col("decision_id").is_not_null()).sort("place")
    brought = (pl.col("again") & (pl.col("subject_kind") == LEVELS[0])).fill_null(False)
    makes = (pl.col("contact") | brought) & (pl.col("what") != FAILED)
    first = named.filter(makes).unique(by, keep="first").select(*by, "time", "id")
    told = named.group_by(by).agg(*(pl.col(name).drop_nulls().first() for name in _TOLD), said=_word())
    sent = pl.DataFrame([*plan.contacts], schema=dict.fromkeys(Contact._fields, pl.String), orient="row")
    ours = sent.select("offer", own_family="family", own_message="message").unique("offer")
    found = first.join(told, by).filter(pl.col("said") != FAILED).join(ours, "offer", "left")
    filled = (pl.coalesce(name, f"own_{name}").alias(name) for name in ("family", "message"))
    return found.with_columns(*filled, rejected=pl.col("said") == REFUSED)


def contacts_of(plan: OfferPlan, notices: Notices, reservations: pa.Table) -> Contacts:
    """Return what notices report of contacts and goals, of these reservations or of later ones."""
    goals = goals_of(plan, notices)
    lapses = bool(plan.is_inbound.any()) or INBOUND in reservations["channel"].unique().to_pylist()
    found = []
    for signal, what in (("contact", "state"), ("outcome", "result")):
        if signal in plan.notices:
            table = notices.tables[signal].with_columns(contact=pl.lit(signal == "contact"), what=what)
            missing = [pl.lit(None, dtype).alias(name) for name, dtype in _REPORT.items() if name not in table.columns]
            found.append(table.with_columns(missing).select(_REPORT.keys()))
    if not found:
        return Contacts(_NO_REPORTS, plan.reported_within, goals, plan.known_for, lapses)
    in_order = pl.concat(found).sort("since", "time", "source", "id", ~pl.col("contact"))
    reports = in_order.with_row_index("place")
    return Contacts(reports, plan.reported_within, goals, plan.known_for, lapses)


def _said_of(mine: pl.DataFrame, reports: pl.DataFrame) -> pl.Series:
    """Return what reports say of each decision: the last of a failure, else whether any refused; null for nothing."""
    told = reports.group_by(_KEY).agg(told=_word())
    return mine.select(_KEY).join(told, [*_KEY], "left", maintain_order="left")["told"]


def _word() -> pl.Expr:
    """Return what reports of one decision come to."""
    refused = pl.col("what").is_in(REJECTED).any()
    last = pl.col("what").sort_by("place").last()
    return pl.when(last == FAILED).then(pl.lit(FAILED)).when(refused).then(pl.lit(REFUSED)).otherwise(pl.lit(COMMITTED))


def first_ticks(entries: pa.Table) -> pl.DataFrame:
    """Return root_kind and root of each contact root once, the first tick of its entries as `now`, and a row of it."""
    frame = framed(entries.select(["root_kind", "root", "tick"])).with_row_index("row")
    of_root = frame.group_by("root_kind", "root", maintain_order=True)
    return of_root.agg(pl.col("tick").min().alias("now"), pl.col("row").first())
