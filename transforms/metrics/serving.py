"""Serves what this process counted, where its environment says so: a worker, or a run that is its own worker."""

import logging
import os
from functools import cache

from transforms.metrics.exporter import Exporter
from transforms.metrics.tally import TALLY

PORT = "SEGONE_METRICS_PORT"
"""Environment variable: the first port to try. Not set: nothing is served."""

PORTS = 8
"""So many processes of one machine, or one container, find a port each, from the first one on."""

_log = logging.getLogger(__name__)


@cache
def serve_if_asked() -> Exporter | None:
    """Serve from now on, once in a process, if the environment says so; if it cannot be, an error is logged."""
    asked = os.environ.get(PORT)
    if not asked:
        return None
    try:
        exporter = serve(int(asked))
    except (OSError, ValueError) as error:  # counting is an aside: it does not end a pipeline
        _log.error("no metrics are served: %s", error)
        return None
    _log.info("metrics are served at port %d", exporter.port)
    return exporter


def serve(first: int) -> Exporter:
    """Serve at the first port that is free, of `PORTS`, to everybody who reaches this machine.

    Raises:
        OSError: all are taken.
        ValueError: it is no port.
    """
    last = first + PORTS - 1
    if not 0 < first <= last < 65_536:
        raise ValueError(f"{PORT}={first}: is no port; give one from 1 to {65_536 - PORTS}")
    for port in range(first, last + 1):
        try:
            return Exporter(TALLY.values, port, "0.0.0.0")
        except OSError as error:
            taken = error
    raise OSError(f"{PORT}={first}: no port from {first} to {last} is free ({taken})")
