"""What an operator should look at, as records."""

from collections.abc import Sequence
from hashlib import blake2b

import pyarrow as pa

from schemas.durations import HOUR
from schemas.records import OPERATION
from transforms.sinks.hourly_limit import Holding
from transforms.sinks.refused_offers import STAGE

OPERATIONS = "operations"
"""The output."""

OFFERS_HELD = "offers_held"
"""Kind: the hourly limit began to hold offers; one an hour of event time."""

READING = "read_stream"
"""The transform that tells of floods."""

REJECTS_FLOOD = "rejects_flood"
"""Kind: for a minute more of a feed was rejected than is usual; one an hour of event time and feed."""


def offers_held(holding: Sequence[Holding], most: int) -> pa.RecordBatch:
    """Return rows of `schemas.records.OPERATION`, one an hour in which offers began to wait.

    Args:
        holding: When that was, and how many.
        most: Offers in an hour.
    """
    rows = [
        {
            "id": _id(OFFERS_HELD, one.source, one.time // HOUR * HOUR),
            "kind": OFFERS_HELD,
            "source": one.source,
            "stage": STAGE,
            "time": one.time,
            "count": one.waiting,
            "most": most,
            "message": f"{one.waiting:,} offers are held: --max-offers-per-hour is {most:,}; see what makes so many",
        }
        for one in holding
    ]
    return pa.RecordBatch.from_pylist(rows, OPERATION)


def rejects_flood(source: str, feed: str, time: int, rejected: int, records: int, most: int) -> pa.RecordBatch:
    """Return a row of `schemas.records.OPERATION`: much of a feed is rejected.

    Args:
        source: Whose signals these are, `/segment-of-one/PLAYBOOK`.
        feed: Its name.
        time: How far event time was, milliseconds.
        rejected: Records of the minute so far.
        records: Those that came in it, with these.
        most: How many of them might have been rejected.
    """
    message = (
        f"{feed}: {rejected:,} of {records:,} records were rejected within a minute, more than --alert-rejected "
        "allows; `rejected` says why, and `segone replay-rejected` gives them again after a fix"
    )
    row = {
        "id": _id(REJECTS_FLOOD, source, feed, time // HOUR * HOUR),
        "kind": REJECTS_FLOOD,
        "source": source,
        "stage": READING,
        "time": time,
        "count": rejected,
        "most": most,
        "message": message,
    }
    return pa.RecordBatch.from_pylist([row], OPERATION)


def _id(*about: object) -> str:
    return blake2b("/".join(map(str, about)).encode(), digest_size=16).hexdigest()
