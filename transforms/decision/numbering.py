"""Numbering: every record has its number among those of its contact root."""

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.arrays.arrow_columns import changes, numbered, replaced, spread
from transforms.arrays.plain_arrow import as_written, framed, tabled
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.ledger_state import SEQUENCE
from transforms.decision.records import LEDGER, decision_schema

_ROOT = ["root_kind", "root"]


def number_records(plan: OfferPlan, records: pa.Table, known: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Number records in their order, those of each contact root from where it is on.

    Args:
        plan: The policy.
        records: As `unnumbered_schema`.
        known: The last number of each root so far, as SEQUENCE.

    Returns:
        The records as `decision_schema`, and the last numbers now, by root.
    """
    schema = decision_schema(plan)
    if not len(records):
        return schema.empty_table(), known
    codes = numbered(*(records[name] for name in LEDGER))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(changes(codes[order]))
    sizes = np.diff(np.append(starts, len(order)))
    roots = framed(records.select(LEDGER).take(order[starts]).rename_columns(_ROOT))
    places = framed(known).lazy().with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    held = as_written(roots.lazy().join(places, _ROOT, "left", maintain_order="left"))
    firsts = held["sequence"].fill_null(0).to_numpy() + 1
    numbers = np.empty(len(order), np.int64)
    numbers[order] = spread(firsts, sizes)
    columns = [pa.array(numbers) if name == "sequence" else records[name] for name in schema.names]
    return pa.table(columns, schema=schema), _now(known, held.with_columns(sequence=firsts + sizes - 1))


def _now(known: pa.Table, held: pl.DataFrame) -> pa.Table:
    """Return the last numbers, given those that are new: of known roots with their place."""
    place = held["place"].fill_null(-1).to_numpy()
    after = known["sequence"].to_numpy().copy()
    after[place[place >= 0]] = held["sequence"].to_numpy()[place >= 0]
    now = replaced(known, "sequence", pa.array(after))
    if not (place < 0).any():
        return now.cast(SEQUENCE)
    new = held.lazy().filter(pl.Series(place < 0)).select(SEQUENCE.names)
    return tabled(as_written(pl.concat([framed(now).lazy(), new]).sort(_ROOT)), SEQUENCE)
