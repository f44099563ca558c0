"""Small batches of offers and withdrawals."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from transforms.decision.offers import MADE, ROOTED, WITHDRAWN

TEXTS = ("offer", "channel", "family", "owner", "message", "recipient_kind", "trigger", "playbook", "playbook_hash")


class Row(NamedTuple):
    """An offer, or a withdrawal of one; instants are milliseconds."""

    id: str
    time: int
    valid_until: int
    made: bool = True


def offers(rows: Iterable[Row]) -> pa.Table:
    """Return events of offers, whose subjects are their ids."""
    event = {"specversion": "1.0", "source": "/segment-of-one/test", "datacontenttype": "application/json"}
    event |= {"dataschema": "urn:x", "mode": "live", "playbookversion": 1, "root_kind": "subscriber"}
    data = dict.fromkeys(TEXTS, "x") | {"priority": 1, "value_micros": 1, "version": 1, "params": "{}"}
    made = [
        event
        | {"id": row.id, "type": MADE if row.made else WITHDRAWN, "subject": row.id, "time": row.time, "root": row.id}
        | {"data": data | {"recipient": row.id, "valid_until": row.valid_until}}
        for row in rows
    ]
    return pa.Table.from_pylist(made, ROOTED)


def batch(*rows: Row) -> pa.RecordBatch:
    (found,) = offers(rows).combine_chunks().to_batches()
    return found
