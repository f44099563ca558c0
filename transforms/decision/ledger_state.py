"""What decisions remember from one call to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.plain_arrow import framed
from transforms.blobs import table_blob
from transforms.compiler.notices import KEYS
from transforms.compiler.offer_definitions import OfferPlan, Traits

KIND = "ledger"
_NOTICES = "notices "
_ROOT = ("root_kind", "root")
_KEY = [*_ROOT, "decision_id"]

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
        pa.field("message", pa.string(), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("holdout", pa.bool_(), nullable=False),  # nothing was sent; it counts as if it had been
        pa.field("trigger", pa.string(), nullable=False),
        pa.field("own_tick", pa.int64(), nullable=False),  # of the trigger
        pa.field("n", pa.int64(), nullable=False),
        pa.field("value_micros", pa.int64(), nullable=False),
        pa.field("valid_until", pa.int64(), nullable=False),
        pa.field("withdrawn", pa.bool_(), nullable=False),
        pa.field("said", pa.string()),  # what was reported of it before its names were erased; null: nobody did
        pa.field("alone", pa.bool_(), nullable=False),  # the root was too large: the recipient was its own
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

SEQUENCE = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),
        pa.field("root", pa.string(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),
    ]
)
"""The number of the last record of one contact root a row, by root."""


@dataclass(frozen=True)
class LedgerState:
    """The state of one shard between two calls.

    Attributes:
        closed: The last tick that was decided, None before the first.
        reservations: What limits may still see, as RESERVATION.
        memberships: Those that facts told of, as MEMBERSHIP.
        deferred: Triggers that wait for a gate, see `deferral.deferred_schema`; None if there never were any.
        notices: What contact roots were told, by signal type.
        sequences: How many records there are of each contact root, as SEQUENCE.
        playbook_hash: Of the version under which it was decided last, None before the first.
        offers: What is told of the offers in `reservations`, by name: a later playbook may lack them.
    """

    closed: int | None
    reservations: pa.Table
    memberships: pa.Table
    deferred: pa.Table | None = None
    notices: Mapping[str, pa.Table] = field(default_factory=dict)
    sequences: pa.Table = field(default_factory=SEQUENCE.empty_table)
    playbook_hash: str | None = None
    offers: Mapping[str, Traits] = field(default_factory=dict)

    def tables(self) -> dict[str, pa.Table]:
        """Return what is by contact root, by name."""
        tables = {"reservations": self.reservations, "memberships": self.memberships, "sequences": self.sequences}
        tables |= {} if self.deferred is None else {"deferred": self.deferred}
        return tables | {f"{_NOTICES}{name}": table for name, table in sorted(self.notices.items())}

    def with_tables(self, tables: Mapping[str, pa.Table]) -> "LedgerState":
        """Return the same with other tables, by the names of `tables`; without those that are not given."""
        return replace(
            self,
            reservations=tables.get("reservations", RESERVATION.empty_table()),
            memberships=tables.get("memberships", MEMBERSHIP.empty_table()),
            sequences=tables.get("sequences", SEQUENCE.empty_table()),
            deferred=tables.get("deferred"),
            notices={name.removeprefix(_NOTICES): one for name, one in tables.items() if name.startswith(_NOTICES)},
        )


NOTHING = LedgerState(None, RESERVATION.empty_table(), MEMBERSHIP.empty_table())
"""The memory of a shard that has decided nothing."""


def load(state: bytes | None) -> LedgerState:
    """Return what `dump` wrote, or `NOTHING`."""
    header, tables = table_blob.load(KIND, state) if state is not None else ({}, {})
    memory = NOTHING.with_tables(tables)
    offers = {name: Traits(*one) for name, one in header["offers"].items()} if "offers" in header else None
    return replace(
        memory,
        closed=header.get("closed"),
        playbook_hash=header.get("playbook_hash"),
        offers=_unknown(memory.reservations) if offers is None else offers,
    )


def _unknown(reservations: pa.Table) -> dict[str, Traits]:
    """Return what is known of the offers of a state that does not tell it, as releases before wrote it."""
    names, families = (reservations[name].to_pylist() for name in ("offer", "family"))
    return {name: Traits(family) for name, family in zip(names, families, strict=True)}


def _reported(memory: LedgerState) -> pa.Array:
    """Tell of which reservations a report is remembered: without them it would be of a contact of others."""
    reports = [table.select(_KEY) for table in memory.notices.values() if "decision_id" in table.column_names]
    told = [framed(each).drop_nulls("decision_id") for each in reports if len(each)]
    if not told:
        return pa.repeat(False, len(memory.reservations))
    theirs = pl.concat(told).unique().with_columns(reported=pl.lit(True))
    found = framed(memory.reservations.select(_KEY)).join(theirs, _KEY, "left", maintain_order="left")
    return found["reported"].fill_null(False).to_arrow()


def retained(plan: OfferPlan, memory: LedgerState) -> LedgerState:
    """Return a memory without what no tick can see after the one it is closed at."""
    assert memory.closed is not None, "nothing is kept before the first tick"
    since = memory.closed - plan.memory
    notices = {
        name: table if KEYS[name] is not None else table.filter(pc.field("tick") > since)
        for name, table in memory.notices.items()
    }
    memory = replace(memory, notices=notices)
    counts, valid = pc.field("tick") > since, pc.field("valid_until") > memory.closed
    every = memory.reservations.append_column("reported", _reported(memory))
    seen = every.filter(counts | pc.field("reported") | (valid & ~pc.field("withdrawn") & ~pc.field("holdout")))
    return replace(memory, reservations=seen.drop_columns(["reported"]))


def dump(memory: LedgerState) -> bytes:
    """Return what is retained as a blob, whatever the order of the contact roots was."""
    deferred = memory.deferred
    if deferred is not None:
        deferred = _sorted(deferred, *_ROOT, "subject_kind", "subject", "own_tick", "trigger")
    ordered = replace(
        memory,
        reservations=_sorted(memory.reservations, *_ROOT, "tick", "decision_id"),
        memberships=_sorted(memory.memberships, *MEMBERSHIP.names),
        deferred=deferred,
        sequences=_sorted(memory.sequences, *_ROOT),
    )
    return packed(ordered)


def _sorted(table: pa.Table, *names: str) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in names])


def packed(memory: LedgerState) -> bytes:
    """Return a memory as it is, for `load`."""
    tables = {name: table for name, table in memory.tables().items() if len(table) or not name.startswith(_NOTICES)}
    named = {*pc.unique(memory.reservations["offer"]).to_pylist()}
    offers = {name: one for name, one in sorted(memory.offers.items()) if name in named}
    header = {"playbook_hash": memory.playbook_hash, "closed": memory.closed, "offers": offers}
    return table_blob.dump(KIND, header, tables)
