"""Outcomes that cannot be right: of decisions that their contact root does not know, or that contradict each other."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from schemas.records import AGAIN
from transforms.arrays.plain_arrow import framed
from transforms.compiler.notices import OUTCOME
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.contacts import REJECTED
from transforms.decision.notices import Notices

COUNTED = ("outcome_of_unknown_decision", "contradicting_outcome")
_TAKEN_UP = ("accepted", "fulfilled")
_KEY = ["root_kind", "root", "decision_id"]


def count_bad_outcomes(
    plan: OfferPlan, batches: Sequence[pa.RecordBatch], notices: Notices, reservations: pa.Table, first: int | None
) -> dict[str, int]:
    """Count what is bad about the outcomes that come to act in a call, by the names in `COUNTED`; each once.

    An outcome is of an unknown decision if the contact root made none of that id before the tick at which it acts, or
    has forgotten it by then; not counted is one of which others were told as well, who may know more. A decision that
    the root knows is contradicted once, at the tick at which it is told that it was taken up and that it was rejected.

    Args:
        plan: How long decisions are known.
        batches: The notices that came, with `since`.
        notices: The same, and what was known before.
        reservations: As RESERVATION, those of the call included.
        first: The first open tick, None where all are open.
    """
    outcomes = [batch for batch in batches if batch.schema.metadata[b"of"] == OUTCOME.encode()]
    if OUTCOME not in plan.notices or not outcomes or "decision_id" not in outcomes[0].schema.names:
        return dict.fromkeys(COUNTED, 0)
    told_once = [batch for batch in outcomes if AGAIN not in batch.schema.metadata]
    new = pl.concat(map(_named, outcomes))
    once = pl.concat([new.clear(), *map(_named, told_once)])
    made = framed(reservations.select([*_KEY, "tick"]))
    unknown = once.height - _known(plan, once.with_row_index("row"), made)["row"].n_unique()
    every = notices.tables[OUTCOME].join(new.select(_KEY).unique(), _KEY, "semi")
    return dict(zip(COUNTED, (unknown, _contradicted(plan, every, made, first)), strict=True))


def _named(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return the outcomes that name a decision: its key, and the tick from which on they act."""
    return framed(pa.table(batch).select([*_KEY, "since"])).drop_nulls("decision_id")


def _known(plan: OfferPlan, said: pl.DataFrame, made: pl.DataFrame) -> pl.DataFrame:
    """Return what is said of decisions that are known at its tick `since`."""
    both = said.join(made.rename({"tick": "made"}), _KEY)
    after = pl.col("since") - pl.col("made")
    return both.filter((after > 0) & (after < plan.known_for))


def _contradicted(plan: OfferPlan, every: pl.DataFrame, made: pl.DataFrame, first: int | None) -> int:
    """Return of how many decisions the second of two contradicting results acts at an open tick."""
    result, since = pl.col("result"), pl.col("since")
    both = (
        _known(plan, every.select(*_KEY, "since", "result"), made)
        .group_by(_KEY)
        .agg(
            taken_up=since.filter(result.is_in(_TAKEN_UP)).min(),
            rejected=since.filter(result.is_in(REJECTED)).min(),
        )
    )
    second = both.drop_nulls().select(pl.max_horizontal("taken_up", "rejected")).to_series()
    return len(second) if first is None else int((second >= first).sum())
