"""What a running job does now, read from its exporters each second."""

import operator
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from itertools import chain
from time import monotonic, sleep
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import urlopen

from rich.table import Table
from rich.text import Text

from pipelines.failures import Failure
from schemas.visible import visible
from transforms.metrics.rendering import Samples, parsed
from transforms.metrics.table import METRICS

PATIENCE = 5.0
"""Seconds to wait for an exporter."""

_COUNTERS = {name for metric in METRICS for name in metric.samples if name.endswith(("_total", "_count", "_sum"))}
_GREATEST = {name for metric in METRICS for name in metric.samples} - _COUNTERS
_ORDER = {name: place for place, name in enumerate(name for metric in METRICS for name in metric.samples)}


class UnreachableError(Failure):
    """Nobody serves metrics there."""


class Polled(NamedTuple):
    """What all exporters told at a time: samples, and seconds of a clock that does not jump."""

    samples: Samples
    at: float


def poll(urls: Sequence[str]) -> Polled:
    """Return the samples of all exporters: counts are summed, of gauges the greatest counts.

    Raises:
        UnreachableError: one does not answer, or not with metrics.
    """
    together: Samples = {}
    for key, value in chain.from_iterable(_samples(url).items() for url in urls):
        before = together.get(key)
        if key[0] in _ORDER:
            add = max if key[0] in _GREATEST else operator.add
            together[key] = value if before is None else add(before, value)
    return Polled(together, monotonic())


def rates(before: Polled, after: Polled) -> Samples:
    """Return what counters grew by a second; one that shrank began anew, with its process."""
    seconds = after.at - before.at
    grown = {
        key: value - (before.samples.get(key, 0.0) if before.samples.get(key, 0.0) <= value else 0.0)
        for key, value in after.samples.items()
        if key[0] in _COUNTERS
    }
    return {key: growth / seconds for key, growth in grown.items()} if seconds > 0 else {}


def shown(polled: Polled, growth: Samples) -> Table:
    """Return a table of all samples, in the order of the documented ones, with the rates that are known."""
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("a second", justify="right")
    for key in sorted(polled.samples, key=lambda key: (_ORDER[key[0]], key[1])):
        name, labels = key
        told = f"{name.removeprefix('segone_').removesuffix('_total')} {' '.join(labels)}".rstrip()
        rate = f"{growth[key]:,.1f}" if key in growth else ""
        table.add_row(Text(visible(told)), _told(polled.samples[key]), rate)
    return table


def _told(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.3f}"


def watched(urls: Sequence[str], *, every: float = 1.0, wait: Callable[[float], None] = sleep) -> Iterator[Table]:
    """Give what there is to show, first without rates, then each second, for ever.

    Raises:
        UnreachableError: an exporter does not answer any more: its process has ended.
    """
    before = poll(urls)
    yield shown(before, {})
    while True:
        wait(every)
        after = poll(urls)
        yield shown(after, rates(before, after))
        before = after


def _samples(url: str) -> Samples:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError as error:
        raise UnreachableError(f"{visible(url)}: is no URL ({visible(error)})") from error
    whole = parts._replace(path=parts.path if parts.path.strip("/") else "/metrics").geturl()
    if parts.scheme not in ("http", "https"):
        raise UnreachableError(f"{visible(url)}: is not of http; give what workers serve: http://HOST:PORT/metrics")
    try:
        with urlopen(whole, timeout=PATIENCE) as response:
            return parsed(response.read().decode())
    except (OSError, HTTPException, ValueError) as error:
        hint = "give the host and port of a worker that runs with SEGONE_METRICS_PORT"
        raise UnreachableError(f"{visible(whole)}: no metrics there ({visible(error)}); {hint}") from error
