"""Counters of Beam that this process keeps, too, and serves where it is asked to: Flink tells none while a job runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from apache_beam.metrics import Metrics
from structlog.contextvars import bound_contextvars

from transforms.metrics.exports import export_if_asked
from transforms.metrics.tally import TALLY
from transforms.shell.pressure import PRESSURE

_log = logging.getLogger(__name__)


class TalliedCounter:
    """A counter of Beam and of this process."""

    def __init__(self, namespace: str, name: str) -> None:
        self._key = namespace, name
        self._beam: Any = Metrics.counter(namespace, name)

    def inc(self, count: int = 1) -> None:
        """Add to it."""
        export_if_asked()
        self._beam.inc(count)
        TALLY.add(*self._key, count)


class TalliedDistribution:
    """A distribution of Beam and of this process."""

    def __init__(self, namespace: str, name: str) -> None:
        self._key = namespace, name
        self._beam: Any = Metrics.distribution(namespace, name)

    def update(self, value: int) -> None:
        """Add one value."""
        export_if_asked()
        self._beam.update(value)
        TALLY.observe(*self._key, value)


class TalliedGauge:
    """A gauge of Beam and of this process."""

    def __init__(self, namespace: str, name: str) -> None:
        self._key = namespace, name
        self._beam: Any = Metrics.gauge(namespace, name)

    def set(self, value: int) -> None:
        """Say what it is now."""
        export_if_asked()
        self._beam.set(value)
        TALLY.set(*self._key, value)


@contextmanager
def timed(playbook: str, stage: str, shard: int) -> Iterator[None]:
    """Tell how long a call that advances a shard of a stage takes; what is logged within it tells where it was."""
    began = perf_counter()
    with bound_contextvars(playbook=playbook, stage=stage, shard=shard), PRESSURE.call(stage):
        yield
        milliseconds = round(1_000 * (perf_counter() - began))
        _log.debug("a tick took %d ms", milliseconds)
    TalliedDistribution("ticks", stage).update(milliseconds)
