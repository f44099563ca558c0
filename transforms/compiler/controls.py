"""What a `control` may say: actions, scopes, and the names in each of them."""

from collections.abc import Iterable, Mapping

import polars as pl

from schemas.playbook import Playbook

ACTIONS = ("pause", "resume")
EVERYTHING = "everything"
_COLUMNS = {"action", "scope", "target"}


def names_in(playbooks: Iterable[Playbook]) -> dict[str, frozenset[str]]:
    """Return what controls may name by scope, under any version of a playbook."""
    books = tuple(playbooks)
    offers = [item for book in books for item in book.offers.items()]
    return {
        "offer": frozenset(name for name, _ in offers),
        "family": frozenset(offer.family for _, offer in offers),
        "channel": frozenset[str]().union(*(book.channels for book in books)),
    }


def of_unknown_names(rows: pl.DataFrame, names: Mapping[str, frozenset[str]]) -> int:
    """Return how many controls do nothing, for want of such an action, such a scope, or such a name in it.

    Args:
        rows: Columns action, scope, target; others are not looked at.
        names: As `names_in` gives them.
    """
    if not rows.columns or not {*rows.columns} >= _COLUMNS:
        return 0
    known = pl.col("scope") == EVERYTHING
    for scope, targets in names.items():
        known |= (pl.col("scope") == scope) & pl.col("target").is_in(sorted(targets))
    known &= pl.col("action").is_in(ACTIONS)
    return rows.height - int(rows.select(known.fill_null(False).sum()).item())


def that_act(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the controls whose action there is: no other replaces one; what is about everything names nothing.

    Args:
        rows: As for `of_unknown_names`.
    """
    if not {*rows.columns} >= _COLUMNS:
        return rows
    target = pl.when(pl.col("scope").ne_missing(EVERYTHING)).then("target")
    return rows.filter(pl.col("action").is_in(ACTIONS)).with_columns(target.alias("target"))
