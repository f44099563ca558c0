"""Publishing to BigQuery by the Storage Write API: rows appended to the default stream of a table, all acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse, ProtoRows, ProtoSchema
from google.rpc import code_pb2

from transforms.sinks.bigquery_table import Column, Rows, default_stream
from transforms.sinks.google_retry import retry_for
from transforms.sinks.target import TIMEOUT, Messages, NotPublished

MOST_BYTES = 5_000_000
"""Of the rows of one request: half of what BigQuery takes."""


@dataclass(frozen=True)
class BigQueryTarget:
    """A table of BigQuery. Its rows come at least once: those with the same `message_id` are the same.

    Attributes:
        table: `projects/PROJECT/datasets/DATASET/tables/TABLE`; it has the columns.
        columns: What is appended.
        timeout: Seconds for which rows are tried again.
    """

    table: str
    columns: tuple[Column, ...]
    timeout: float = TIMEOUT

    def open(self) -> "BigQuerySender":
        """Return what sends the messages of one bundle."""
        return BigQuerySender(self)


@dataclass
class BigQuerySender:
    """Keeps rows, and appends them in requests one after the other on one connection.

    Attributes:
        target: Where to.
    """

    target: BigQueryTarget
    _kept: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def send(self, messages: Messages) -> None:
        """Keep messages as rows, and append them where many are kept: then it returns when they are acknowledged."""
        for row in _rows(self.target.columns).serialized(messages.texts, messages.ids):
            self._kept.append(row)
            self._bytes += len(row)
            if self._bytes >= MOST_BYTES:
                self.flush()

    def flush(self) -> None:
        """Append what is kept and return when all of it is acknowledged."""
        rows, self._kept, self._bytes = self._kept, [], 0
        if not rows:
            return
        retry = retry_for(self.target.timeout)
        try:
            retry(self._append)(rows)
        except (exceptions.GoogleAPIError, _RefusedError) as error:
            raise NotPublished(f"{self.target.table}: {len(rows):,} rows did not go in: {error}") from error

    def _append(self, rows: Sequence[bytes]) -> None:
        stream = default_stream(self.target.table)
        schema = ProtoSchema(proto_descriptor=_rows(self.target.columns).descriptor)
        data = AppendRowsRequest.ProtoData(writer_schema=schema, rows=ProtoRows(serialized_rows=rows))
        requests = iter([AppendRowsRequest(write_stream=stream, proto_rows=data)])
        routed = (("x-goog-request-params", f"write_stream={stream}"),)
        answers = list(_client().append_rows(requests, metadata=routed, retry=None, timeout=self.target.timeout))
        for answer in answers:
            _check(answer)
        if len(answers) != 1:
            raise exceptions.ServiceUnavailable(f"{len(answers)} answers to 1 request")


class _RefusedError(Exception):
    """BigQuery says which rows it does not take, and why."""


def _check(answer: AppendRowsResponse) -> None:
    if answer.row_errors:
        first = answer.row_errors[0]
        raise _RefusedError(
            f"{len(answer.row_errors):,} do not fit, the first is number {first.index}: {first.message}"
        )
    if answer.error.code != code_pb2.OK:
        raise exceptions.from_grpc_status(answer.error.code, answer.error.message)


@cache
def _rows(columns: tuple[Column, ...]) -> Rows:
    return Rows(columns)


@cache
def _client() -> BigQueryWriteClient:
    return BigQueryWriteClient()
