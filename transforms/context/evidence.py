"""What decided each transition: the values that its condition read, as JSON: one column for all playbooks."""

from collections.abc import Mapping

import polars as pl

from transforms.context.change import DEFINITION_CHANGED
from transforms.context.definitions import ContextPlan
from transforms.context.ticks import Ints

Transition = tuple[str, str, str | None]
"""Name, event and reason."""


def evidence(plan: ContextPlan, happened: pl.DataFrame, context: pl.DataFrame, at: Ints) -> pl.Series:
    """Return what decided each transition.

    Args:
        plan: The level's plan.
        happened: The transitions: name, event, reason.
        context: Contexts, a column a name.
        at: The row of `context` of each transition.

    Returns:
        JSON objects with the names in order: what `enter` read where a membership began or was refreshed, what `exit`
        read (or `enter`, if there is none) where it became false, the memberships before it in its set where it is
        superseded, what `when` read of a moment. NULL where time alone decided.
    """
    read = _read(plan)
    rows = happened.select("name", "event", "reason").with_row_index("row")
    parts = rows.partition_by("name", "event", "reason", as_dict=True, include_key=False)
    told = [_told(context, at, read[what], mine) for what, mine in parts.items() if what in read]
    found = pl.concat([pl.DataFrame(schema={"row": pl.UInt32, "evidence": pl.String}), *told])
    return rows.join(found, "row", "left", maintain_order="left")["evidence"]


def _told(context: pl.DataFrame, at: Ints, names: frozenset[str], mine: pl.DataFrame) -> pl.DataFrame:
    values = context.select(sorted(names))[at[mine["row"].to_numpy()]]
    return mine.with_columns(evidence=values.to_struct().struct.json_encode() if names else pl.lit("{}"))


def _read(plan: ContextPlan) -> Mapping[Transition, frozenset[str]]:
    """Return the names that were read where each kind of transition was decided."""
    found: dict[Transition, frozenset[str]] = {
        (one.name, "fired", reason): one.when.columns for one in plan.moments for reason in (None, DEFINITION_CHANGED)
    }
    for segment in plan.segments:
        found |= {(segment.name, event, None): segment.enter.columns for event in ("entered", "refreshed")}
        found[segment.name, "entered", DEFINITION_CHANGED] = segment.enter.columns
        for reason in ("condition_false", DEFINITION_CHANGED):
            found[segment.name, "exited", reason] = (segment.exit or segment.enter).columns
        found[segment.name, "exited", "superseded"] = frozenset(segment.above)
    return found
