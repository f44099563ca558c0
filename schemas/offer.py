"""The offer as the outside world sees it: the Avro contract, and the Arrow schema that follows from it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.records import INSTANT

OFFER_AVRO: dict[str, Any] = json.loads((Path(__file__).parent / "avro" / "offer.avsc").read_text("utf-8"))
"""A CloudEvent 1.0: context attributes, and `data`."""

_ARROW = {"string": pa.string(), "long": pa.int64()}


def _arrow(avro: Any) -> pa.DataType:
    if isinstance(avro, list):  # optional
        return _arrow(avro[1])
    if isinstance(avro, str):
        return _ARROW[avro]
    return INSTANT if avro["type"] == "long" else pa.struct(_fields(avro))


def _fields(record: dict[str, Any]) -> list[pa.Field]:
    return [
        pa.field(field["name"], _arrow(field["type"]), nullable=isinstance(field["type"], list))
        for field in record["fields"]
    ]


OFFER = pa.schema(_fields(OFFER_AVRO))
"""The same, a row an offer."""


def source_of(playbook: str) -> str:
    """Return the source of what a playbook makes, in the words of CloudEvents."""
    return f"/segment-of-one/{playbook}"
