"""A pool of workers that log as the launcher does:  python -m pipelines.engines.workers --service_port=50000.

It is Beam's own pool, as `apache_beam.runners.worker.worker_pool_main` starts it, but for what a worker is:
`pipelines.engines.worker`, of the same Python.
"""

import argparse
import logging
import subprocess
import sys
from threading import Event
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from pipelines.logs import configure_worker

_log = logging.getLogger("pipelines.engines.workers")  # as a program its name would be `__main__`


class Pool(BeamFnExternalWorkerPoolServicer):
    """Starts a process where a worker is asked for; ends it as Beam's pool does."""

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Start a worker that takes its work from an address."""
        where, worker = request.control_endpoint.url, request.worker_id
        command = [sys.executable, "-m", "pipelines.engines.worker", where, worker]
        try:
            self._worker_processes[worker] = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        _log.info("worker %s starts, for %s", worker, where)
        return beam_fn_api_pb2.StartWorkerResponse()


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service_port", type=int, required=True, help="Where TaskManagers ask for workers.")
    port = parser.parse_args().service_port
    configure_worker()
    address, _server = Pool.start(use_process=True, port=port)
    _log.info("workers are started at %s", address)
    Event().wait()


if __name__ == "__main__":
    main()
