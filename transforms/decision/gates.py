"""Gates that look at the customer and the clock: what holds each candidate up, whatever was sent before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_offers import INBOUND
from schemas.records import EVERYBODY
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER, as_of
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import (
    CHANNEL,
    CONSENT,
    ELIGIBILITY,
    FRESHNESS,
    GATES,
    GOAL_REACHED,
    HAS_MOVED,
    IS_PAUSED,
    IS_QUIET,
    MOVED,
    NO_CHANNEL,
    NO_CONSENT,
    OPEN_TICKET,
    PAUSED,
    QUIET,
    STALE,
    TICKET,
    UNKNOWN_ZONE,
    Contact,
    OfferPlan,
)
from transforms.compiler.reach import consents, reached_by
from transforms.decision.goals import Goals
from transforms.decision.notices import WHO, Notices, recipients_of
from transforms.decision.quiet_hours import opens_at
from transforms.decision.zones import Zones

OPEN = 0
"""Stands for the tick from which on a gate is open that is open."""

AT_AN_EVENT = FOREVER - 1
"""Stands for the tick from which on a gate is open that only an event opens."""

_SALES = "marketing"


@dataclass(frozen=True)
class Read:
    """What shuts gates to candidates, a row each.

    Attributes:
        rows: Of candidates.
        gates: Which gate.
        by: The id of the signal or of the decision; empty: it was erased.
        since: The time of the one, the tick of the other.
    """

    rows: Ints
    gates: Ints
    by: pl.Series
    since: Ints


@dataclass(frozen=True)
class GateResults:
    """What each candidate met at each gate, a row a candidate, a column a gate.

    Attributes:
        reasons: Index of the reason in `plan.reasons`, -1 where it passes.
        opens: The tick from which on it would pass: OPEN, AT_AN_EVENT, or FOREVER for never.
        read: What was read that shuts gates; of one candidate and gate the last of these counts.
    """

    reasons: Ints
    opens: Ints
    read: list[Read] = field(default_factory=list)

    def shut(self, gate: int | Ints, rows: Bools | Ints, reason: int | Ints, opens: int | Ints = FOREVER) -> None:
        """Note that a gate is shut to some candidates."""
        self.reasons[rows, gate], self.opens[rows, gate] = reason, opens

    def note(self, gate: int | Ints, rows: Ints, by: pl.Series, since: Ints) -> None:
        """Note what shuts a gate to some candidates."""
        if len(rows):
            self.read.append(Read(rows, np.broadcast_to(gate, rows.shape), by, since))

    def only(self, kept: Bools) -> "GateResults":
        """Return what some of the candidates met."""
        numbers, read = np.cumsum(kept) - 1, []
        for one in self.read:
            mine = kept[one.rows]
            read.append(Read(numbers[one.rows[mine]], one.gates[mine], one.by.filter(mine), one.since[mine]))
        return GateResults(self.reasons[kept], self.opens[kept], read)


def look_at_gates(
    plan: OfferPlan, triggers: pa.Table, candidates: pl.DataFrame, notices: Notices, zones: Zones
) -> GateResults:
    """Return what candidates meet at all gates but those that count.

    Args:
        plan: The policy.
        triggers: With subject_kind and own_tick, n; tick is that of the decision.
        candidates: What `rank_candidates` gives for them.
        notices: What their contact roots were told.
        zones: Where the recipients of the triggers are.
    """
    size = (len(candidates), len(GATES))
    results = GateResults(np.full(size, -1, np.int16), np.zeros(size, np.int64))
    ineligible = candidates["ineligible"].fill_null(-1).to_numpy()
    results.shut(ELIGIBILITY, ineligible >= 0, ineligible[ineligible >= 0])
    trigger, contact = (candidates[name].to_numpy() for name in ("trigger", "contact"))
    moved = pc.greater(triggers["moved_until"], triggers["tick"]).fill_null(False).to_numpy()
    results.shut(MOVED, moved[trigger], HAS_MOVED)
    asked = Asked(plan, triggers, trigger, contact, notices, plan.contacts)
    if PAUSED in plan.gates:
        results.shut(PAUSED, asked.paused(), IS_PAUSED, AT_AN_EVENT)
        _note(results, PAUSED, notices.tables["control"], asked.pauses)
    if CHANNEL in plan.gates:
        results.shut(CHANNEL, asked.without_channel(), NO_CHANNEL)
    if CONSENT in plan.gates:
        results.shut(CONSENT, asked.without_consent(), NO_CONSENT)
        _note(results, CONSENT, notices.tables["consent"], asked.refusals)
    if TICKET in plan.gates:
        results.shut(TICKET, asked.with_open_ticket(), OPEN_TICKET, AT_AN_EVENT)
        _note(results, TICKET, notices.tables["ticket"], asked.tickets)
    if plan.max_decision_age is not None:
        age = triggers["tick"].to_numpy() - triggers["own_tick"].to_numpy()
        stale = (age > plan.max_decision_age) & (triggers["n"].to_numpy() == 0)
        results.shut(FRESHNESS, stale[trigger], STALE)
    _look_at_clock(plan, triggers, trigger, contact, zones, results)
    return results


def note_stopped(goals: Goals, results: GateResults, entries: pa.Table, alone: Bools, candidates: pl.DataFrame) -> None:
    """Note which notice of a goal makes candidates ineligible."""
    rows = np.flatnonzero((candidates["ineligible"] == GOAL_REACHED).fill_null(False).to_numpy())
    if len(rows):
        trigger, contact = (candidates[name].to_numpy()[rows] for name in ("trigger", "contact"))
        offers = [goals.plan.contacts[number].offer for number in contact]
        notices = goals.stops(entries, alone, trigger, offers).struct.unnest()
        results.note(ELIGIBILITY, rows, notices["id"], notices["time"].to_numpy())


def _note(results: GateResults, gate: int, told: pl.DataFrame, places: Ints) -> None:
    """Note which notices shut a gate; `places` says of each candidate which one does, -1 for none."""
    rows = np.flatnonzero(places >= 0)
    if len(rows):
        at = np.empty(int(told["place"].to_numpy().max()) + 1, np.int64)
        at[told["place"].to_numpy()] = np.arange(len(told))
        read = told[at[places[rows]]]
        results.note(gate, rows, read["id"], read["time"].to_numpy())


def _look_at_clock(
    plan: OfferPlan, triggers: pa.Table, trigger: Ints, contact: Ints, zones: Zones, results: GateResults
) -> None:
    """Note what is quiet, or may be where the recipient's time zone is not known."""
    if plan.quiet is None:
        return
    zone, ticks = zones.of_row, triggers["tick"].to_numpy()
    known = np.flatnonzero(zone >= 0)
    rules = {channel: number for number, channel in enumerate(plan.quiet.channels)}
    rule = np.array([rules.get(one.channel, -1) for one in plan.contacts], np.int64)
    opens = np.zeros((len(rules) + 1, len(triggers)), np.int64)
    for number in np.unique(rule).tolist():
        of_rule = np.full(len(known), number)
        opens[number, known] = opens_at(plan.quiet, of_rule, zones.names, zone[known], ticks[known], plan.tick)
    asked = (~plan.is_inbound | (rule >= 0))[contact]  # own channels have quiet hours where these name them
    until = opens[rule[contact], trigger]
    quiet = asked & (until > ticks[trigger])
    results.shut(QUIET, quiet, IS_QUIET, until[quiet])
    results.shut(QUIET, asked & (zone < 0)[trigger], UNKNOWN_ZONE)


