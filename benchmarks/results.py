"""The results as tables, and the bars of the project: which are met."""

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.bar import Bar
from benchmarks.compare import Row
from benchmarks.decisions import LEAST_A_SECOND, DecisionsCost
from benchmarks.engines import HERE
from benchmarks.kernel import KernelCost
from benchmarks.live import (
    LEAST_CHEAPER,
    MOST_AT_THE_HOUR,
    MOST_CORE_SECONDS,
    MOST_CROSSED,
    MOST_OF_KNOWN,
    MOST_RESIDENT,
    LiveCost,
)
from benchmarks.live_yardstick import TICKS
from benchmarks.state import StateCost
from benchmarks.state_of_households import MOST_BYTES, StagesCost
from benchmarks.streams.bars import LATENCY_COLUMNS, RATE_COLUMNS, Found, bars_of, rows_of_latencies, rows_of_rates
from benchmarks.wide_playbook import RUN_SECONDS, VALIDATE_SECONDS, WideCost

PACKAGES = ("apache-beam", "polars", "duckdb", "pyarrow", "numpy")
COLUMNS = ("size", "engine", "runs", "seconds", "core s", "events/s", "of polars", "of Beam", "peak MB")
STATE_COLUMNS = (
    "density",
    "shard",
    "B each",
    "by table, B each",
    "GB for 1 M",
    "tick, s",
    "at the hour, s",
    "tick for 1 M, core s",
)
LIVE_COLUMNS = (
    "shard",
    "rows",
    "tick, core s",
    "at the hour",
    "for 1 M",
    "state B a row B",
    "resident B each",
    "kept B each",
    "of Beam",
)


class Measurements(NamedTuple):
    """All that was measured in one run."""

    rows: Sequence[Row]
    kernels: KernelCost
    states: Sequence[StateCost]
    stages: StagesCost
    wide: WideCost
    lives: Sequence[LiveCost]
    slices: dict[str, float]
    of_known: float
    decided: DecisionsCost
    streams: Sequence[Found]


def markdown(measured: Measurements) -> str:
    """Return `results.md`."""
    rows, stages = measured.rows, measured.stages
    verdicts = [[bar.what, bar.wanted, bar.found, "met" if bar.met else "**missed**"] for bar in bars(measured)]
    parts = [
        "# What was measured",
        f"By `make bench` on {datetime.now(UTC):%d %B %Y}, in one run: {_machine()}; {_versions()}. Whole processes "
        "from start to exit: the median of the runs, the highest of their peaks of memory. Every answer is checked "
        "against the exact one. Ours writes a full record of every decision besides the offers, and its libraries "
        "may use all cores (see core s).",
        _table(COLUMNS, cells(rows)),
        "## Bars",
        _table(("what", "wanted", "found", ""), verdicts),
        "## State",
        "Twenty features (five measures over 5m, 1h, 24h, 7d). One shard is measured; figures of a million subscribers "
        "are multiplied from it. A tick is a minute: the state of the shard decoded, advanced with the tick's signals, "
        "encoded.",
        _table(STATE_COLUMNS, [_state(cost) for cost in measured.states]),
        f"With three features of each household besides, {stages.subscribers:,} subscribers in "
        f"{stages.households:,} households, 20 signals in 6 h: {stages.bytes_each:,.0f} B a subscriber over all "
        "stages ("
        + ", ".join(f"{name} {size:,.0f}" for name, size in stages.stages.items())
        + f"), {stages.gigabytes:.2f} GB for 1 M.",
        "## Live",
        "The same features and a week of 50 signals a day: minutes as they come, through the stage that holds the "
        "state of a shard, whose reads and writes are counted; one thread.",
        _table(LIVE_COLUMNS, [_live(cost) for cost in measured.lives]),
        "The yardstick live, 100 k known subscribers and 3,500 events a minute, all stages, core ms a minute: "
        + ", ".join(f"{cost:.0f} at a tick of {tick}" for tick, cost in measured.slices.items())
        + f". Among ten times as many known subscribers a tick with the same signals costs {measured.of_known:.2f} "
        "times as much.",
        f"{measured.decided.triggers:,} triggers of {measured.decided.candidates} candidates through gates, ledger and "
        f"record: {measured.decided.a_second:,.0f} decisions a core second; plain Python, trigger by trigger and with "
        f"these gates only, {measured.decided.plain_a_second:,.0f}.",
        "## Streams",
        "`segone run` between two topics, a producer and a consumer of other processes on the same machine; memory is "
        "of all processes of the run and its engine. Sustained: signals as of now, tick and grace a second, the "
        "greatest rate at which offers are not behind. Catching up: the yardstick from a topic, its offers compared "
        "with the reference. "
        "Ordinary Beam does the yardstick from the same broker on the same engine.",
        _table(RATE_COLUMNS, rows_of_rates(measured.streams)),
        "From the signal that completes a moment to the offer at a consumer, at half of that rate:",
        _table(LATENCY_COLUMNS, rows_of_latencies(measured.streams)),
        (HERE / "notes.md").read_text(encoding="utf-8").strip(),
    ]
    return "\n\n".join(parts) + "\n"


