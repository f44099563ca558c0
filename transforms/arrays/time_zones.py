"""Time zones that polars has in it: which names are those of one, and how far clocks are ahead."""

from collections.abc import Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from transforms.arrays.dtypes import Bools, Ints


def known_zones(names: Sequence[str | None]) -> Bools:
    """Tell which names are those of IANA time zones, as `Europe/Helsinki`; None is not."""
    return np.array([name is not None and _is_zone(name) for name in names], np.bool_)


@lru_cache(maxsize=10_000)
def _is_zone(name: str) -> bool:
    """Tell whether both the machine and polars have a zone: each of them takes some that are none for one."""
    try:
        ZoneInfo(name)
        offsets_at(name, np.zeros(1, np.int64))
    except (ZoneInfoNotFoundError, ValueError, OSError, pl.exceptions.ComputeError):
        return False
    return True


def offsets_at(zone: str, instants: Ints) -> Ints:
    """Return how far clocks of a known zone are ahead of UTC at some instants, all in milliseconds."""
    utc = pl.from_epoch(pl.Series(instants, dtype=pl.Int64), "ms").dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(zone).dt.replace_time_zone(None).dt.epoch("ms").to_numpy() - instants
