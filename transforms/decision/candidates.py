"""Candidates: what each trigger could send, worth how much, the best first."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints, spread
from transforms.arrays.hashing import Hashes, finalise, fnv1a64
from transforms.arrays.plain_arrow import as_written, framed
from transforms.compiler.offer_definitions import (
    BELOW_ZERO,
    GOAL_REACHED,
    NO_VALUE,
    NOT_ELIGIBLE,
    NOT_IN_SHARE,
    Offer,
    OfferPlan,
)
from transforms.decision.draws import in_share

MICROS = 1_000_000

_COLUMNS = {
    "trigger": pl.Int64(),
    "offer": pl.Int64(),
    "priority": pl.Int64(),
    "ineligible": pl.Int64(),
    "value_micros": pl.Int64(),
    "p_accept": pl.Float64(),
    "p_accept_assumed": pl.Boolean(),
    "tie": pl.UInt64(),
}

_ASKED = ("ineligible", "value_micros", "p_accept")


def rank_candidates(
    plan: OfferPlan, triggers: pa.Table, scope: pl.DataFrame, stopped: Mapping[int, Bools]
) -> pl.DataFrame:
    """Evaluate every live offer of every trigger that has a recipient; by own channels once.

    The rank within a trigger: eligible before not, then the tier, the higher value, a hash of (decision id, offer),
    the preferred channel.

    Args:
        plan: The offers.
        triggers: Columns trigger, decision_id, root_kind, root, recipient, tick, inbound.
        scope: What expressions see of them.
        stopped: By the index of an offer of which triggers its goal is reached already.

    Returns:
        One row a candidate, sorted by trigger and rank. `trigger`: the row of the trigger; `contact`: index in
        `plan.contacts`; `priority`; `ineligible`: GOAL_REACHED, NOT_ELIGIBLE, NO_VALUE, BELOW_ZERO, NOT_IN_SHARE or
        null; `value_micros`: value * p_accept - cost in millionths, rounded half to even, null unless it is finite and
        0 <= p_accept <= 1; `p_accept`; `p_accept_assumed`.
    """
    asked = framed(triggers.select(["trigger", "recipient"])).lazy().with_row_index("row").drop_nulls("recipient")
    reached = as_written(asked.group_by("trigger", maintain_order=True).agg("row"))
    hashes = fnv1a64(triggers["decision_id"].combine_chunks())
    found, shapes = [pl.DataFrame(schema=_COLUMNS)], []
    for trigger, rows in zip(reached["trigger"], reached["row"], strict=True):
        numbers = [number for number, offer in enumerate(plan.offers) if trigger in offer.triggers]
        if numbers:
            found.append(_candidates(plan, numbers, rows, scope, hashes))
            shapes.append((len(numbers), len(rows)))
    table = _stopped(plan, stopped, _shared(plan, triggers, pl.concat(found)))
    return _pushed(plan, triggers, _by_contact(plan, table, _rank(table, shapes)))


def _rank(table: pl.DataFrame, shapes: Sequence[tuple[int, int]]) -> Ints:
    """Return the rows in the order of trigger and rank.

    Args:
        table: As `_COLUMNS`, one offer after the other, all with the same triggers; then those of other triggers.
        shapes: How many offers and how many triggers these are.
    """
    value = table["value_micros"]
    descending = ~value.fill_null(0).to_numpy()  # the complement: no whole number has none
    tier = [table["priority"].to_numpy(), table["ineligible"].is_not_null().to_numpy()]
    keys = [table["offer"].to_numpy(), table["tie"].to_numpy(), descending, value.is_null().to_numpy(), *tier]
    start, found = 0, [np.empty(0, np.int64)]
    for shape in shapes:
        rows = np.arange(start, start + shape[0] * shape[1]).reshape(shape).T
        ranked = np.lexsort([key[rows] for key in keys])  # those of each trigger
        found.append(np.take_along_axis(rows, ranked, axis=1).ravel())
        start += rows.size
    every = np.concatenate(found)
    return every if len(shapes) == 1 else every[np.argsort(table["trigger"].to_numpy()[every], kind="stable")]


def _candidates(
    plan: OfferPlan, numbers: Sequence[int], rows: pl.Series, scope: pl.DataFrame, hashes: Hashes
) -> pl.DataFrame:
    """Return one row for each of some triggers and each of the same offers."""
    offers = [plan.offers[number] for number in numbers]
    values = {f"{n} {name}": expr for n, offer in enumerate(offers) for name, expr in _values(offer).items()}
    wide = _read(scope, offers)[rows].with_columns(**values)
    columns = {name: pl.concat([wide[f"{n} {name}"] for n in range(len(offers))]) for name in _ASKED}
    which, offer = np.tile(rows.to_numpy().astype(np.int64), len(offers)), np.repeat(numbers, len(rows))
    names = pa.array([one.name for one in plan.offers], pa.string()).take(offer)
    return pl.DataFrame(
        {
            **columns,
            "trigger": which,
            "offer": offer,
            "priority": np.array([one.priority for one in plan.offers], np.int64)[offer],
            "p_accept_assumed": np.array([one.p_accept_assumed for one in plan.offers])[offer],
            "tie": finalise(fnv1a64(names, hashes[which])),
        }
    ).select(_COLUMNS.keys())


def _by_contact(plan: OfferPlan, table: pl.DataFrame, rows: Ints) -> pl.DataFrame:
    """Return each of some rows once for each contact of its offer."""
    offer = table["offer"].to_numpy()[rows]
    sizes = np.array([len(offer.send) for offer in plan.offers], np.int64)
    contacts = spread((np.cumsum(sizes) - sizes)[offer], sizes[offer])
    every = table.drop("offer", "tie")[np.repeat(rows, sizes[offer])]
    return every.with_columns(contact=contacts)


def _pushed(plan: OfferPlan, triggers: pa.Table, table: pl.DataFrame) -> pl.DataFrame:
    """Return candidates without those by own channels of triggers that have been there."""
    if not plan.is_inbound.any():
        return table
    been = pc.is_valid(triggers["inbound"]).to_numpy()[table["trigger"].to_numpy()]
    return table.filter(~(been & plan.is_inbound[table["contact"].to_numpy()]))


def _shared(plan: OfferPlan, triggers: pa.Table, table: pl.DataFrame) -> pl.DataFrame:
    """Return candidates; those of a share that does not hold their root are ineligible."""
    for number in (number for number, offer in enumerate(plan.offers) if offer.share is not None):
        outside = (table["offer"].to_numpy() == number) & ~in_share(plan, number, triggers)[table["trigger"].to_numpy()]
        refused = pl.when(pl.Series(outside) & pl.col("ineligible").is_null()).then(NOT_IN_SHARE)
        table = table.with_columns(ineligible=refused.otherwise("ineligible").cast(pl.Int64))
    return table


def _stopped(plan: OfferPlan, stopped: Mapping[int, Bools], table: pl.DataFrame) -> pl.DataFrame:
    """Return candidates; those whose goal is reached are ineligible, whatever else they are."""
    trigger, offer = table["trigger"].to_numpy(), table["offer"].to_numpy()
    for number, reached in stopped.items():
        there = (offer == number) & reached[trigger]
        refused = pl.when(pl.Series(there)).then(GOAL_REACHED)
        table = table.with_columns(ineligible=refused.otherwise("ineligible").cast(pl.Int64))
    return table


def _values(offer: Offer) -> dict[str, pl.Expr]:
    """Return what is asked of an offer, by the names of `_ASKED`."""
    probability = pl.when(offer.p_accept.is_between(0, 1)).then(offer.p_accept)
    micros = ((offer.value * probability - offer.cost) * MICROS).round(mode="half_to_even").cast(pl.Int64, strict=False)
    refused = pl.when(~offer.eligible.fill_null(False)).then(NOT_ELIGIBLE).when(micros.is_null()).then(NO_VALUE)
    if not offer.at_a_loss:
        refused = refused.when(micros < 0).then(BELOW_ZERO)
    return dict(zip(_ASKED, (refused.cast(pl.Int64), micros, offer.p_accept), strict=True))


def _read(scope: pl.DataFrame, offers: Sequence[Offer]) -> pl.DataFrame:
    """Return the columns that offers read, or one."""
    return scope.select(sorted(frozenset().union(*(offer.reads for offer in offers))) or scope.columns[:1])


def params_of(plan: OfferPlan, sent: Ints, scope: pl.DataFrame) -> pa.Array:
    """Return the params of what each trigger sends (index in `plan.contacts`, -1 for nothing) as JSON text."""
    offers = np.append(np.array(plan.offer_of, np.int64), -1)[sent]
    texts = np.full(len(sent), None, np.object_)
    for number in np.unique(offers[offers >= 0]):
        rows, offer = np.flatnonzero(offers == number), plan.offers[number]
        params = pl.struct(offer.params).struct.json_encode() if offer.params else pl.lit("{}")
        texts[rows] = _read(scope, [offer])[rows].select(params.alias("params"))["params"].to_numpy()
    return pa.array(texts, pa.string())
