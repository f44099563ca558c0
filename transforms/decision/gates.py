"""Gates that look at the customer and the clock: what holds each candidate up, whatever was sent before."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

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
    OfferPlan,
)
from transforms.decision.notices import WHO, Notices, recipients_of
from transforms.decision.quiet_hours import opens_at
from transforms.decision.zones import Zones

OPEN = np.iinfo(np.int64).min
"""Stands for the tick from which on a gate is open that is open."""

AT_AN_EVENT = FOREVER - 1
"""Stands for the tick from which on a gate is open that only an event opens."""

_SALES = "marketing"


@dataclass(frozen=True)
class GateResults:
    """What each candidate met at each gate, a row a candidate, a column a gate.

    Attributes:
        reasons: Index of the reason in `plan.reasons`, -1 where it passes.
        opens: The tick from which on it would pass: OPEN, AT_AN_EVENT, or FOREVER for never.
    """

    reasons: Ints
    opens: Ints

    def shut(self, gate: int, rows: Bools | Ints, reason: int | Ints, opens: int | Ints = FOREVER) -> None:
        """Note that a gate is shut to some candidates."""
        self.reasons[rows, gate], self.opens[rows, gate] = reason, opens


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
    results = GateResults(np.full(size, -1), np.full(size, OPEN))
    ineligible = candidates["ineligible"].fill_null(-1).to_numpy()
    results.shut(ELIGIBILITY, ineligible >= 0, ineligible[ineligible >= 0])
    trigger, contact = (candidates[name].to_numpy() for name in ("trigger", "contact"))
    moved = pc.greater(triggers["moved_until"], triggers["tick"]).fill_null(False).to_numpy()
    results.shut(MOVED, moved[trigger], HAS_MOVED)
    asked = Asked(plan, triggers, trigger, contact, notices)
    if PAUSED in plan.gates:
        results.shut(PAUSED, asked.paused(), IS_PAUSED, AT_AN_EVENT)
    if CHANNEL in plan.gates:
        results.shut(CHANNEL, asked.without_channel(), NO_CHANNEL)
    if CONSENT in plan.gates:
        results.shut(CONSENT, asked.without_consent(), NO_CONSENT)
    if TICKET in plan.gates:
        results.shut(TICKET, asked.with_open_ticket(), OPEN_TICKET, AT_AN_EVENT)
    if plan.max_decision_age is not None:
        age = triggers["tick"].to_numpy() - triggers["own_tick"].to_numpy()
        stale = (age > plan.max_decision_age) & (triggers["n"].to_numpy() == 0)
        results.shut(FRESHNESS, stale[trigger], STALE)
    _look_at_clock(plan, triggers, trigger, contact, zones, results)
    return results


def _look_at_clock(
    plan: OfferPlan, triggers: pa.Table, trigger: Ints, contact: Ints, zones: Zones, results: GateResults
) -> None:
    """Note what is quiet, or may be where the recipient's time zone is not known."""
    if plan.quiet is None:
        return
    zone = zones.of_row[trigger]
    unknown = zone < 0
    rules = {channel: number for number, channel in enumerate(plan.quiet.channels)}
    channels = np.array([rules.get(one.channel, -1) for one in plan.contacts], np.int64)[contact]
    ticks = triggers["tick"].to_numpy()[trigger]
    asked = ~plan.is_inbound[contact] | (channels >= 0)
    known, unknown = np.flatnonzero(asked & ~unknown), asked & unknown
    opens = opens_at(plan.quiet, channels[known], zones.names, zone[known], ticks[known], plan.tick)
    quiet = opens > ticks[known]
    results.shut(QUIET, known[quiet], IS_QUIET, opens[quiet])
    results.shut(QUIET, unknown, UNKNOWN_ZONE)


