"""Which gate kept something from being sent, for whoever watches decisions."""

import polars as pl
import pyarrow as pa

from transforms.arrays.plain_arrow import framed

NONE = "none"


def first_gates(decisions: pa.Table) -> dict[tuple[str, str], int]:
    """Return how many decisions there are of each action and gate.

    The gate is the first that the best candidate did not pass, where nothing is sent, or would be but for a draw; else,
    and where there is no candidate or it passed all, it is `NONE`.

    Args:
        decisions: As `decision_schema`.
    """
    gate = pl.element().struct.field("gate").filter(pl.element().struct.field("result") != "passed").first()
    best = pl.col("candidates").list.first().struct.field("gates").list.eval(gate).list.first()
    rows = framed(decisions.select(["action", "offer", "candidates"]))
    gates = pl.when(pl.col("offer").is_null()).then(best).fill_null(NONE)
    counted = rows.select("action", gate=gates).group_by("action", "gate").len()
    return {(action, gate): count for action, gate, count in counted.iter_rows()}
