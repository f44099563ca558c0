"""Decisions as stories: what came of each trigger, with its waits, wake-ups and withdrawals, in the order of time."""

from collections.abc import Iterator, Sequence
from operator import itemgetter

from pipelines.explain_story.values import Row, moment, money
from pipelines.explain_story.words import why
from schemas.playbook_offers import INBOUND

ERASURE = "erasure"
_SHORT = 8
"""So many characters of an id are shown; `--decision` takes as many."""


def tales(decisions: Sequence[Row]) -> list[list[Row]]:
    """Return decisions by the trigger that they answer, each in the order of time, by the first of each.

    What is withdrawn at a tick goes before the answer that follows it there.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in decisions:
        trigger = (row["subject_kind"], row["subject"], row["trigger"], row["trigger_tick"])
        found.setdefault(trigger, []).append(row)
    return [sorted(tale, key=itemgetter("tick", "n")) for tale in found.values()]


def tale_lines(tale: Sequence[Row]) -> Iterator[str]:
    """Yield the story of one trigger as text."""
    first, *rest = tale
    late = f", of {first['trigger_tick']}" if first["trigger_tick"] != first["tick"] else ""
    yield f"  {first['tick']}  {first['trigger']}{address(first)}{late}: {_event(first)}"
    shown = {row["n"] for row in tale if row["channel"] == INBOUND and row["action"] != "withdrawn"}
    for row in rest:
        again = f"{'after own channels' if row['n'] - 1 in shown else 'woken'} ({row['n']}): "
        yield f"    {row['tick']}  {'' if row['action'] == 'withdrawn' else again}{_event(row)}"


def _event(row: Row) -> str:
    return f"{answer(row)}  [{row['decision_id'][:_SHORT]}]"


def address(row: Row) -> str:
    """Return who is meant, to whom it would go and whose ledger answers, as far as that is not the same."""
    subject, recipient, root = (
        row[name] and f"{row[f'{name}_kind']}/{row[name]}" for name in ("subject", "recipient", "root")
    )
    parts = [
        *([f"of {subject}", f"to {recipient or 'nobody'}"] if recipient != subject else []),
        *([f"contact root {root}"] if root != subject else []),
    ]
    return f" ({', '.join(parts)})" if parts else ""


def by(row: Row) -> str:
    """Return by what an offer goes out."""
    return "on own channels" if row["channel"] == INBOUND else f"by {row['channel']}"


def answer(row: Row) -> str:
    """Return what was decided, in words."""
    if row["action"] == "offer":
        what = f"{row['offer']} {by(row)}, value {money(row['value_micros'])}, until {row['valid_until']}"
        return f"{what}{_chance(row)}"
    if row["action"] == "holdout":
        instead = f"{row['offer']} {by(row)}{_chance(row)}"
        return f"held out by {row['holdout']} (nothing is sent, to compare with), else {instead}"
    if row["action"] == "deferred":
        return f"deferred until {row['until'] or 'something opens it'}: {row['reason']} ({why(row['reason'])})"
    if row["action"] == "outranked":
        return f"outranked; at that tick went out {', '.join(row['went_out'])}"
    if row["action"] == "withdrawn":
        return f"withdrawn {row['offer']} {by(row)}: {row['reason']} ({why(row['reason'])}){_cause(row.get('cause'))}"
    words = f" ({why(row['reason'])})" if row["reason"] and not row["candidates"] else ""
    return f"no offer: {row['reason'] or 'there is none for this trigger'}{words}"


def _cause(cause: Row | None) -> str:
    """Return what overtook what is withdrawn; nothing where its record is of before there were causes."""
    if cause is None:
        return ""
    since = cause["since"] and moment(cause["since"])
    if cause["signal"] is None:
        return f"; its time was over at {since}"
    if since is None:
        return f"; no `{cause['signal']}` is known"
    acts = "acting from" if cause["signal"] == ERASURE else "of"
    return f"; by `{cause['signal']}` {cause['by']} {acts} {since}"


def is_best(row: Row, candidate: Row) -> bool:
    """Tell whether a candidate goes before all others of its decision that pass every gate, explored or not."""
    best = next((one for one in row["candidates"] if all(gate["result"] == "passed" for gate in one["gates"])), None)
    return best is not None and all(best[name] == candidate[name] for name in ("offer", "channel"))


def _chance(row: Row) -> str:
    """Return how likely it was that what is sent was chosen, where its family explores."""
    propensity = row.get("propensity")
    if propensity is None or propensity == 1:
        return ""
    how = f"chosen with probability {100 * propensity:.4g} %"
    best = next((f"{one['offer']} by {one['channel']}" for one in row["candidates"] if is_best(row, one)), None)
    if is_best(row, row):
        return f"; the best, {how}"
    return f"; explored: {how}{f', the best was {best}' if best else ''}"
