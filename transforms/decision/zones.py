"""Where recipients are: the time zone of each trigger's, as of its tick."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.arrays.arrow_columns import Ints
from transforms.arrays.time_zones import known_zones
from transforms.compiler.offer_definitions import OfferPlan


@dataclass(frozen=True)
class Zones:
    """Time zones of triggers.

    Attributes:
        names: IANA names, each once.
        of_row: For each trigger the index of its recipient's; -1: nobody knows it.
    """

    names: tuple[str, ...]
    of_row: Ints


def zones_of(plan: OfferPlan, told: pl.Series) -> Zones:
    """Return the zones of the recipients: of their profile, without one that of the playbook.

    Args:
        plan: The policy.
        told: Of each what the profile says, NULL for nothing.
    """
    usual = Zones((plan.time_zone,), np.zeros(len(told), np.int64))
    asks = plan.quiet is not None or any(limit.by_calendar for limit in plan.limits)
    if not asks or told.null_count() == len(told):
        return usual
    zone = told.fill_null(plan.time_zone)
    names = sorted(zone.unique())
    valid = [name for name, known in zip(names, known_zones(names), strict=True) if known]
    numbers = {name: number for number, name in enumerate(valid)}
    of_row = zone.replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
    return Zones(tuple(valid) or usual.names, of_row)
