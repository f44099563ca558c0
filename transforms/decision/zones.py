"""Where recipients are: the time zone of each trigger's, as of its tick."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.arrays.arrow_columns import Ints
from transforms.arrays.time_zones import known_zones
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.notices import Notices, recipients_of


@dataclass(frozen=True)
class Zones:
    """Time zones of triggers.

    Attributes:
        names: IANA names, each once.
        of_row: For each trigger the index of its recipient's; -1: nobody knows it.
    """

    names: tuple[str, ...]
    of_row: Ints


def zones_of(plan: OfferPlan, triggers: pa.Table, notices: Notices) -> Zones:
    """Return the zones of the recipients: of their profile, without one that of the playbook.

    Args:
        plan: The policy.
        triggers: Columns root_kind, root, recipient, tick.
        notices: What contact roots were told.
    """
    usual = Zones((plan.time_zone,), np.zeros(len(triggers), np.int64))
    asks = plan.quiet is not None or any(limit.by_calendar for limit in plan.limits)
    if not asks or "profile" not in plan.listed or notices.tables["profile"].is_empty():
        return usual
    zone = notices.latest("profile", recipients_of(triggers))["zone"].fill_null(plan.time_zone)
    names = sorted(zone.unique())
    valid = [name for name, known in zip(names, known_zones(names), strict=True) if known]
    numbers = {name: number for number, name in enumerate(valid)}
    of_row = zone.replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
    return Zones(tuple(valid) or usual.names, of_row)
