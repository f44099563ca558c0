"""Contact roots, subjects and recipients as numbers, for limits that count by them."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import GROUPS, LEVELS
from transforms.arrays.arrow_columns import Bools, Ints, numbered
from transforms.compiler.features import SUBSCRIBER
from transforms.compiler.offer_definitions import COUNTED, SUBJECT, Contact

_WHO = ("root_kind", "root", "subject_kind", "subject", "recipient")


def number_roots(triggers: pa.Table, reservations: pl.DataFrame, alone: Bools) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Number the contact roots of triggers and all that limits count within them, and find their reservations.

    Args:
        triggers: Columns root_kind, root, subject_kind, subject, recipient, tick, own_tick, decision_id.
        reservations: As `ledger.counted_at`; those of other roots are left out.
        alone: Whether each trigger stands alone.

    Returns:
        Of the triggers: root, `COUNTED`, tick, own_tick, decision_id, alone. Of reservations: `COUNTED`, the columns of
        `Contact`, tick, counts, rejected, reached, goal, by, since. Equal numbers in a column mean the same root,
        subject or recipient; no number reaches the count of rows of both; -1: there is none.
    """
    asked, known_ones = len(triggers), reservations.to_arrow(compat_level=pl.CompatLevel.oldest())
    both = pa.concat_tables([triggers.select(_WHO), known_ones.select(_WHO)], promote_options="permissive")
    roots = numbered(both["root_kind"], both["root"])
    theirs = np.flatnonzero(np.isin(roots[asked:], roots[:asked]))
    whole = len(theirs) == len(known_ones)
    numbers = _numbers(both if whole else both.take(np.append(np.arange(asked), asked + theirs)))
    mine = {name: column[:asked] for name, column in numbers.items()}
    known = {name: numbers[name][asked:] for name in COUNTED}
    kept = known_ones.select([*Contact._fields, "tick", "counts", "rejected", "reached", "goal", "by", "since"]).take(
        theirs
    )
    asks = {name: triggers[name] for name in ("tick", "own_tick", "decision_id")}
    return (
        pl.DataFrame({**mine, **asks, "alone": alone}),
        pl.DataFrame({**known, **dict(zip(kept.column_names, kept.columns, strict=True))}),
    )


def own_roots(triggers: pa.Table, alone: Bools) -> pa.Table:
    """Return triggers, their recipient the contact root of those that stand alone."""
    if not alone.any():
        return triggers
    for name, own in (("root_kind", LEVELS[0]), ("root", triggers["recipient"])):
        roots = pc.if_else(pa.array(alone), own, triggers[name])
        triggers = triggers.set_column(triggers.column_names.index(name), name, roots)
    return triggers


def _numbers(who: pa.Table) -> dict[str, Ints]:
    """Return root and `COUNTED` of each row."""
    root = numbered(who["root_kind"], who["root"])
    recipients = numbered(pa.array(root), who["recipient"])
    return {
        "root": root,
        SUBJECT: numbered(pa.array(root), who["subject_kind"], who["subject"]),
        SUBSCRIBER: np.where(pc.is_valid(who["recipient"]).to_numpy(), recipients, -1),
        **{kind: np.where(pc.equal(who["root_kind"], kind).to_numpy(), root, -1) for kind in GROUPS},
    }
