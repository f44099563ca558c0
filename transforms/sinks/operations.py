"""What an operator should look at, as records."""

from collections.abc import Sequence
from hashlib import blake2b

import pyarrow as pa

from schemas.durations import HOUR
from schemas.records import OPERATION
from transforms.sinks.hourly_limit import Holding
from transforms.sinks.refused_offers import STAGE

OFFERS_HELD = "offers_held"
"""Kind: the hourly limit began to hold offers; one an hour of event time."""


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


def _id(*about: object) -> str:
    return blake2b("/".join(map(str, about)).encode(), digest_size=16).hexdigest()
