"""Quiet hours: at which tick a channel opens, by the recipient's clock."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from schemas.durations import DAY, MINUTE
from schemas.quiet import calendar_of
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER
from transforms.compiler.quiet import Quiet
from transforms.decision.local_time import local_offsets

HORIZON = 370 * DAY
"""What does not open within so many milliseconds never does."""

_MINUTES = DAY // MINUTE
_WEEK = 7 * _MINUTES
_MONDAY = 3  # the epoch was a Thursday


def opens_at(quiet: Quiet, channels: Ints, zones: Sequence[str], zone: Ints, ticks: Ints, tick: int) -> Ints:
    """Return the first tick, from each on, at which the channel is not quiet: itself where it is not, else FOREVER.

    A tick is quiet if what local clocks show then is: in an hour that comes twice, both times. So each look goes on to
    where the quiet time ends, or to where the clocks change if that is sooner.

    Args:
        quiet: The quiet hours.
        channels: Index into `quiet.channels` for each row; -1: a channel without times of its own.
        zones: Names of time zones; those that occur must be known, see `known_zones`.
        zone: Index into `zones` for each row.
        ticks: Milliseconds since the epoch for each row, multiples of `tick`.
        tick: Distance of ticks, milliseconds.
    """
    found = ticks.copy()
    left = np.arange(len(ticks))
    while len(left):
        now = found[left]
        offsets, changes = local_offsets(zones, zone[left], now)
        waits = _waits(quiet, channels[left], now + offsets)
        resumes = -(-np.minimum(now + waits, changes) // tick) * tick
        found[left] = np.where(waits == 0, now, resumes)
        found[left[found[left] - ticks[left] > HORIZON]] = FOREVER
        left = left[(waits > 0) & (found[left] < FOREVER)]
    return found


def _waits(quiet: Quiet, channels: Ints, local: Ints) -> Ints:
    """Return for how long a channel stays quiet at least, while clocks do not change; milliseconds, 0: it is not."""
    minutes = local // MINUTE
    waits = _waits_of_week(quiet)[channels, (minutes + _MONDAY * _MINUTES) % _WEEK]
    to_midnight = _MINUTES - minutes % _MINUTES
    waits = np.where(_are_holidays(quiet, local // DAY), np.maximum(waits, to_midnight), waits)
    return np.where(waits > 0, waits * MINUTE - local % MINUTE, 0)


@lru_cache(maxsize=100)
def _waits_of_week(quiet: Quiet) -> Ints:
    """Return for how many minutes each channel (row) is quiet from each minute of the week (column) on."""
    minutes = np.arange(_WEEK)
    waits = np.full((len(quiet.times), _WEEK), HORIZON // MINUTE + 1)
    for of_channel, times in zip(waits, quiet.times, strict=True):
        closed = np.zeros(_WEEK, np.bool_)
        for weekday, intervals in enumerate(times):
            for start, end in intervals:
                closed[(weekday * _MINUTES + np.arange(start, end)) % _WEEK] = True
        opens = np.flatnonzero(~closed)
        if len(opens):
            again = np.append(opens, opens[0] + _WEEK)
            of_channel[:] = again[np.searchsorted(again, minutes)] - minutes
    return waits


def _are_holidays(quiet: Quiet, days: Ints) -> Bools:
    """Tell which local days, counted from the epoch, are public holidays."""
    if not quiet.holidays:
        return np.zeros(len(days), np.bool_)
    years = np.unique(days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970).tolist()
    return np.isin(days, np.concatenate([_holidays(code, year) for code in quiet.holidays for year in years]))


@lru_cache(maxsize=10_000)
def _holidays(code: str, year: int) -> Ints:
    """Return the public holidays of a country, or of a part of one, in a year as days from the epoch."""
    return np.array(sorted(calendar_of(code, [year])), "datetime64[D]").astype(np.int64)