@dataclass(frozen=True)
class Asked:
    """What notices say about candidates.

    Attributes:
        plan: The policy.
        triggers: `WHO`, recipient and tick.
        trigger: For each candidate the row of its trigger.
        contact: For each candidate the index in `contacts`.
        notices: What contact roots were told.
        contacts: What may be sent.
    """

    plan: OfferPlan
    triggers: pa.Table
    trigger: Ints
    contact: Ints
    notices: Notices
    contacts: Sequence[Contact]

    def paused(self) -> Bools:
        """Tell which are paused, for whom and in whatever scope."""
        found: Bools = self.pauses >= 0
        return found

    @cached_property
    def pauses(self) -> Ints:
        """For each candidate the place of the earliest `control` that pauses it, -1 for none."""
        first = np.full(len(self.trigger), FOREVER)
        if self.notices.tables["control"].is_empty():
            return np.full(len(self.trigger), -1)
        contacts = self.contacts
        scopes = {
            "everything": [""] * len(contacts),
            "offer": [one.offer for one in contacts],
            "family": [one.family for one in contacts],
            "channel": [one.channel for one in contacts],
        }
        everybody = {name: pl.lit(EVERYBODY) for name in WHO}
        for whom in (self._recipients, self._subjects, self._subjects.with_columns(**everybody)):
            who = whom[self.trigger]
            for scope, targets in scopes.items():
                asked = who.with_columns(
                    scope=pl.lit(scope), target=pl.Series(targets, dtype=pl.String).gather(self.contact)
                )
                held = self.notices.latest("control", asked)
                pausing = (held["action"] == "pause").fill_null(False).to_numpy()
                first[pausing] = np.minimum(first[pausing], held["place"].to_numpy()[pausing])
        return np.where(first < FOREVER, first, -1)

    def without_channel(self) -> Bools:
        """Tell which go by a channel that is known not to reach the recipient."""
        names = sorted({contact.channel for contact in self.contacts})
        reached = reached_by(self.notices.latest("profile", self._recipients)["channels"], names)
        lacks = np.stack([~reached[name].to_numpy() for name in names] or [np.zeros(0)])
        channel = np.array([names.index(contact.channel) for contact in self.contacts], np.int64)
        found: Bools = (
            lacks[channel[self.contact], self.trigger]
            & ~np.array([one.channel == INBOUND for one in self.contacts], np.bool_)[self.contact]
        )
        return found

    def without_consent(self) -> Bools:
        """Tell which need a consent that is not there."""
        return self._consents[0]

    @property
    def refusals(self) -> Ints:
        """For each candidate without consent the place of the `consent` that decides it; -1: there is none."""
        return self._consents[1]

    @cached_property
    def _consents(self) -> tuple[Bools, Ints]:
        lacking, decides = np.zeros(len(self.trigger), np.bool_), np.full(len(self.trigger), -1)
        for message, basis in self.plan.bases.items():
            for channel in sorted({one.channel for one in self.contacts if one.message == message}):
                matches = [(one.message, one.channel) == (message, channel) for one in self.contacts]
                rows = np.array(matches, np.bool_)[self.contact]
                needs = np.unique(self.trigger[rows])
                lacks, places = np.zeros(len(self.triggers), np.bool_), np.full(len(self.triggers), -1)
                lacks[needs], places[needs] = self._refused(needs, message, channel, basis)
                lacking[rows] = lacks[self.trigger[rows]]
                decides[rows] = np.where(lacks, places, -1)[self.trigger[rows]]
        return lacking, decides

    def _refused(self, rows: Ints, message: str, channel: str, basis: str) -> tuple[Bools, Ints]:
        """Tell which triggers lack the recipient's consent, and the place of the latest, to this channel or all."""
        who = self._recipients[rows].with_columns(purpose=pl.lit(message))
        one, every = (
            self.notices.latest("consent", who.with_columns(channel=pl.lit(name))).select(
                "state", "valid_until", pl.col("place").fill_null(-1)
            )
            for name in (channel, "")
        )
        newer = one["place"] > every["place"]
        state, until, place = (one[name].zip_with(newer, every[name]) for name in ("state", "valid_until", "place"))
        return ~consents(basis, state, until, who["tick"]).to_numpy(), place.to_numpy()

    def with_open_ticket(self) -> Bools:
        """Tell which would sell while a ticket of the recipient, or of the trigger's subject, is open."""
        assert self.plan.ticket is not None, "asked only where tickets matter"
        sells = np.array([one.message == _SALES for one in self.contacts], np.bool_)[self.contact]
        held = self.notices.tables["ticket"].filter(self.plan.ticket.fill_null(False))
        if held.is_empty() or not sells.any():
            return np.zeros(len(self.trigger), np.bool_)
        begun = held.select(*WHO, "since", step=pl.lit(1))
        ended = held.filter(pl.col("until") < FOREVER).select(*WHO, since="until", step=pl.lit(-1))
        steps = pl.concat([begun, ended]).group_by(*WHO, "since").agg(pl.col("step").sum()).sort(*WHO, "since")
        steps = steps.with_columns(open=pl.col("step").cum_sum().over(WHO))
        found = np.zeros(len(self.triggers), np.bool_)
        for who in (self._recipients, self._subjects):
            found |= (as_of(who, steps, WHO)["open"] > 0).fill_null(False).to_numpy()
        return sells & found[self.trigger]

    @property
    def tickets(self) -> Ints:
        """For each candidate that an open ticket stops the place of the earliest, -1 for the others."""
        shut = self.with_open_ticket()
        found = np.full(len(self.triggers), -1)
        if shut.any():
            asked = np.unique(self.trigger[shut])
            whom = pl.concat(who[asked].with_columns(row=asked) for who in (self._recipients, self._subjects))
            assert self.plan.ticket is not None, "asked only where tickets matter"
            held = self.notices.tables["ticket"].filter(self.plan.ticket.fill_null(False))
            each = whom.join(held.select(*WHO, "since", "until", "place"), WHO)
            open_ = each.filter((pl.col("since") <= pl.col("tick")) & (pl.col("tick") < pl.col("until")))
            first = open_.group_by("row").agg(pl.col("place").min())
            found[first["row"].to_numpy()] = first["place"].to_numpy()
        return np.where(shut, found[self.trigger], -1)

    @cached_property
    def _recipients(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their recipients."""
        return recipients_of(self.triggers)

    @cached_property
    def _subjects(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their subjects."""
        return framed(self.triggers.select([*WHO, "tick"]))
