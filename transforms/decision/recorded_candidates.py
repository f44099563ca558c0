"""Recorded candidates: what each met at each gate, those of the first ranks in full; of the rest how many."""

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import INSTANT
from transforms.arrays.arrow_columns import Bools, Ints, changes, lists, pick, repeated, scattered
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import GATES, OfferPlan
from transforms.decision.answers import Answers, first_shut, of_nullable
from transforms.decision.gate_results import AT_AN_EVENT, GateResults

IN_FULL = 32
"""So many candidates of a trigger are recorded in full."""

READ = pa.struct(
    [
        pa.field("by", pa.string()),  # the id of the signal, or of the decision; null: it was erased
        pa.field("since", INSTANT),  # the time of the signal, the tick of the decision
    ]
)
GATE = pa.struct(
    [
        pa.field("gate", pa.string(), nullable=False),
        pa.field("result", pa.string(), nullable=False),  # passed | blocked | deferred
        pa.field("reason", pa.string()),  # why it does not pass
        pa.field("until", INSTANT),  # it would pass from then on; null of what is deferred: when something happens
        pa.field("read", READ),  # what shuts it; null of what passes, and where there is no such thing
    ]
)
CANDIDATE = pa.struct(
    [
        pa.field("offer", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("priority", pa.int64(), nullable=False),
        pa.field("value_micros", pa.int64()),
        pa.field("p_accept", pa.float64()),
        pa.field("p_accept_assumed", pa.bool_(), nullable=False),
        pa.field("gates", pa.list_(GATE), nullable=False),
    ]
)
OTHERS = pa.struct(
    [
        pa.field("reason", pa.string()),  # what shuts them out first; null: nothing does
        pa.field("count", pa.int64(), nullable=False),
    ]
)


def recorded_candidates(answers: Answers) -> tuple[pa.Array, pa.Array]:
    """Return of every trigger its candidates, as CANDIDATE, and the counts of those that have no room, as OTHERS."""
    plan, candidates, defers = answers.plan, answers.candidates, answers.deferrals.gates
    gates, trigger = answers.verdicts.gates, candidates["trigger"].to_numpy()
    starts = np.searchsorted(trigger, np.arange(len(answers.entries) + 1))
    beyond = np.flatnonzero(np.arange(len(trigger)) - starts[trigger] >= IN_FULL)
    reasons = first_shut(gates.reasons[beyond], defers[beyond])
    others = _counted(plan, trigger[beyond], reasons, len(answers.entries))
    if len(beyond):
        kept = np.ones(len(trigger), np.bool_)
        kept[beyond] = False
        candidates, defers, gates = candidates.filter(kept), defers[kept], gates.only(kept)
        starts = np.append(0, np.cumsum(np.minimum(np.diff(starts), IN_FULL)))
    contact = candidates["contact"].to_numpy()
    structs = [
        pick([one.offer for one in plan.contacts], contact),
        pick([one.channel for one in plan.contacts], contact),
        *(candidates[name].to_arrow() for name in ("priority", "value_micros", "p_accept", "p_accept_assumed")),
        lists(np.arange(len(contact) + 1) * len(plan.gates), GATE, _gates(plan, gates, defers)),
    ]
    return lists(starts, CANDIDATE, structs), others


def _gates(plan: OfferPlan, met: GateResults, defers: Bools) -> list[pa.Array]:
    """Return the columns of GATE, for each candidate one gate after the other; there is only work for what is shut."""
    having = np.array(plan.gates)
    size = len(met.reasons) * len(having)
    shut = np.flatnonzero(met.reasons[:, having].ravel() >= 0)
    row, gate = shut // len(having), having[shut % len(having)]
    opens, waits = met.opens[row, gate], defers[row, gate]
    until = np.where(waits & (opens < AT_AN_EVENT), opens, FOREVER)
    results = repeated(["passed"], size)
    if len(shut):
        which = np.zeros(size, np.int8)
        which[shut] = np.where(waits, 2, 1)
        results = pa.array(["passed", "blocked", "deferred"]).take(pa.array(which))
    return [
        repeated([GATES[number] for number in plan.gates], len(met.reasons)),
        results,
        scattered(size, shut, pick(plan.reasons, met.reasons[row, gate])),
        scattered(size, shut, of_nullable(until).cast(INSTANT)),
        _read(met, size, having),
    ]


def _read(met: GateResults, size: int, having: Ints) -> pa.Array:
    """Return what was read at each gate, as READ."""
    rows, gates, since = (
        np.concatenate([np.empty(0, np.int64), *(getattr(one, name) for one in met.read)])
        for name in ("rows", "gates", "since")
    )
    by = pl.concat([pl.Series([], dtype=pl.String), *(one.by.rename("") for one in met.read)])
    places = rows * len(having) + np.searchsorted(having, gates)
    order = np.argsort(places, kind="stable")
    order = order[np.append(changes(places[order])[1:], True)[: len(order)]]  # the last of equal ones
    order = order[met.reasons[rows[order], gates[order]] >= 0]
    texts = by.gather(order).replace("", None).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
    read = pa.StructArray.from_arrays([texts, pa.array(since[order]).cast(INSTANT)], fields=list(READ))
    return scattered(size, places[order], read)


def _counted(plan: OfferPlan, trigger: Ints, reasons: Ints, size: int) -> pa.Array:
    """Return how many candidates of each trigger have which reason, by reason."""
    texts = sorted(set(plan.reasons))
    places = np.array([-1, *(texts.index(reason) for reason in plan.reasons)], np.int64)
    keys, counts = np.unique(trigger * (len(texts) + 1) + places[reasons + 1] + 1, return_counts=True)
    bounds = np.searchsorted(keys, np.arange(size + 1) * (len(texts) + 1))
    return lists(bounds, OTHERS, [pick(texts, keys % (len(texts) + 1) - 1), pa.array(counts, pa.int64())])
