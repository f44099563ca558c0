"""What stands behind a decision as a whole: where its chance comes from, and whose reason it tells."""

from collections.abc import Iterator

from pipelines.explain_story.values import Row
from schemas.playbook import Playbook


def odds(row: Row, book: Playbook | None) -> Iterator[str]:
    """Yield where the `propensity` of a decision comes from; nothing where its family does not explore."""
    propensity = row.get("propensity")
    offer = book.offers.get(row["offer"]) if book else None
    if book is None or offer is None or propensity in (None, 1):
        return
    passed = [one for one in row["candidates"] if all(gate["result"] == "passed" for gate in one["gates"])]
    arms = [
        f"{one['offer']} by {one['channel']}"
        for one in passed
        if one["offer"] in book.offers
        and book.offers[one["offer"]].family == offer.family
        and one["priority"] == passed[0]["priority"]
    ]
    share, each = _percent(book.policy.explore[offer.family]), _percent(book.policy.explore[offer.family] / len(arms))
    yield (
        f"`policy.explore` gives {share} of the decisions of the family {offer.family} to one of {', '.join(arms)} "
        f"by lot: {share} / {len(arms)} = {each} to each, the rest to {arms[0]}"
    )


def whose_reason(row: Row) -> Iterator[str]:
    """Yield whose reason a decision that sends nothing tells, where its candidates have several."""
    if row["action"] not in ("no_offer", "deferred", "outranked"):
        return
    reasons = [_reason(one) for one in row["candidates"]]
    if len({*reasons}) > 1 and row["reason"] in reasons:
        first = row["candidates"][reasons.index(row["reason"])]
        yield f"told is what shuts out {first['offer']} by {first['channel']} first; others may have other reasons"


def _reason(candidate: Row) -> str | None:
    shut = {
        result: [gate["reason"] for gate in candidate["gates"] if gate["result"] == result]
        for result in ("blocked", "deferred")
    }
    return next(iter([*shut["blocked"], *shut["deferred"]]), None)


def _percent(part: float) -> str:
    return f"{100 * part:.4g} %"
