"""Contact roots, subjects and recipients as numbers, for limits that count by them."""

from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import GROUPS, LEVELS
from transforms.arrays.arrow_columns import Bools

_ROOT = ("root_kind", "root")
_WHO = (*_ROOT, "subject_kind", "subject", "recipient")


def number_roots(triggers: pa.Table, reservations: pa.Table, alone: Bools) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Number the contact roots of triggers and all that limits count within them, and find their reservations.

    Args:
        triggers: Columns root_kind, root, subject_kind, subject, recipient, tick, decision_id, moved_until.
        reservations: As RESERVATION; those of other roots are left out.
        alone: Whether each trigger stands alone.

    Returns:
        Of the triggers: root, `COUNTED`, tick, decision_id, moved, alone. Of reservations: `COUNTED`, offer, family,
        channel, tick. Equal numbers in a column mean the same root, subject or recipient; no number reaches the
        count of rows of both; -1: there is none.
    """
    asked = cast(pl.DataFrame, pl.from_arrow(triggers.select([*_WHO, "tick", "decision_id", "moved_until"])))
    roots = asked.select(_ROOT).unique()
    known = cast(pl.DataFrame, pl.from_arrow(reservations)).join(roots, on=_ROOT, how="semi", maintain_order="left")
    both = _numbers(pl.concat([asked.select(_WHO), known.select(_WHO)]))
    moved = (pl.col("moved_until") > pl.col("tick")).fill_null(False)
    return (
        both.head(len(asked)).hstack(asked.select("tick", "decision_id", moved=moved, alone=pl.Series(alone))),
        both.tail(len(known)).drop("root").hstack(known.select("offer", "family", "channel", "tick")),
    )


def own_roots(triggers: pa.Table, alone: Bools) -> pa.Table:
    """Return triggers, their recipient the contact root of those that stand alone."""
    for name, own in (("root_kind", LEVELS[0]), ("root", triggers["recipient"])):
        roots = pc.if_else(pa.array(alone), own, triggers[name])
        triggers = triggers.set_column(triggers.column_names.index(name), name, roots)
    return triggers


def _numbers(who: pl.DataFrame) -> pl.DataFrame:
    """Return root and `COUNTED`: the number of a key is that of the first row that has it."""
    row = pl.col("row").cast(pl.Int64)
    root = row.first().over(_ROOT)
    return who.with_row_index("row").select(
        root=root,
        subject=row.first().over(*_ROOT, "subject_kind", "subject"),
        subscriber=pl.when(pl.col("recipient").is_not_null()).then(row.first().over(*_ROOT, "recipient")).otherwise(-1),
        **{kind: pl.when(pl.col("root_kind") == kind).then(root).otherwise(-1) for kind in GROUPS},
    )
