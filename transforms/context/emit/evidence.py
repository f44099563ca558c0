"""What decided each transition: the values that its condition read, as JSON: one column for all playbooks."""

from collections.abc import Mapping

import polars as pl

from transforms.compiler.consents import PROFILING
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.steps import MADE
from transforms.context.conditions.segments import WITHDRAWN
from transforms.context.state.plan_migration import DEFINITION_CHANGED

Transition = tuple[str, str, str | None]
"""Name, event and reason."""


def evidence(plan: ContextPlan, happened: pl.DataFrame, seen: pl.DataFrame) -> pl.Series:
    """Return what decided each transition.

    Args:
        plan: The level's plan.
        happened: The transitions: name, event, reason.
        seen: The context of each, and the columns of the signals that made it, a column a name.

    Returns:
        JSON objects with the names in order: what `enter` read where a membership began or was refreshed, what `exit`
        read (or `enter`, if there is none) where it became false, the memberships before it in its set where it is
        superseded, the consent where that was withdrawn, what `when` read of a moment and the signals that made it.
        NULL where time alone decided.
    """
    read = _read(plan)
    rows = happened.select("name", "event", "reason").with_row_index("row")
    parts = rows.partition_by("name", "event", "reason", as_dict=True, include_key=False)
    encoded = [_encoded(seen, read.get(what), mine) for what, mine in parts.items()]
    return pl.concat([pl.DataFrame(schema={"row": pl.UInt32, "evidence": pl.String}), *encoded]).sort("row")["evidence"]


def _encoded(seen: pl.DataFrame, names: frozenset[str] | None, mine: pl.DataFrame) -> pl.DataFrame:
    if not names:
        return mine.with_columns(evidence=pl.lit(None if names is None else "{}", pl.String))
    values = seen.select(sorted(names))[mine["row"]]
    return mine.with_columns(evidence=values.to_struct().struct.json_encode())


def _read(plan: ContextPlan) -> Mapping[Transition, frozenset[str]]:
    """Return the names that were read where each kind of transition was decided."""
    found: dict[Transition, frozenset[str]] = {}
    for moment in plan.moments:
        made = moment.sequence.columns if moment.sequence else ()
        read = moment.when.columns.union(f"{MADE}{name}" for name in made)
        found |= {(moment.name, "fired", reason): read for reason in (None, DEFINITION_CHANGED)}
    for segment in plan.segments:
        found |= {(segment.name, event, None): segment.enter.columns for event in ("entered", "refreshed")}
        found[segment.name, "entered", DEFINITION_CHANGED] = segment.enter.columns
        for reason in ("condition_false", DEFINITION_CHANGED):
            found[segment.name, "exited", reason] = (segment.exit or segment.enter).columns
        found[segment.name, "exited", "superseded"] = frozenset(segment.above)
        found[segment.name, "exited", WITHDRAWN] = frozenset({PROFILING})
    return found
