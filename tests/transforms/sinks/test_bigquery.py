"""Publishing to BigQuery: a server that takes rows as the Storage Write API does, in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse, RowError
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import status_pb2

from transforms.sinks import bigquery
from transforms.sinks.bigquery import BigQueryTarget
from transforms.sinks.bigquery_table import columns_of
from transforms.sinks.messages import messages_of
from transforms.sinks.target import NotPublished
from transforms.write_outputs import FORMATS

TABLE = "projects/p/datasets/d/tables/decisions"
SCHEMA = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),
        pa.field("root", pa.string(), nullable=False),
        pa.field("tick", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("late", pa.bool_(), nullable=False),
        pa.field("value_micros", pa.int64()),
        pa.field("propensity", pa.float64()),
        pa.field("payload", pa.binary()),
        pa.field("context", pa.struct([("left_mb", pa.float64()), ("words", pa.list_(pa.string()))])),
    ]
)
ROW = {
    "root_kind": "household",
    "root": "h1",
    "tick": 1_793_620_800_123,
    "late": False,
    "value_micros": 2**53 + 1,
    "propensity": 1.0,
    "payload": b"\xff",
    "context": {"left_mb": 0.1, "words": ["ä", '"']},
}
LEAST = dict.fromkeys(ROW) | {"root_kind": "sme", "root": "s1", "tick": -1, "late": True}


class Server:
    """Takes rows into lists, by stream; `answers` are told first, one a request."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.routes: list[str] = []
        self.requests = 0
        self.answers: list[AppendRowsResponse] = []

    def append(self, requests: Iterator[AppendRowsRequest], context: grpc.ServicerContext) -> Iterator[Any]:
        self.routes += [value for key, value in context.invocation_metadata() if key == "x-goog-request-params"]
        for request in requests:
            self.requests += 1
            if self.answers:
                yield self.answers.pop(0)
                continue
            self.rows.setdefault(request.write_stream, []).extend(_rows(request))
            yield AppendRowsResponse(append_result={})


def _rows(request: AppendRowsRequest) -> Iterator[dict[str, Any]]:
    described = AppendRowsRequest.pb(request).proto_rows.writer_schema.proto_descriptor
    file = descriptor_pb2.FileDescriptorProto(name="x.proto", syntax="proto2", message_type=[described])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make = message_factory.GetMessageClass(pool.FindMessageTypeByName(described.name))
    for row in request.proto_rows.rows.serialized_rows:
        yield {field.name: value for field, value in make.FromString(row).ListFields()}


@contextmanager
def _serving(server: Server) -> Iterator[str]:
    grpc_server = grpc.server(ThreadPoolExecutor(2))
    append = grpc.stream_stream_rpc_method_handler(
        server.append,
        request_deserializer=AppendRowsRequest.deserialize,
        response_serializer=AppendRowsResponse.serialize,
    )
    name = "google.cloud.bigquery.storage.v1.BigQueryWrite"
    grpc_server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"AppendRows": append}),))
    port = grpc_server.add_insecure_port("localhost:0")
    grpc_server.start()
    try:
        yield f"localhost:{port}"
    finally:
        grpc_server.stop(None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    with _serving(server) as place, grpc.insecure_channel(place) as channel:
        transport = BigQueryWriteGrpcTransport(channel=channel, credentials=AnonymousCredentials())
        client = BigQueryWriteClient(transport=transport, client_options=ClientOptions())
        monkeypatch.setattr(bigquery, "_client", lambda: client)
        yield server


def _sent(*rows: dict[str, Any], timeout: float = 10.0) -> list[str]:
    batch = pa.RecordBatch.from_pylist(list(rows), schema=SCHEMA)
    messages = messages_of("contexts", batch, SCHEMA, FORMATS["jsonl"])
    sender = BigQueryTarget(TABLE, columns_of(SCHEMA), timeout).open()
    sender.send(messages)
    sender.flush()
    return list(messages.ids)


def test_a_row_has_what_the_output_has(server: Server) -> None:
    ids = _sent(ROW, LEAST)
    (full, least) = server.rows[f"{TABLE}/streams/_default"]
    assert full == {
        "message_id": ids[0],
        "root_kind": "household",
        "root": "h1",
        "tick": 1_793_620_800_123_000,
        "late": False,
        "value_micros": 2**53 + 1,
        "propensity": 1.0,
        "payload": "/w==",
        "context": '{"left_mb":0.1,"words":["ä","\\""]}',
    }
    assert least == {"message_id": ids[1], "root_kind": "sme", "root": "s1", "tick": -1_000, "late": True}
    assert f"write_stream={TABLE}/streams/_default" in server.routes


def test_columns_are_those_of_the_table() -> None:
    fields = [column.field() for column in columns_of(SCHEMA)]
    assert [(one["name"], one["type"], one["mode"]) for one in fields] == [
        ("message_id", "STRING", "REQUIRED"),
        ("root_kind", "STRING", "REQUIRED"),
        ("root", "STRING", "REQUIRED"),
        ("tick", "TIMESTAMP", "REQUIRED"),
        ("late", "BOOL", "REQUIRED"),
        ("value_micros", "INT64", "NULLABLE"),
        ("propensity", "FLOAT64", "NULLABLE"),
        ("payload", "STRING", "NULLABLE"),
        ("context", "JSON", "NULLABLE"),
    ]


def test_many_rows_are_several_requests(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigquery, "MOST_BYTES", 1_000)
    ids = _sent(*(ROW | {"root": f"h{n}"} for n in range(100)))
    rows = server.rows[f"{TABLE}/streams/_default"]
    assert [row["message_id"] for row in rows] == ids
    assert server.requests > 5


def test_nothing_is_sent_of_nothing(server: Server) -> None:
    BigQueryTarget(TABLE, columns_of(SCHEMA)).open().flush()
    assert server.requests == 0


def test_what_passes_is_tried_again(server: Server) -> None:
    away = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="away")
    server.answers = [AppendRowsResponse(error=away)]
    ids = _sent(ROW)
    assert [row["message_id"] for row in server.rows[f"{TABLE}/streams/_default"]] == ids
    assert server.requests == 2


REFUSED = [
    (AppendRowsResponse(row_errors=[RowError(index=7, message="no such column")]), "number 7: no such column"),
    (
        AppendRowsResponse(error=status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no such table")),
        "no such table",
    ),
]


@pytest.mark.parametrize(("answer", "told"), REFUSED)
def test_what_is_refused_fails_the_bundle(server: Server, answer: AppendRowsResponse, told: str) -> None:
    server.answers = [answer]
    with pytest.raises(NotPublished, match=f"{TABLE}: 1 rows did not go in: .*{told}"):
        _sent(ROW)
    assert server.requests == 1


def test_a_bundle_fails_when_it_is_away_for_long(server: Server) -> None:
    away = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="away")
    server.answers = [AppendRowsResponse(error=away)] * 1_000
    with pytest.raises(NotPublished, match="did not go in"):
        _sent(ROW, timeout=0.3)
