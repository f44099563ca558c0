"""Profiles of recipients: where they are, what reaches them and what they consent to, as far as that is known."""

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.records import INSTANT
from transforms.arrays.arrow_columns import lists
from transforms.arrays.plain_arrow import as_written
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.notices import WHO, Notices, recipients_of

CONSENT = pa.struct(
    [
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("channel", pa.string()),  # null: all
        pa.field("state", pa.string(), nullable=False),
        pa.field("valid_until", INSTANT),
    ]
)
"""One consent that a recipient gave or withdrew."""

_PROFILE = ("zone", "channels")


def profiles_of(plan: OfferPlan, triggers: pa.Table, notices: Notices) -> pl.DataFrame:
    """Return zone and channels of the recipients of triggers, as their profile says; NULL where nobody knows.

    Args:
        plan: The policy.
        triggers: Columns root_kind, root, recipient, tick.
        notices: What contact roots were told.
    """
    if "profile" not in plan.heard:
        return pl.DataFrame(schema=dict.fromkeys(_PROFILE, pl.String)).clear(len(triggers))
    return notices.latest("profile", recipients_of(triggers), _PROFILE)


def consents_of(plan: OfferPlan, triggers: pa.Table, notices: Notices) -> pa.Array:
    """Return what the recipients of triggers consent to, or not, as of their ticks: lists of CONSENT.

    Args:
        plan: The policy.
        triggers: Columns root_kind, root, recipient, tick.
        notices: What contact roots were told.
    """
    if "consent" not in plan.heard or notices.tables["consent"].is_empty():
        return lists(np.zeros(len(triggers) + 1, np.int64), CONSENT, [pa.nulls(0, one.type) for one in CONSENT])
    asked, told = recipients_of(triggers).lazy().with_row_index("row"), notices.tables["consent"].lazy()
    each = asked.join(told.select(*WHO, *CONSENT.names, "since", "until"), [*WHO])
    rows = each.filter((pl.col("since") <= pl.col("tick")) & (pl.col("tick") < pl.col("until")))
    rows = rows.sort("row", "purpose", "channel").with_columns(pl.col("channel").replace("", None))
    held = as_written(rows.select("row", *CONSENT.names))
    table = held.to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [table[one.name].cast(one.type).combine_chunks() for one in CONSENT]
    return lists(np.searchsorted(held["row"].to_numpy(), np.arange(len(triggers) + 1)), CONSENT, columns)
