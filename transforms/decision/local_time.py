"""Local time: what clocks show in many zones at once, by the zones that polars has in it."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from schemas.durations import HOUR, SECOND
from transforms.arrays.arrow_columns import Ints, spread
from transforms.arrays.time_zones import offsets_at

_YEARS = 10_000
_SPAN = 1 << 44
"""More milliseconds than lie between any two instants: to tell those of one zone from those of another."""


def local_offsets(zones: Sequence[str], zone: Ints, instants: Ints) -> tuple[Ints, Ints]:
    """Return how far local clocks are ahead of UTC, and until when they stay so at least; all in milliseconds.

    Args:
        zones: Names of time zones; those that occur must be known.
        zone: Index into `zones` for each instant.
        instants: Milliseconds since the epoch.
    """
    years = instants.astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64) + 1970
    of_zone, of_year = np.divmod(np.unique(zone * _YEARS + years), _YEARS)
    parts = [_stretches(zones[index], year) for index, year in zip(of_zone.tolist(), of_year.tolist(), strict=True)]
    starts, offsets, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
    keys = np.repeat(of_zone, [len(part[0]) for part in parts]) * _SPAN + starts
    found = np.searchsorted(keys, zone * _SPAN + instants, side="right") - 1
    return offsets[found], ends[found]


@lru_cache(maxsize=10_000)
def _stretches(zone: str, year: int) -> tuple[Ints, Ints, Ints]:
    """Split a year of UTC where clocks change: the start, the offset and the end of each part."""
    begin, end = (np.datetime64(f"{each:04}", "ms").astype(np.int64) for each in (year, year + 1))
    hours = np.arange(begin, end + 1, HOUR)
    changed = hours[:-1][np.diff(offsets_at(zone, hours)) != 0]
    seconds = spread(changed // SECOND, np.full(len(changed), HOUR // SECOND + 1)) * SECOND
    starts = np.append(begin, seconds[1:][np.diff(offsets_at(zone, seconds)) != 0])
    return starts, offsets_at(zone, starts), np.append(starts[1:], end)
