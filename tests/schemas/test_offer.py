"""The contract of offers: what was published stays."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.offer import OFFER, OFFER_AVRO
from schemas.records import INSTANT

PUBLISHED = Path(__file__).parent / "published_offers" / "offer.avsc"


def fields(record: dict[str, Any]) -> dict[str, Any]:
    """Return the type of each field, nested ones as `data.offer`."""
    found = {}
    for field in record["fields"]:
        nested = isinstance(field["type"], dict) and field["type"]["type"] == "record"
        inner = {f"{field['name']}.{name}": kind for name, kind in fields(field["type"]).items()} if nested else {}
        found |= inner or {field["name"]: field["type"]}
    return found


def test_what_consumers_read_stays() -> None:
    published, current = fields(json.loads(PUBLISHED.read_text())), fields(OFFER_AVRO)
    assert published.items() <= current.items()


def test_arrow_follows_avro() -> None:
    assert OFFER.names == [field["name"] for field in OFFER_AVRO["fields"]]
    assert OFFER.field("time") == pa.field("time", INSTANT, nullable=False)
    assert OFFER.field("data").type.field("valid_until").type == INSTANT
    assert OFFER.field("data").type.field("value_micros").type == pa.int64()
