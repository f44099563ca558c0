"""Whether a shard knows anything of somebody who is to be erased: of most whom it hears of it does not."""

from collections.abc import Iterable, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import MEMBER, MEMBERSHIP, SUBSCRIBER
from transforms.context.groups import membership
from transforms.context.groups.people import member_of
from transforms.context.live.resident import Resident


def known_here(
    plan: ContextPlan, resident: Resident, batches: Sequence[pa.RecordBatch], requests: pl.DataFrame
) -> pl.Series:
    """Tell which erasures are of somebody who is in the state or in the signals of a call.

    Args:
        plan: The level's plan.
        resident: What the level remembers.
        batches: The signals that the level takes.
        requests: Erasures as `REQUESTS`.
    """
    if requests.is_empty():
        return pl.Series(dtype=pl.Boolean)
    memory, kind, subject = resident.memory(), requests["subject_kind"], requests["subject"]
    own = _found(subject, [memory.subjects["subject"], *(b["subject"] for b in batches if "subject" in b.schema.names)])
    if plan.level == SUBSCRIBER:
        stays = memory.groups.get(membership.KEPT, pl.DataFrame(schema={"group": pl.String}))
        joined = [batch["group"] for batch in batches if batch.schema.metadata[b"signal"] == MEMBERSHIP.encode()]
        theirs = _found(subject, [stays["group"], *joined])
    else:
        kept = [table[MEMBER] for _, table in memory.tables() if MEMBER in table.columns]
        theirs = _found(member_of(subject), [*kept, *(b[MEMBER] for b in batches if MEMBER in b.schema.names)])
    return (kind == plan.level) & own | (kind != plan.level) & theirs


def _found(wanted: pl.Series, columns: Iterable[pl.Series | pa.Array]) -> pl.Series:
    """Tell which of the values are in some column."""
    found = set()
    for column in columns:
        values = column.to_arrow(compat_level=pl.CompatLevel.oldest()) if isinstance(column, pl.Series) else column
        values = values.dictionary if isinstance(values, pa.DictionaryArray) else values
        names = pa.array(wanted.to_list(), values.type)
        found |= {*values.filter(pc.is_in(values, value_set=names)).to_pylist()}
    return wanted.is_in([*found])
