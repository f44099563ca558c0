"""The contract of offers: the Arrow schema that follows from it."""

import pyarrow as pa

from schemas.offer import OFFER, OFFER_AVRO
from schemas.records import INSTANT


def test_arrow_follows_avro() -> None:
    assert OFFER.names == [field["name"] for field in OFFER_AVRO["fields"]]
    assert OFFER.field("time") == pa.field("time", INSTANT, nullable=False)
    assert OFFER.field("data").type.field("valid_until").type == INSTANT
    assert OFFER.field("data").type.field("value_micros").type == pa.int64()
