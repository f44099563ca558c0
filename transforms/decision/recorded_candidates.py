"""Recorded candidates: what each met at each gate, those of the first ranks in full; of the rest how many."""

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import INSTANT
from transforms.arrays.arrow_columns import Bools, Ints, changes, lists, pick, scattered
from transforms.arrays.in_time import FOREVER
from transforms.arrays.patterns import patterns_of, texts_of
from transforms.compiler.offer_definitions import GATES, OfferPlan
from transforms.decision.answers import Answers, first_shut, of_nullable
from transforms.decision.gate_results import AT_AN_EVENT, GateResults, Read

IN_FULL = 32
"""So many candidates of a trigger are recorded in full."""

_BLOCK = 8_192
"""So many triggers are written down at once: what is laid out for them stays near at hand, and is used again."""
_RESULTS = ("blocked", "deferred")

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


def recorded_candidates(answers: Answers) -> tuple[pa.ChunkedArray, pa.Array]:
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
    read, blocks, names = _last_read(gates), [], _names(plan, starts)
    for first in range(0, len(starts) - 1, _BLOCK):
        bounds = starts[first : first + _BLOCK + 1]
        rows = slice(bounds[0], bounds[-1])
        met = GateResults(gates.reasons[rows], gates.opens[rows], [read.between(bounds[0], bounds[-1])])
        structs = _candidates(plan, candidates[rows], names, met, defers[rows])
        blocks.append(lists(bounds - bounds[0], CANDIDATE, structs))
    return pa.chunked_array(blocks, pa.list_(CANDIDATE)), others


def _names(plan: OfferPlan, starts: Ints) -> pa.Array:
    """Return the names of the gates, again and again: for the candidates of any block."""
    most = int((starts[_BLOCK:] - starts[:-_BLOCK]).max()) if len(starts) > _BLOCK else int(starts[-1])
    return texts_of([[GATES[number] for number in plan.gates]], np.zeros(most, np.int64))


def _candidates(
    plan: OfferPlan, candidates: pl.DataFrame, names: pa.Array, met: GateResults, defers: Bools
) -> list[pa.Array]:
    """Return the columns of CANDIDATE."""
    contact = candidates["contact"].to_numpy()
    return [
        pick([one.offer for one in plan.contacts], contact),
        pick([one.channel for one in plan.contacts], contact),
        *(candidates[name].to_arrow() for name in ("priority", "value_micros", "p_accept", "p_accept_assumed")),
        lists(np.arange(len(contact) + 1) * len(plan.gates), GATE, _gates(plan, names, met, defers)),
    ]


def _gates(plan: OfferPlan, names: pa.Array, met: GateResults, defers: Bools) -> list[pa.Array]:
    """Return the columns of GATE, for each candidate one gate after the other; many candidates meet the same."""
    having = np.array(plan.gates)
    reasons, size = met.reasons[:, having], len(met.reasons) * len(having)
    shut = np.flatnonzero(reasons.ravel() >= 0)
    row, gate = shut // len(having), having[shut % len(having)]
    opens, waits = met.opens[row, gate], defers[row, gate]
    until = np.where(waits & (opens < AT_AN_EVENT), opens, FOREVER)
    codes = reasons * 2  # the reason, and whether it defers
    codes[defers[:, having]] += 1
    numbers, patterns = patterns_of(codes)
    of_pattern = patterns.tolist()
    results = [["passed" if one < 0 else _RESULTS[one % 2] for one in pattern] for pattern in of_pattern]
    why = [[None if one < 0 else plan.reasons[one // 2] for one in pattern] for pattern in of_pattern]
    return [
        names[:size],
        texts_of(results, numbers),
        texts_of(why, numbers),
        scattered(size, shut, of_nullable(until).cast(INSTANT)),
        _read(met.read[0], size, having),
    ]


def _last_read(met: GateResults) -> Read:
    """Return what was read at each gate that is shut, the last, by candidate and gate."""
    rows, gates, since = (
        np.concatenate([np.empty(0, np.int64), *(getattr(one, name) for one in met.read)])
        for name in ("rows", "gates", "since")
    )
    by = pl.concat([pl.Series([], dtype=pl.String), *(one.by.rename("") for one in met.read)])
    places = rows * len(GATES) + gates
    order = np.argsort(places, kind="stable")
    order = order[np.append(changes(places[order])[1:], True)[: len(order)]]  # the last of equal ones
    order = order[met.reasons[rows[order], gates[order]] >= 0]
    return Read(rows[order], gates[order], by.gather(order), since[order])


def _read(read: Read, size: int, having: Ints) -> pa.Array:
    """Return what was read at each gate, as READ."""
    places = read.rows * len(having) + np.searchsorted(having, read.gates)
    texts = read.by.replace("", None).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())
    structs = pa.StructArray.from_arrays([texts, pa.array(read.since).cast(INSTANT)], fields=list(READ))
    return scattered(size, places, structs)


def _counted(plan: OfferPlan, trigger: Ints, reasons: Ints, size: int) -> pa.Array:
    """Return how many candidates of each trigger have which reason, by reason."""
    texts = sorted(set(plan.reasons))
    places = np.array([-1, *(texts.index(reason) for reason in plan.reasons)], np.int64)
    keys, counts = np.unique(trigger * (len(texts) + 1) + places[reasons + 1] + 1, return_counts=True)
    bounds = np.searchsorted(keys, np.arange(size + 1) * (len(texts) + 1))
    return lists(bounds, OTHERS, [pick(texts, keys % (len(texts) + 1) - 1), pa.array(counts, pa.int64())])
