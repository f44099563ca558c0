"""Erasures as they are asked for: which of a call's signals they are, when they act, and which are copies."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.features import SUBSCRIBER
from transforms.context.erasure.tombstones import Tombstone, salted

ERASURE = "erasure"

REQUESTS = {
    "subject_kind": pl.String,
    "subject": pl.String,
    "token": pl.String,
    "request": pl.String,
    "source": pl.String,
    "id": pl.String,
    "time": pl.Int64,
    "tick": pl.Int64,
    "late": pl.Boolean,
}
"""Columns of erasures: `token` and `request` are salted hashes, `tick` is when they act."""

KEY = ("subject_kind", "token", "request")
"""The columns that copies share."""


def asked(
    plan: ContextPlan, batches: Sequence[pa.RecordBatch], first: int, salt: bytes
) -> tuple[pl.DataFrame, list[pa.RecordBatch]]:
    """Part the erasures that matter to a level from its signals.

    Subscribers hear of the groups they may be in, and groups of the subscribers who may be in them.

    Args:
        plan: The level's plan.
        batches: Signal batches of any kinds.
        first: The first open tick: erasures that come late act there.
        salt: Of the hashes.

    Returns:
        The erasures as `REQUESTS`, and the batches of signals about subjects of the level.
    """
    rest, found = [], [pl.DataFrame(schema=REQUESTS)]
    for batch in batches:
        kind = batch.schema.metadata[b"subject_kind"].decode()
        if batch.schema.metadata[b"signal"] != ERASURE.encode():
            rest += [batch] if kind == plan.level else []
        elif kind == plan.level or SUBSCRIBER in (kind, plan.level):
            found.append(_requests(plan, kind, batch, first, salt))
    return pl.concat(found), rest


def _requests(plan: ContextPlan, kind: str, batch: pa.RecordBatch, first: int, salt: bytes) -> pl.DataFrame:
    signals = pl.DataFrame(batch)
    own = plan.grid.after(signals["time"].to_numpy())
    if "token" not in signals.columns:
        signals = signals.with_columns(
            token=pl.Series([salted(salt, kind, name) for name in signals["subject"]], dtype=pl.String)
        )
    rows = signals.with_columns(
        subject_kind=pl.lit(kind),
        request=pl.Series([salted(salt, *row) for row in signals.select("source", "id").rows()], dtype=pl.String),
        tick=pl.Series(np.maximum(own, first)),
        late=pl.Series(own < first),
    )
    return rows.select(REQUESTS.keys())


def after(batches: Sequence[pa.RecordBatch], upto: int) -> list[pa.RecordBatch]:
    """Return the erasures of later ticks than one."""
    mine = (batch for batch in batches if batch.schema.metadata[b"signal"] == ERASURE.encode())
    later = (batch.filter(pc.greater_equal(batch["time"], upto)) for batch in mine)
    return [batch for batch in later if batch.num_rows]


def news(requests: pl.DataFrame, tombstones: Sequence[Tombstone]) -> pl.DataFrame:
    """Return the erasures that are no copies, of copies the first."""
    known = pl.DataFrame(
        [(one.kind, one.subject, one.request) for one in tombstones],
        schema=dict.fromkeys(KEY, pl.String),
        orient="row",
    )
    first = requests.sort("time", "source", "id").unique(KEY, keep="first", maintain_order=True)
    return first.join(known, KEY, "anti", maintain_order="left")
