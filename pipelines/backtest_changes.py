"""Decisions of two runs over the same history side by side: which changed, and for whom."""

import polars as pl

from pipelines.backtest_counts import TRIGGER
from transforms.decision.draws import hash_of

SHOWN = 20
"""How many customers are drawn of those for whom something changed."""

KEY = (*TRIGGER, "n")
_SAID = ("decision_id", "tick", "action", "offer", "channel", "reason", "holdout", "withdrawn")
_DONE = ("action", "offer", "channel", "holdout", "withdrawn")


def matched(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return the decisions of both runs, each with the one of the same trigger and number in the other.

    Args:
        decisions: side, the columns of `KEY`, decision_id, tick, action, offer, channel, reason, holdout.

    Returns:
        `KEY`, of each side what it said (NAME_a, NAME_b; null where it had no such decision) and `did_a`, `did_b` in
        words, and `change`: same, reason (nothing else), decision, only_a, only_b. In no order.
    """
    gone = decisions.filter(pl.col("action") == "withdrawn").select("side", *KEY).unique()
    answers = decisions.filter(pl.col("action") != "withdrawn")
    told = answers.join(gone.with_columns(withdrawn=True), on=["side", *KEY], how="left").with_columns(
        pl.col("withdrawn").fill_null(False)
    )
    sides = [told.filter(pl.col("side") == side).select(*KEY, *_SAID, did=_did()) for side in "ab"]
    a, b = (
        frame.rename({name: f"{name}_{side}" for name in (*_SAID, "did")})
        for side, frame in zip("ab", sides, strict=True)
    )
    return a.join(b, on=KEY, how="full", coalesce=True).with_columns(change=_change())


def _did() -> pl.Expr:
    """Return in words what a decision did, with the first reason why not."""
    what = pl.format("{} by {}", "offer", "channel")
    words = {
        "offer": pl.format(
            "offer {}{}", what, pl.when("withdrawn").then(pl.lit(", then withdrawn")).otherwise(pl.lit(""))
        ),
        "holdout": pl.format("held out by {}, else {}", "holdout", what),
        "deferred": pl.format("deferred: {}", pl.col("reason").fill_null("unknown")),
        "no_offer": pl.format("no offer: {}", pl.col("reason").fill_null("no candidate")),
    }
    return pl.coalesce(pl.when(pl.col("action") == action).then(told) for action, told in words.items()).fill_null(
        pl.col("action")
    )


def _change() -> pl.Expr:
    other = pl.any_horizontal(pl.col(f"{name}_a").ne_missing(pl.col(f"{name}_b")) for name in _DONE)
    return (
        pl.when(pl.col("action_b").is_null())
        .then(pl.lit("only_a"))
        .when(pl.col("action_a").is_null())
        .then(pl.lit("only_b"))
        .when(other)
        .then(pl.lit("decision"))
        .when(pl.col("reason_a").ne_missing(pl.col("reason_b")))
        .then(pl.lit("reason"))
        .otherwise(pl.lit("same"))
    )


CHANGES = ("same", "reason", "decision", "only_a", "only_b")


def changes(pairs: pl.DataFrame) -> dict[str, int]:
    """Return how many pairs changed in which way."""
    found = dict(pairs.group_by("change").len().iter_rows())
    return {name: found.get(name, 0) for name in CHANGES}


def moved(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return how many decisions went from which action to which, null for no such decision; the most first."""
    by = ["action_a", "action_b"]
    return (
        pairs.group_by(by)
        .agg(decisions=pl.len().cast(pl.Int64))
        .sort(["decisions", *by], descending=[True, False, False])
    )


def changed(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs in which something else is done, in the order of their ticks; where one is missing it says so.

    The other run may have no such trigger, or may not have looked at it again.
    """
    here = pairs.filter(pl.col("change").is_in(["decision", "only_a", "only_b"]))
    nothing = pl.when(pl.col("n") > 0).then(pl.lit("not looked at again")).otherwise(pl.lit("no such trigger"))
    told = here.with_columns(pl.col("did_a", "did_b").fill_null(nothing), tick=pl.min_horizontal("tick_a", "tick_b"))
    return told.sort("tick", *KEY)


def drawn(differing: pl.DataFrame, size: int = SHOWN) -> pl.DataFrame:
    """Draw customers by the hash of their ids, the same ones each time, and tell what changed first for each.

    Args:
        differing: As `changed` gives.
        size: How many at most.

    Returns:
        subject_kind, subject, changes (how many decisions of theirs), and the rest of the first of them; by tick.
    """
    who = ["subject_kind", "subject"]
    first = differing.group_by(who, maintain_order=True).agg(pl.all().first(), changes=pl.len().cast(pl.Int64))
    kinds, ids = (first[name].to_arrow().cast("string") for name in who)
    lots = pl.Series("lot", hash_of("backtest", kinds, ids))
    return first.with_columns(lots).sort("lot", *who).head(size).sort("tick", *who).drop("lot")


def explained(customers: pl.DataFrame, decisions: pl.LazyFrame) -> pl.DataFrame:
    """Add `why`: what became, on the side that sent nothing, of what the other one sent; null where that says nothing.

    The first reason of a decision is that of its best candidate; this is of the very offer and channel.

    Args:
        customers: As `drawn` gives.
        decisions: side, decision_id, candidates.
    """
    asked = pl.concat([_asked(customers, *sides) for sides in ("ab", "ba")])
    each = decisions.filter(pl.col("decision_id").is_in(asked["decision_id"].to_list())).explode("candidates")
    each = each.drop_nulls("candidates").select("side", "decision_id", pl.col("candidates").struct.unnest())
    stopped = pl.col("gates").list.filter(pl.element().struct.field("result") != "passed").list.first()
    found = asked.join(each.collect(), on=["side", "decision_id", "offer", "channel"], how="left")
    gate, result, reason = (stopped.struct.field(name) for name in ("gate", "result", "reason"))
    what = pl.format("{} by {} with {}", "offer", "channel", pl.col("side").str.to_uppercase())
    more = pl.when(reason == gate).then(pl.lit("")).otherwise(pl.format(", {}", reason))
    told = pl.format("{}: {} by {}{}", what, result, gate, more)
    none = pl.when(pl.col("gates").is_null()).then(pl.format("{}: not a candidate", what))
    why = found.select("row", why=pl.coalesce(none, told))
    rows = customers.with_row_index("row").join(why, on="row", how="left", maintain_order="left")
    return rows.drop("row")


def _asked(customers: pl.DataFrame, sent: str, other: str) -> pl.DataFrame:
    """Return what one side sent and the other, which had that trigger, did not: row, side (the other), and the rest.

    Where both sent something, what the first sent.
    """
    answers = ["no_offer", "deferred", "outranked", *(["offer"] if sent == "a" else [])]
    rows = customers.with_row_index("row").filter(
        (pl.col(f"action_{sent}") == "offer") & pl.col(f"action_{other}").is_in(answers)
    )
    names = {"decision_id": f"decision_id_{other}", "offer": f"offer_{sent}", "channel": f"channel_{sent}"}
    return rows.select("row", side=pl.lit(other), **{name: pl.col(column) for name, column in names.items()})
