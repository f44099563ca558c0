"""Serves metrics over HTTP, as Prometheus reads them."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from transforms.metrics.rendering import CONTENT_TYPE, rendered
from transforms.metrics.tally import Values

PATH = "/metrics"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], values: Callable[[], Values]) -> None:
        self.values = values
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(404, explain=f"metrics are at {PATH}")
            return
        body = rendered(self.server.values()).encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of a scrape."""


class Exporter:
    """Serves what a callable returns at `/metrics`, from a thread that ends with the process, or with the block.

    Args:
        values: Gives what is counted now; it is called by each scrape, by any thread.
        port: Where to listen; 0 for any free one.
        host: Which addresses of this machine to listen on; by default those that only this machine reaches.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, values: Callable[[], Values], port: int = 0, host: str = "127.0.0.1") -> None:
        self._server = _Server((host, port), values)
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is read, on this machine."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.close()
