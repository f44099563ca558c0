"""A table of BigQuery must have the columns of its output; the service is played."""

from types import SimpleNamespace
from typing import Any

import google.auth
import pytest
from google.api_core.exceptions import NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery_storage_v1
from google.cloud.bigquery_storage_v1.types import TableFieldSchema, TableSchema, WriteStream

from pipelines.doctor.brokers import broker
from pipelines.tables import tables

TABLE = "bigquery://p/d/t"


def _fields(without: str = "") -> list[TableFieldSchema]:
    named = [one for one in tables()["alerts"] if one["name"] != without]
    return [TableFieldSchema(name=one["name"], type_=one["type"].replace("FLOAT64", "DOUBLE")) for one in named]


def _serve(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_write_stream(request: Any, **_: Any) -> WriteStream:
        assert request.name == "projects/p/datasets/d/tables/t/streams/_default"
        if isinstance(answer, Exception):
            raise answer
        return WriteStream(table_schema=TableSchema(fields=answer))

    client = SimpleNamespace(get_write_stream=get_write_stream)
    monkeypatch.setattr(bigquery_storage_v1, "BigQueryWriteClient", lambda: client)
    monkeypatch.setattr(google.auth, "default", lambda: (AnonymousCredentials(), "p"))


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (_fields(), "ok", "the table is there, with 10 columns"),
        (_fields(without="share"), "fail", "without the columns share"),
        ([*_fields(without="share"), TableFieldSchema(name="share", type_="STRING")], "fail", "columns share"),
        (NotFound("gone"), "fail", "no table `t` of `p.d`: gone"),
    ],
)
def test_a_table_is_asked_for_its_columns(answer: Any, state: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(answer, monkeypatch)
    (found,) = broker("alerts", TABLE, "publish")
    assert (found.state, told in found.told) == (state, True), found