@dataclass(frozen=True)
class Asked:
    """What notices say about candidates.

    Attributes:
        plan: The policy.
        triggers: `WHO`, recipient and tick.
        trigger: For each candidate the row of its trigger.
        contact: For each candidate the index in `plan.contacts`.
        notices: What contact roots were told.
    """

    plan: OfferPlan
    triggers: pa.Table
    trigger: Ints
    contact: Ints
    notices: Notices

    def paused(self) -> Bools:
        """Tell which are paused, for whom and in whatever scope."""
        if self.notices.tables["control"].is_empty():
            return np.zeros(len(self.trigger), np.bool_)
        pairs, back = np.unique(np.stack([self.trigger, self.contact]), axis=1, return_inverse=True)
        found = np.zeros(pairs.shape[1], np.bool_)
        contacts = [self.plan.contacts[number] for number in pairs[1]]
        scopes = {
            "everything": [""] * len(contacts),
            "offer": [one.offer for one in contacts],
            "family": [one.family for one in contacts],
            "channel": [one.channel for one in contacts],
        }
        everybody = {name: pl.lit(EVERYBODY) for name in WHO}
        for whom in (self._recipients, self._subjects, self._subjects.with_columns(**everybody)):
            who = whom[pairs[0]]
            for scope, targets in scopes.items():
                asked = who.with_columns(scope=pl.lit(scope), target=pl.Series(targets, dtype=pl.String))
                action = self.notices.latest("control", asked)["action"]
                found |= (action == "pause").fill_null(False).to_numpy()
        return found[back.ravel()]

    def without_channel(self) -> Bools:
        """Tell which go by a channel that is known not to reach the recipient."""
        theirs = self.notices.latest("profile", self._recipients)["channels"].str.split(" ")
        names = sorted({contact.channel for contact in self.plan.contacts})
        lacks = np.stack([~theirs.list.contains(name).fill_null(True).to_numpy() for name in names] or [np.zeros(0)])
        channel = np.array([names.index(contact.channel) for contact in self.plan.contacts], np.int64)
        found: Bools = lacks[channel[self.contact], self.trigger] & ~self.plan.is_inbound[self.contact]
        return found

    def without_consent(self) -> Bools:
        """Tell which need a consent that is not there."""
        found = np.zeros(len(self.trigger), np.bool_)
        for message, basis in self.plan.bases.items():
            for channel in sorted({one.channel for one in self.plan.contacts if one.message == message}):
                matches = [(one.message, one.channel) == (message, channel) for one in self.plan.contacts]
                rows = np.array(matches, np.bool_)[self.contact]
                needs = np.unique(self.trigger[rows])
                lacks = np.zeros(len(self.triggers), np.bool_)
                lacks[needs] = ~self._consents(needs, message, channel, basis)
                found[rows] = lacks[self.trigger[rows]]
        return found

    def _consents(self, rows: Ints, message: str, channel: str, basis: str) -> Bools:
        """Tell whether the recipients of triggers consent: by the latest of what they said of this channel or all."""
        who = self._recipients[rows].with_columns(purpose=pl.lit(message))
        one, every = (
            self.notices.latest("consent", who.with_columns(channel=pl.lit(name))).select(
                "state", "valid_until", pl.col("place").fill_null(-1)
            )
            for name in (channel, "")
        )
        newer = one["place"] > every["place"]
        state, until = (one[name].zip_with(newer, every[name]) for name in ("state", "valid_until"))
        holds = ~(until <= who["tick"]).fill_null(False)
        if basis == "opt_in":
            return ((state == "granted").fill_null(False) & holds).to_numpy()
        return (~((state == "withdrawn").fill_null(False) & holds)).to_numpy()

    def with_open_ticket(self) -> Bools:
        """Tell which would sell while a ticket of the recipient, or of the trigger's subject, is open."""
        assert self.plan.ticket is not None, "asked only where tickets matter"
        sells = np.array([one.message == _SALES for one in self.plan.contacts], np.bool_)[self.contact]
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

    @cached_property
    def _recipients(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their recipients."""
        return recipients_of(self.triggers)

    @cached_property
    def _subjects(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their subjects."""
        return framed(self.triggers.select([*WHO, "tick"]))
