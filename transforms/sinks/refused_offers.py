"""Offers that are not published, as dead letters."""

from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import REJECTED
from transforms.decision.offers import MADE, event_texts

STAGE = "guard_offers"
WHILE_HELD, AT_SINK = "expired_while_held", "expired_at_sink"
"""Reasons: no longer valid when the hourly limit would let it out, and by the clock when it was to be published."""

_MESSAGES = {
    WHILE_HELD: "--max-offers-per-hour held it until it was no longer valid; allow more, or make fewer offers",
    AT_SINK: "it was no longer valid when it was to be published; look at the stream's lag, or let it be valid longer",
}


def are_over(offers: pa.Table, now: int) -> pa.Array:
    """Tell which rows are offers no longer valid at an instant, milliseconds; withdrawals are always wanted."""
    until = pc.struct_field(offers["data"], "valid_until").cast(pa.int64())
    return pc.and_(pc.less_equal(until, now), pc.equal(offers["type"], MADE)).combine_chunks()


def refused(offers: pa.Table, reason: str) -> pa.RecordBatch:
    """Return offers as rows of `schemas.records.REJECTED`: source and id of the event, which is the payload."""
    payloads = [text.encode() for text in event_texts(offers)]
    size = len(payloads)
    columns = {
        "source": offers["source"].combine_chunks(),
        "position": offers["id"].combine_chunks(),
        "stage": pa.repeat(STAGE, size),
        "reason": pa.repeat(reason, size),
        "message": pa.repeat(_MESSAGES[reason], size),
        "payload": pa.array(payloads, pa.binary()),
        "payload_hash": pa.array([blake2b(text, digest_size=16).hexdigest() for text in payloads], pa.string()),
        "payload_length": pa.array([len(text) for text in payloads], pa.int64()),
        "records": pa.repeat(pa.scalar(1, pa.int64()), size),
        "attempt": pa.repeat(pa.scalar(1, pa.int64()), size),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in REJECTED.names], schema=REJECTED)
