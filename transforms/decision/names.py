"""The names that a ledger knows."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import LEVELS
from transforms.arrays.plain_arrow import framed
from transforms.decision.ledger_state import LedgerState

_OF = (("root_kind", "root"), ("subject_kind", "subject"))


def names_of(memory: LedgerState) -> Iterator[tuple[str, pl.Series]]:
    """Yield kinds of subjects, and names of some."""
    for table in filter(None, (memory.reservations, memory.memberships, memory.deferred, memory.sequences)):
        yield from _named(table)
    for table in memory.notices.values():
        yield from _named(table)
    level = pl.col("segment").str.split(".").list.first()
    members = framed(memory.memberships).select("subject", kind=level)
    yield from ((kind, members.filter(pl.col("kind") == kind)["subject"]) for kind in LEVELS)


def _named(table: pa.Table) -> Iterator[tuple[str, pl.Series]]:
    there = [pair for pair in _OF if {*pair} <= {*table.column_names}]
    for of, name in there:
        rows = framed(table.select([of, name]))
        yield from ((kind, rows.filter(pl.col(of).cast(pl.String) == kind)[name].cast(pl.String)) for kind in LEVELS)
    if "recipient" in table.column_names:
        yield LEVELS[0], framed(table.select(["recipient"]))["recipient"].cast(pl.String)
