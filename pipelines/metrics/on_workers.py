"""Serves what a worker counted: with `--beam_plugins=pipelines.metrics.on_workers` each worker imports this first."""

import os
import socket

import structlog

from pipelines.metrics.exporter import Exporter
from transforms.shell.tally import TALLY

PORT = "SEGONE_METRICS_PORT"
"""Environment variable of workers: the first port to try. Not set: nothing is served."""

PORTS = 8
"""So many workers of one machine, or one container, find a port each, from the first one on."""

_log = structlog.get_logger()


def serve(first: int) -> Exporter:
    """Serve at the first port that is free, of `PORTS`, to everybody who reaches this machine.

    Raises:
        OSError: all are taken.
    """
    for port in range(first, first + PORTS):
        try:
            exporter = Exporter(TALLY.values, port, "0.0.0.0")
        except OSError as error:
            taken = error
        else:
            _log.info("metrics", port=port, host=socket.gethostname())
            return exporter
    raise OSError(f"{PORT}={first}: no port from {first} to {first + PORTS - 1} is free ({taken})")


if PORT in os.environ:
    EXPORTER = serve(int(os.environ[PORT]))