def show(rows: Sequence[Row], verdicts: Sequence[Bar], console: Console) -> None:
    """Print the table of engines and the bars."""
    table = Table(*COLUMNS)
    for row in cells(rows):
        table.add_row(*row)
    console.print(table)
    for bar in verdicts:
        console.print(f"{'met   ' if bar.met else '[red]missed[/]'} {bar.what}: {bar.found} (wanted {bar.wanted})")


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the rows as text, with their rates as shares of polars' and multiples of ordinary Beam's."""
    rates = {(row.engine, row.size.name): row.rate for row in rows}
    table = []
    for row in rows:
        polars = row.rate / rates["polars, 1 thread", row.size.name]
        beam = rates.get(("ordinary Beam", row.size.name))
        cost = row.cost
        text = [row.size.name, row.engine, str(row.runs), f"{cost.seconds:.2f}", f"{cost.core_seconds:.2f}"]
        text += [f"{row.rate:,.0f}", f"{polars:.2f}", f"{row.rate / beam:.1f}" if beam else "", f"{cost.megabytes:.0f}"]
        table.append(text)
    return table


def bars(measured: Measurements) -> list[Bar]:
    """Return the bars that the measured sizes allow to judge."""
    rows, kernels, states, stages, wide, lives, slices, of_known, decided, streams = measured
    at = {(row.engine, row.size.name): row for row in rows}
    found: list[Bar] = []
    if ("ordinary Beam", "small") in at:
        ratio = at["ours, batch", "small"].rate / at["ordinary Beam", "small"].rate
        found.append(Bar("200 k events, of ordinary Beam", "≥ 30", f"{ratio:.1f}", ratio >= 30))
    if ("ours, batch", "main") in at:
        ours = at["ours, batch", "main"]
        ratio = ours.rate / at["polars, 1 thread", "main"].rate
        found += [
            Bar("2 M events, of polars' rate", "≥ 0.45 (reach for 0.6)", f"{ratio:.2f}", ratio >= 0.45),
            Bar("2 M events, peak", "≤ 900 MB", f"{ours.cost.megabytes:.0f} MB", ours.cost.megabytes <= 900),
            *_streams("catching up", at["ours, stream", "main"]),
            *_streams("tick by tick", at["ours, stream, tick by tick", "main"]),
        ]
        grouped = at["ours, batch, households", "main"].cost.seconds / ours.cost.seconds
        told = "2 M events with households and three features of each, of the time without"
        found.append(Bar(told, "≤ 1.6", f"{grouped:.2f}", grouped <= 1.6))
        if ("ours, batch", "half") in at:
            ratio = ours.cost.seconds / at["ours, batch", "half"].cost.seconds
            found.append(Bar("2 M events, of the time of 1 M", "≤ 2.1", f"{ratio:.2f}", ratio <= 2.1))
    if kernels.size == "main":
        share = f"{kernels.share:.2f} ({kernels.ours:.2f} s, polars {kernels.polars:.2f} s)"
        found.append(Bar("the kernel alone, of polars' query alone, one thread", "≥ 0.8", share, kernels.share >= 0.8))
    for cost in states:
        met = cost.bytes_each <= cost.most_bytes
        found.append(Bar(f"state, {cost.density}", f"≤ {cost.most_bytes:,} B each", f"{cost.bytes_each:,.0f} B", met))
    each, told = stages.bytes_each, "state of all stages, with households, 20 signals in 6 h"
    found.append(Bar(told, f"≤ {MOST_BYTES:,} B each", f"{each:,.0f} B", each <= MOST_BYTES))
    minutes = [
        Bar(f"yardstick live, core ms a minute, tick {tick}", f"≤ {most}", f"{slices[tick]:.0f}", slices[tick] <= most)
        for tick, most in TICKS.items()
    ]
    known = Bar(
        "a live tick among ten times as many known", f"≤ {MOST_OF_KNOWN}", f"{of_known:.2f}", of_known <= MOST_OF_KNOWN
    )
    met = decided.a_second >= LEAST_A_SECOND
    kernel = Bar("decisions a core second", f"≥ {LEAST_A_SECOND:,}", f"{decided.a_second:,.0f}", met)
    live = [bar for cost in lives for bar in _lives(cost)]
    streamed = [bar for one in streams for bar in bars_of(one)]
    return [*found, *_wide(wide), *live, *minutes, known, kernel, *streamed]


def _streams(how: str, row: Row) -> Iterator[Bar]:
    yield Bar(f"streaming, {how}, events/s", "≥ 250,000", f"{row.rate:,.0f}", row.rate >= 250_000)
    yield Bar(f"streaming, {how}, peak", "≤ 460 MB", f"{row.cost.megabytes:.0f} MB", row.cost.megabytes <= 460)


def _wide(wide: WideCost) -> Iterator[Bar]:
    """Judge seconds of one core: on a busy machine the clock tells of others."""
    for what, cost, most in (("validate", wide.validate, VALIDATE_SECONDS), ("run", wide.run, RUN_SECONDS)):
        told = f"{cost.core_seconds:.1f} core s in {cost.seconds:.1f} s"
        yield Bar(f"{what}: {wide.width}", f"≤ {most} core s", told, cost.core_seconds <= most)


def _lives(cost: LiveCost) -> Iterator[Bar]:
    """Judge the live ticks of a shard."""
    told, million, times = (
        f"live, a shard of {cost.shard:,}",
        cost.core_seconds_per_million,
        cost.hourly / cost.core_seconds,
    )
    yield Bar(
        f"{told}: a tick of a million", "≤ 5 core s (reach for 2)", f"{million:.1f}", million <= MOST_CORE_SECONDS
    )
    yield Bar(f"{told}: at the hour, of that", "≤ 5", f"{times:.1f}", times <= MOST_AT_THE_HOUR)
    crossed, resident, cheaper = cost.state_bytes_per_row_byte, cost.resident_bytes_each, cost.of_beam_per_signal
    yield Bar(f"{told}: state read and written, of the rows' bytes", "≤ 4", f"{crossed:.1f}", crossed <= MOST_CROSSED)
    yield Bar(f"{told}: resident", "≤ 12 KB each", f"{resident / 1000:.1f} KB", resident <= MOST_RESIDENT)
    yield Bar(
        f"{told}: a signal, times cheaper than in ordinary Beam", "≥ 4", f"{cheaper:.1f}", cheaper >= LEAST_CHEAPER
    )


def _live(cost: LiveCost) -> list[str]:
    seconds = [f"{cost.core_seconds:.3f}", f"{cost.hourly:.3f}", f"{cost.core_seconds_per_million:.1f}"]
    sizes = [
        f"{cost.state_bytes_per_row_byte:.1f}",
        f"{cost.resident_bytes_each:,.0f}",
        f"{cost.kept_bytes_each:,.0f}",
        f"{cost.of_beam_per_signal:.1f}",
    ]
    return [f"{cost.shard:,}", f"{cost.rows:,}", *seconds, *sizes]


def _state(cost: StateCost) -> list[str]:
    largest = sorted(cost.tables.items(), key=lambda table: -table[1])
    tables = ", ".join(f"{name} {size:,.0f}" for name, size in largest if size >= 1)
    numbers = [f"{cost.gigabytes:.2f}", f"{cost.seconds:.2f}", f"{cost.hourly:.2f}", f"{cost.core_seconds:,.0f}"]
    return [cost.density, f"{cost.shard:,}", f"{cost.bytes_each:,.0f}", tables, *numbers]


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {platform.machine()}, {memory:.0f} GB, {platform.system()}"


def _versions() -> str:
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
