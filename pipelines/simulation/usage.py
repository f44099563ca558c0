"""One day's usage in the simulated town: data sessions, calls and messages."""

import numpy as np
import polars as pl

from pipelines.simulation.arrays import NEVER, Floats, Ints, chosen, named, numbered
from pipelines.simulation.calendar import Calendar
from pipelines.simulation.streams import APPS, STREAMS, Stream
from pipelines.simulation.town import Town

BUSINESS_PEERS = numbered("b", 2_000)
CAUSES = ("completed", "dropped", "missed")
FAULT_DAYS = 7
FADING_DAYS = 14
MB = 1_048_576


def usage_of(town: Town, calendar: Calendar, day: int) -> pl.DataFrame:
    """Return the usage of one local day, ordered by time; `who` is the subscriber's position in the town."""
    streams = [_stream(town, calendar, day, number) for number in range(len(STREAMS))]
    return pl.concat([frame for frame in streams if len(frame)], how="diagonal").sort("time", maintain_order=True)


def _stream(town: Town, calendar: Calendar, day: int, number: int) -> pl.DataFrame:
    stream, rng = STREAMS[number], calendar.rng(2, day, number)
    first, end = town.spells.get(stream.name, (town.lines.joined, NEVER))
    active = (town.lines.joined <= day) & (first <= day) & (day < end)
    staying = np.clip(1 - (day - town.leaves) / FADING_DAYS, 0, 1) ** 2
    uses = rng.poisson(town.rates[stream.name][:, calendar.weekday(day)] * active * staying)
    who = np.repeat(np.arange(len(uses)), uses)
    common = {
        "who": pl.Series(who),
        "time": pl.Series(calendar.instants(rng, np.full(len(who), day), stream.rhythm)),
        "subject": named(who, town.subscribers),
        "kind": pl.repeat(stream.kind, len(who), eager=True),
        "network": pl.repeat(stream.network, len(who), eager=True),
        "cell": named(town.cell[who], town.cells),
    }
    details = _session(town, stream, rng, who) if stream.apps else _talk(town, stream, rng, who)
    ending = _ending(rng, _drop_share(town, who, day)) if stream.kind == "voice" else {}
    return pl.DataFrame(common | details | ending)


def _session(town: Town, stream: Stream, rng: np.random.Generator, who: Ints) -> dict[str, pl.Series]:
    """Return what a data session adds: application, volume in all and up, seconds."""
    app = chosen(rng, [app.weight for app in stream.apps], len(who))
    usual = np.array([app.mb for app in stream.apps])[app] * (town.heavy[who] if stream.network == "mobile" else 1.0)
    mb = np.round(usual * rng.lognormal(0, 0.8, len(who)) + 0.01, 2)
    up = np.round(mb * np.array([app.up for app in stream.apps])[app], 2)
    return {
        "app": named(np.array([APPS.index(app.name) for app in stream.apps])[app], APPS),
        "mb": pl.Series(mb),
        "mb_up": pl.Series(up),
        "bytes": pl.Series((mb * MB).astype(np.int64)),
        "bytes_up": pl.Series((up * MB).astype(np.int64)),
        "seconds": pl.Series(5 + rng.exponential(300, len(who)).astype(np.int64)),
    }


def _talk(town: Town, stream: Stream, rng: np.random.Generator, who: Ints) -> dict[str, pl.Series]:
    """Return what a call or message adds: the other party, nearer ones more often, and the direction."""
    nearness = (stream.circle * rng.random(len(who)) ** 2).astype(np.int64)
    names = BUSINESS_PEERS if stream.business else town.subscribers
    outgoing = rng.random(len(who)) < 0.55
    return {
        "peer": named((who * 7_919 + (nearness + 1) * 104_729) % len(names), names).cast(pl.String),
        "peer_type": pl.repeat("business" if stream.business else "private", len(who), eager=True),
        "direction": named(outgoing.astype(np.int64), ("in", "out")),
    }


def _drop_share(town: Town, who: Ints, day: int) -> Floats:
    since = day - town.faulty[town.cell[who]]
    return np.where((since >= 0) & (since < FAULT_DAYS), 0.3, 0.008)


def _ending(rng: np.random.Generator, drop_share: Floats) -> dict[str, pl.Series]:
    count = len(drop_share)
    cause = np.where(rng.random(count) < 0.12, 2, np.where(rng.random(count) < drop_share, 1, 0))
    seconds = np.where(cause == 2, 0, 1 + rng.lognormal(4.2, 1.1, count)).astype(np.int64)
    return {"cause": named(cause, CAUSES), "seconds": pl.Series(seconds)}
