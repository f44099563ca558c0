"""Gates that look at the customer and the clock: what holds each candidate up, whatever was sent before."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints
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
    OfferPlan,
)
from transforms.decision.asked import Asked
from transforms.decision.gate_results import AT_AN_EVENT, GateResults
from transforms.decision.goals import Goals
from transforms.decision.notices import Notices
from transforms.decision.quiet_hours import opens_at
from transforms.decision.zones import Zones


def look_at_gates(
    plan: OfferPlan,
    triggers: pa.Table,
    candidates: pl.DataFrame,
    notices: Notices,
    channels: pl.Series,
    zones: Zones,
) -> GateResults:
    """Return what candidates meet at all gates but those that count.

    Args:
        plan: The policy.
        triggers: With subject_kind and own_tick, n; tick is that of the decision.
        candidates: What `rank_candidates` gives for them.
        notices: What their contact roots were told.
        channels: Those of the recipients of the triggers, as their profile says.
        zones: Where the recipients of the triggers are.
    """
    size = (len(candidates), len(GATES))
    results = GateResults(np.full(size, -1, np.int16, "F"), np.zeros(size, np.int64, "F"))  # gate by gate
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
        results.shut(CHANNEL, asked.without_channel(channels), NO_CHANNEL)
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
