"""Tests of how people may be reached: channels, zones, consents."""

from datetime import date
from zoneinfo import available_timezones

import numpy as np
import polars as pl
import pytest

from pipelines.simulation.calendar import DAY_MS, ZONE, calendar_of
from pipelines.simulation.reach import CHANNELS, UNTOLD, WISHES, WITHDRAWN, channels_of, consents_of, zones_of
from pipelines.simulation.town import draw_town

CALENDAR = calendar_of(1, date(2026, 3, 2), 35)
TOWN = draw_town(np.random.default_rng(1), 20_000, 35)
CONSENTS = consents_of(TOWN, CALENDAR)


def test_most_channels_are_on_file() -> None:
    channels = channels_of(TOWN, CALENDAR)
    assert channels.null_count() / len(channels) == pytest.approx(UNTOLD, abs=0.01)
    theirs = channels.drop_nulls().str.split(" ")
    for name, share in CHANNELS:
        assert theirs.list.contains(name).mean() == pytest.approx(share, abs=0.01)
    managed = channels.str.contains("account_manager", literal=True).fill_null(False).to_numpy()
    assert 0 < managed.sum() <= TOWN.lines.is_owner.sum()
    assert not managed[~TOWN.lines.is_owner].any()


def test_most_are_at_home_and_few_zones_are_mistakes() -> None:
    zones = zones_of(TOWN, CALENDAR)
    assert (zones == ZONE).mean() == pytest.approx(0.97, abs=0.01)
    known = zones.is_in(list(available_timezones()))
    assert 0.001 < (~known).mean() < 0.008
    assert zones.filter(known).n_unique() == 5


@pytest.mark.parametrize(("purpose", "channel", "share", "lapsing"), WISHES)
def test_consents_are_granted_lapse_and_are_withdrawn(
    purpose: str, channel: str | None, share: float, lapsing: float
) -> None:
    said = CONSENTS.filter((pl.col("purpose") == purpose) & pl.col("channel").eq_missing(pl.lit(channel)))
    granted, withdrawn = (said.filter(state=state) for state in ("granted", "withdrawn"))
    assert len(granted) / len(TOWN.subscribers) == pytest.approx(share, abs=0.02)
    assert len(withdrawn) / len(granted) == pytest.approx(WITHDRAWN, abs=0.01)
    assert withdrawn["valid_until"].null_count() == len(withdrawn)
    assert granted["valid_until"].is_not_null().mean() == pytest.approx(lapsing, abs=0.02)
    assert (granted["valid_until"] - granted["time"]).drop_nulls().is_between(7 * DAY_MS, 70 * DAY_MS).all()
    both = withdrawn.join(granted, on="subject")
    assert (both["time"] >= both["time_right"]).all()
    assert len(both) == len(withdrawn)
