"""A schema registry: asked once an id, and what it says when it has none to give."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.engines.children import free_port
from schemas.errors import LoadErrors
from transforms.streams import registry as module
from transforms.streams.registry import Registry, registry

ANSWERS = {
    "/schemas/ids/1": (200, {"schema": '{"type": "string"}'}),
    "/schemas/ids/2": (200, {"schema": "message X {}", "schemaType": "PROTOBUF"}),
    "/schemas/ids/3": (200, {"schema": '"Other"', "references": [{"name": "Other"}]}),
    "/schemas/ids/4": (200, {"schema": "{"}),
    "/schemas/ids/5": (404, {"error_code": 40403}),
    "/schemas/ids/6": (401, {}),
    "/behind/schemas/ids/1": (200, {"schema": '"long"'}),
}
ASKED: list[tuple[str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ASKED.append((self.path, self.headers.get("Authorization")))
        status, body = ANSWERS.get(self.path, (503, {}))
        if self.path.endswith("/7") and len([path for path, _ in ASKED if path == self.path]) > 1:
            status, body = 200, {"schema": '"int"'}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("localhost", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    ASKED.clear()


def test_a_schema_is_asked_for_once(address: str) -> None:
    asked = Registry(f"http://{address}/")
    assert [asked(1), asked(1)] == [{"type": "string"}] * 2
    assert ASKED == [("/schemas/ids/1", None)]


def test_user_and_password_of_the_address_are_sent(address: str) -> None:
    assert Registry(f"http://anna:p%40ss@{address}/behind")(1) == "long"
    assert [("/behind/schemas/ids/1", f"Basic {b64encode(b'anna:p@ss').decode()}")] == ASKED


@pytest.mark.parametrize(
    ("number", "why"), [(2, "PROTOBUF"), (3, "refers to other"), (4, "as JSON"), (5, "does not know it")]
)
def test_an_id_without_a_schema_of_ours_is_not_asked_for_again_at_once(address: str, number: int, why: str) -> None:
    asked = Registry(f"http://{address}")
    for _ in range(2):
        with pytest.raises(LookupError, match=why):
            asked(number)
    assert len(ASKED) == 1


def test_a_registry_that_refuses_us_is_told_without_the_password(address: str) -> None:
    with pytest.raises(LoadErrors, match="answers 401") as told:
        Registry(f"http://anna:secret@{address}")(6)
    assert "secret" not in str(told.value)


def test_one_that_fails_for_a_moment_is_asked_again(address: str) -> None:
    assert Registry(f"http://{address}")(7) == "int"


def test_one_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    with pytest.raises(LoadErrors, match="does not answer"):
        Registry(f"http://localhost:{free_port()}")(1)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "here:8081", "http://"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(LoadErrors, match="no address of a schema registry"):
        Registry(address)


def test_a_process_has_one_of_each() -> None:
    assert registry("") is None
    assert registry("http://x") is registry("http://x")
