"""What decisions remember from one call to the next."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from transforms.blobs import table_blob
from transforms.compiler.offer_definitions import OfferPlan

KIND = "ledger"

RESERVATION = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),  # the contact root, whose ledger it is
        pa.field("root", pa.string(), nullable=False),
        pa.field("subject_kind", pa.string(), nullable=False),  # for whom: the subject of the trigger
        pa.field("subject", pa.string(), nullable=False),
        pa.field("recipient", pa.string(), nullable=False),  # to which subscriber
        pa.field("offer", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),
        pa.field("decision_id", pa.string(), nullable=False),
    ]
)
"""One contact that was decided, a row."""

MEMBERSHIP = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),  # the contact root that was told
        pa.field("root", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),  # LEVEL.SEGMENT, or LEVEL and TOO_LARGE
        pa.field("subject", pa.string(), nullable=False),  # of that level
        pa.field("tick", pa.int64(), nullable=False),  # of the fact
    ]
)
"""One membership in a segment that holds, or that the root is too large, a row."""


@dataclass(frozen=True)
class LedgerState:
    """The state of one shard between two calls.

    Attributes:
        closed: The last tick that was decided, None before the first.
        reservations: What limits may still see, as RESERVATION.
        memberships: Those that facts told of, as MEMBERSHIP.
    """

    closed: int | None
    reservations: pa.Table
    memberships: pa.Table


def load(state: bytes | None) -> LedgerState:
    """Return what `dump` wrote, or the memory of a shard that has decided nothing."""
    header, tables = table_blob.load(KIND, state) if state is not None else ({}, {})
    return LedgerState(
        header.get("closed"),
        tables.get("reservations", RESERVATION.empty_table()),
        tables.get("memberships", MEMBERSHIP.empty_table()),
    )


def dump(plan: OfferPlan, closed: int, reservations: pa.Table, memberships: pa.Table) -> bytes:
    """Return the state after the tick `closed`, without what no later tick can see."""
    seen = reservations.filter(pc.field("tick") > closed - plan.memory)
    ordered = seen.sort_by([(name, "ascending") for name in ("root_kind", "root", "tick", "decision_id")])
    header = {"playbook_hash": plan.playbook_hash, "closed": closed}
    return table_blob.dump(KIND, header, {"reservations": ordered, "memberships": memberships})
