"""A seeded town that does not exist: signals to try playbooks on, and the truth beside them."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.simulation.arrival import FOR_EVER, Arrivals, late_of
from pipelines.simulation.balances import balances_of, first_buckets
from pipelines.simulation.calendar import ZONE, Calendar, calendar_of
from pipelines.simulation.campaigns import contacts_of, controls_of, outcomes_of
from pipelines.simulation.erasures import erasures_of
from pipelines.simulation.files import METADATA, FileFormat, SignalFile
from pipelines.simulation.groups import household_events_of, news_of, sme_events_of
from pipelines.simulation.habits import orders_of, tickets_of, visits_of
from pipelines.simulation.moves import changes_of
from pipelines.simulation.place import ABOUT, check_place, new_folder
from pipelines.simulation.reach import consents_of
from pipelines.simulation.standing import group_profiles_of, memberships_of, profiles_of
from pipelines.simulation.town import Town, draw_town
from pipelines.simulation.travel import abroad, trips_of
from pipelines.simulation.truth import truth_of
from pipelines.simulation.usage import usage_of
from pipelines.simulation.visitors import identities_of, looks_of
from schemas.visible import visible

SLOW: dict[str, tuple[Callable[[Town, Calendar], pl.DataFrame], ...]] = {
    "membership": (memberships_of, changes_of, identities_of),
    "profile": (profiles_of, group_profiles_of),
    "consent": (consents_of,),
    "ticket": (tickets_of,),
    "order": (orders_of,),
    "web": (visits_of, looks_of),
    "news": (news_of,),
    "household_event": (household_events_of,),
    "sme_event": (sme_events_of,),
    "contact": (contacts_of,),
    "outcome": (outcomes_of,),
    "control": (controls_of,),
    "erasure": (erasures_of,),
}
"""The signal types that are few enough to make for all days at once."""

SIGNALS = ("usage", "balance", *SLOW)


@dataclass(frozen=True)
class Simulated:
    """What a simulation wrote.

    Attributes:
        out_dir: The folder; `truth/*.parquet` and `simulated.json` are in it too.
        files: The file of each signal type.
        counts: The number of signals of each type, duplicates included.
        end: The first instant after the town.
    """

    out_dir: Path
    files: dict[str, Path]
    counts: dict[str, int]
    end: datetime


def simulate(
    out_dir: Path,
    *,
    seed: int = 1,
    subscribers: int = 1_000,
    days: int = 35,
    start: date = date(2026, 3, 2),
    file_format: FileFormat = "parquet",
    disorder: float = 0.0,
    on_day: Callable[[int], None] = lambda day: None,
    replace: bool = False,
) -> Simulated:
    """Write the signals of a town, in the order of arrival, and the truth about it.

    The same arguments give the same bytes. Memory holds one day's usage, and all of the rarer signals.

    Args:
        out_dir: A folder that does not exist or is empty; it appears only when all is written.
        seed: Of everything random.
        subscribers: Lines, those of companies included; at least 100.
        days: Local days.
        start: The first of them.
        file_format: Of the signals; the truth is always Parquet.
        disorder: Share of the signals that arrive later than grace, up to 30 hours, and share that comes twice.
        on_day: Called with the number of days done.
        replace: Whether an earlier town in `out_dir`, with nothing else in it, gives way to this one.

    Raises:
        FileExistsError: There is something in `out_dir` already.
        ValueError: `subscribers` or `days` are too few, or `disorder` is no share.
    """
    check_place(out_dir, replace=replace)
    if not 0 <= disorder <= 1:
        raise ValueError(f"disorder is a share between 0 and 1, not {disorder}")
    town, calendar = draw_town(np.random.default_rng([seed, 1]), subscribers, days), calendar_of(seed, start, days)
    end = datetime.fromtimestamp(calendar.midnights[-1] / 1000, UTC)
    settings = {
        "seed": seed,
        "subscribers": subscribers,
        "days": days,
        "start": str(start),
        "zone": ZONE,
        "disorder": disorder,
        "end": end.isoformat(),
    }
    with new_folder(out_dir, replace=replace) as partial:
        arrivals = {name: Arrivals(calendar, name, number, disorder) for number, name in enumerate(SIGNALS)}
        files = _write_signals(partial, town, calendar, arrivals, file_format, on_day)
        _write_truth(partial / "truth", truth_of(town, calendar) | {"late": late_of(arrivals.values())})
        counts = {name: file.count for name, file in files.items()}
        about = {**METADATA, "simulated": True, **settings, "signals": counts}
        (partial / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    return Simulated(out_dir, {name: out_dir / file.path.name for name, file in files.items()}, counts, end)


def told(town: Simulated) -> str:
    """Return one line about a simulated town that leaves no doubt about what it is."""
    counts = f"{sum(town.counts.values()):,} signals of {len(town.counts)} types"
    return f"Simulated town in {visible(town.out_dir)}: {counts}. Nothing in it is real."


def _write_truth(folder: Path, truth: Mapping[str, pl.DataFrame]) -> None:
    folder.mkdir()
    for name, table in truth.items():
        table.write_parquet(folder / f"{name}.parquet", metadata=METADATA)


def _write_signals(
    folder: Path,
    town: Town,
    calendar: Calendar,
    arrivals: dict[str, Arrivals],
    file_format: FileFormat,
    on_day: Callable[[int], None],
) -> dict[str, SignalFile]:
    """Write all signals; return their files, closed."""
    with ExitStack() as stack:
        files = {name: stack.enter_context(closing(SignalFile(folder, name, file_format))) for name in SIGNALS}
        _write_days(town, calendar, arrivals, files, on_day)
    return files


def _write_days(
    town: Town,
    calendar: Calendar,
    arrivals: dict[str, Arrivals],
    files: dict[str, SignalFile],
    on_day: Callable[[int], None],
) -> None:
    def write(name: str, signals: pl.DataFrame, day: int, *, last: bool) -> None:
        known = signals.filter(pl.col("time") < calendar.midnights[-1])
        end = FOR_EVER if last else int(calendar.midnights[day + 1])
        files[name].write(arrivals[name].until(known, day, end))

    topups, left_mb, trips = [], first_buckets(town, calendar), trips_of(town, calendar)
    for day in calendar.days.tolist():
        last = day == calendar.days[-1]
        usage = usage_of(town, calendar, day)
        balances = balances_of(town, calendar, day, left_mb, usage)
        left_mb = balances.left_mb
        topups.append(balances.orders)
        write("usage", abroad(trips, usage, day), day, last=last)
        write("balance", balances.signals, day, last=last)
        on_day(day + 1)
    for name, makers in SLOW.items():
        made = [make(town, calendar) for make in makers]
        write(name, pl.concat([*made, *(topups if name == "order" else [])], how="diagonal_relaxed"), 0, last=True)
