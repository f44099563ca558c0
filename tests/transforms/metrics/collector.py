"""A receiver of OpenTelemetry's metrics for tests, over HTTP or gRPC."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)

Told = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By name and attributes of a metric."""


class Collector:
    """What was pushed to a receiver.

    Attributes:
        url: Where it listens.
        pushed: Every request.
    """

    def __init__(self, url: str, pushed: "Queue[ExportMetricsServiceRequest]") -> None:
        self.url, self.pushed = url, pushed

    def next(self) -> tuple[dict[str, str], Told]:
        """Return resource and values of the next request; waits for it."""
        (of_resource,) = self.pushed.get(timeout=120).resource_metrics
        about = {one.key: one.value.string_value for one in of_resource.resource.attributes}
        return about, dict(_values(of_resource))


def _values(of_resource: Any) -> Iterator[tuple[Any, float]]:
    for metric in (one for scope in of_resource.scope_metrics for one in scope.metrics):
        assert metric.WhichOneof("data") in ("sum", "gauge")
        assert metric.gauge.data_points or metric.sum.is_monotonic
        for point in (*metric.sum.data_points, *metric.gauge.data_points):
            attributes = tuple((one.key, one.value.string_value) for one in point.attributes)
            yield (metric.name, attributes), getattr(point, point.WhichOneof("value"))


@contextmanager
def over_http() -> Iterator[Collector]:
    """Listen at `/v1/metrics`."""
    pushed: Queue[ExportMetricsServiceRequest] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            pushed.put(ExportMetricsServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Collector(f"http://127.0.0.1:{server.server_address[1]}", pushed)
        server.shutdown()


@contextmanager
def over_grpc() -> Iterator[Collector]:
    """Listen with the service of metrics."""
    pushed: Queue[ExportMetricsServiceRequest] = Queue()

    class Service(MetricsServiceServicer):
        def Export(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:  # noqa: N802 - as gRPC has it
            pushed.put(request)
            return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_MetricsServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Collector(f"http://127.0.0.1:{port}", pushed)
    server.stop(None).wait()
