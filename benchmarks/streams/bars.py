"""What streams must show, and a section of the results."""

from collections.abc import Iterator, Sequence
from functools import singledispatch

from benchmarks.bar import Bar
from benchmarks.streams.burst import MOST_MEMORY, TIMES, Burst
from benchmarks.streams.latency import MOST, Latency, Parts
from benchmarks.streams.live import MAIN
from benchmarks.streams.rate import LEAST_CATCHING_UP, LEAST_OF_PER_ELEMENT, CaughtUp, Rate, Sustained
from benchmarks.streams.soak import MOST_GROWTH, Soak

Found = Rate | Latency | Soak | Burst
LEAST_OF_REAL_TIME = 10
RATE_COLUMNS = ("broker", "engine", "what", "signals/s", "of Beam", "of real time", "behind, s", "cores", "peak MB")
LATENCY_COLUMNS = ("broker", "engine", "signals/s", "offers", "", "ms", "to the tick", "grace", "stages", "publishing")


@singledispatch
def bars_of(found: object) -> Iterator[Bar]:
    """Judge what was measured."""
    raise TypeError(f"nothing is asked of {found!r}")


@bars_of.register
def _(found: Rate) -> Iterator[Bar]:
    told, times = _where(found), found.of_per_element
    yield Bar(
        f"{told}: sustained, of ordinary Beam",
        f"≥ {LEAST_OF_PER_ELEMENT}",
        f"{times:.0f} ({found.sustained.signals_per_second:,.0f}/s)",
        times >= LEAST_OF_PER_ELEMENT,
    )
    caught = found.catch_up
    real = caught.of_real_time
    yield Bar(f"{told}: a backlog, of real time", f"≥ {LEAST_OF_REAL_TIME}", f"{real:,.0f}", real >= LEAST_OF_REAL_TIME)
    if (found.broker, found.engine) == ("kafka", "prism"):
        speed = caught.signals_per_second
        yield Bar(
            f"{told}: catching up, signals/s", f"≥ {LEAST_CATCHING_UP:,}", f"{speed:,.0f}", speed >= LEAST_CATCHING_UP
        )


@bars_of.register
def _(found: Latency) -> Iterator[Bar]:
    most, whole = MOST[found.engine], found.p99.whole
    yield Bar(
        f"{_where(found)}: signal to offer, p99 at {found.signals_per_second:,.0f}/s",
        f"≤ {most / 1000:.0f} s",
        f"{whole / 1000:.2f} s (p50 {found.p50.whole / 1000:.2f} s)",
        whole <= most,
    )


@bars_of.register
def _(found: Soak) -> Iterator[Bar]:
    told = f"{_where(found)}: {found.minutes:g} min at {found.signals_per_second:,.0f}/s, last third of the middle"
    for what, grown in (("memory", found.growth), ("checkpoints", found.checkpoint_growth)):
        yield Bar(f"{told}, {what}", f"≤ {MOST_GROWTH:+.0%}", f"{grown:+.1%}", grown <= MOST_GROWTH)


@bars_of.register
def _(found: Burst) -> Iterator[Bar]:
    told = f"{_where(found)}: a burst of {TIMES} times {found.usual:,.0f}/s"
    memory = found.memory
    yield Bar(f"{told}, memory", f"≤ {MOST_MEMORY} of before", f"{memory:.2f}", memory <= MOST_MEMORY)
    end = found.behind_seconds[2]
    yield Bar(f"{told}, behind in the end", f"≤ {MAIN.bounded:.0f} s", f"{end:.1f} s", end <= MAIN.bounded)


def rows_of_rates(found: Sequence[Found]) -> list[list[str]]:
    """Return the table of rates as text."""
    rows = []
    for one in (each for each in found if isinstance(each, Rate)):
        plain = one.per_element.signals_per_second
        parts: tuple[tuple[str, Sustained | CaughtUp], ...] = (
            ("sustained", one.sustained),
            ("catching up", one.catch_up),
            ("ordinary Beam, catching up", one.per_element),
        )
        for what, part in parts:
            row = [one.broker, one.engine, what, f"{part.signals_per_second:,.0f}"]
            row.append(f"{part.signals_per_second / plain:.1f}")
            if isinstance(part, Sustained):
                row += ["", f"{part.behind_seconds:.1f}", f"{part.cores:.2f}"]
            else:
                row += [f"{part.of_real_time:,.0f}", "", ""]
            rows.append([*row, f"{part.megabytes:,.0f}"])
    return rows


def rows_of_latencies(found: Sequence[Found]) -> list[list[str]]:
    """Return the table of latencies as text."""
    rows = []
    for one in (each for each in found if isinstance(each, Latency)):
        quantiles: tuple[tuple[str, Parts], ...] = (("p50", one.p50), ("p99", one.p99))
        for name, parts in quantiles:
            times = (parts.whole, parts.tick, parts.grace, parts.stages, parts.publish)
            head = [one.broker, one.engine, f"{one.signals_per_second:,.0f}", f"{one.offers:,}", name]
            rows.append([*head, *(f"{time:,.0f}" for time in times)])
    return rows


def _where(found: Found) -> str:
    return f"{found.broker} on {found.engine}"
