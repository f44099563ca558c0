"""Candidates: what each trigger could send, worth how much, the best first."""

from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.decision.columns import Ints
from transforms.decision.definitions import NO_VALUE, NOT_ELIGIBLE, Offer, OfferPlan
from transforms.hashing import Hashes, finalise, fnv1a64

MICROS = 1_000_000

_COLUMNS = {
    "trigger": pl.Int64(),
    "contact": pl.Int64(),
    "priority": pl.Int64(),
    "ineligible": pl.Int64(),
    "value_micros": pl.Int64(),
    "p_accept": pl.Float64(),
    "p_accept_assumed": pl.Boolean(),
    "tie": pl.UInt64(),
}

_RANK = ("trigger", "last", "priority", "value_micros", "tie", "contact")


def rank_candidates(plan: OfferPlan, triggers: pa.Table, scope: pl.DataFrame) -> pl.DataFrame:
    """Evaluate every live offer of every trigger that has a recipient.

    The rank within a trigger: eligible before not, then the tier, the higher value, a hash of (decision id, offer),
    the preferred channel.

    Args:
        plan: The offers.
        triggers: Columns trigger, decision_id, recipient.
        scope: What expressions see of them.

    Returns:
        One row a candidate, sorted by trigger and rank. `trigger`: the row of the trigger; `contact`: index in
        `plan.contacts`; `priority`; `ineligible`: NOT_ELIGIBLE, NO_VALUE or null; `value_micros`: value * p_accept
        - cost in millionths, rounded half to even, null unless it is finite and 0 <= p_accept <= 1; `p_accept`;
        `p_accept_assumed`.
    """
    names, recipients = (cast(pl.Series, pl.from_arrow(triggers[name])) for name in ("trigger", "recipient"))
    hashes = fnv1a64(triggers["decision_id"].combine_chunks())
    first, found = 0, [pl.DataFrame(schema=_COLUMNS)]
    for offer in plan.offers:
        rows = (names.is_in(offer.triggers) & recipients.is_not_null()).arg_true()
        contacts = pl.DataFrame({"contact": np.arange(first, first + len(offer.send))})
        if len(rows):
            found.append(_evaluate(offer, rows, scope, hashes).join(contacts, how="cross").select(*_COLUMNS))
        first += len(offer.send)
    table = pl.concat(found).with_columns(last=pl.col("ineligible").is_not_null())
    return table.sort(_RANK, descending=[name == "value_micros" for name in _RANK], nulls_last=True).drop("last", "tie")


def _evaluate(offer: Offer, rows: pl.Series, scope: pl.DataFrame, hashes: Hashes) -> pl.DataFrame:
    """Return one row for each trigger of an offer."""
    name = pa.repeat(offer.name, len(rows))
    probability = pl.when(offer.p_accept.is_between(0, 1)).then(offer.p_accept)
    micros = ((offer.value * probability - offer.cost) * MICROS).round(mode="half_to_even").cast(pl.Int64, strict=False)
    refused = pl.when(~offer.eligible.fill_null(False)).then(NOT_ELIGIBLE).when(micros.is_null()).then(NO_VALUE)
    return scope[rows].select(
        rows.cast(pl.Int64).alias("trigger"),
        pl.Series("tie", finalise(fnv1a64(name, hashes[rows.to_numpy()])), pl.UInt64),
        priority=pl.lit(offer.priority, pl.Int64),
        ineligible=refused.cast(pl.Int64),
        value_micros=micros,
        p_accept=offer.p_accept,
        p_accept_assumed=pl.lit(offer.p_accept_assumed),
    )


def params_of(plan: OfferPlan, sent: Ints, scope: pl.DataFrame) -> pa.Array:
    """Return the params of what each trigger sends (index in `plan.contacts`, -1 for nothing) as JSON text."""
    offers = np.append(np.repeat(np.arange(len(plan.offers)), [len(offer.send) for offer in plan.offers]), -1)[sent]
    texts = np.full(len(sent), None, np.object_)
    for number, offer in enumerate(plan.offers):
        rows = np.flatnonzero(offers == number)
        params = pl.struct(offer.params).struct.json_encode() if offer.params else pl.lit("{}")
        texts[rows] = scope[rows].with_columns(params.alias("params"))["params"].to_numpy()
    return pa.array(texts, pa.string())
