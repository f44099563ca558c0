"""Two runs over the same history in numbers: members, triggers, decisions, offers, gates, deferrals, holdouts."""

from collections.abc import Iterable, Mapping

import polars as pl

from pipelines.summary import again, lapsed, worth
from transforms.compiler.offer_definitions import CAPS, GATES, SEGMENT_EXITED
from transforms.compiler.offer_definitions import REASONS as WHY
from transforms.decision.answers import ACTIONS

TRIGGER = ("subject_kind", "subject", "trigger", "trigger_tick")
"""What names a trigger in both runs; with `n` it names a decision."""

FATES = ("offer", "holdout", "outranked", "no_offer", "segment_exited", "deferred")
"""What may have become of a trigger that was deferred; at the end of the run it may still be."""


def both(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of two runs with their `side`, `a` or `b`."""
    return pl.concat([a.with_columns(side=pl.lit("a")), b.with_columns(side=pl.lit("b"))])


def counted(rows: pl.DataFrame, by: list[str], order: Mapping[str, Iterable[str]], **of: pl.Expr) -> pl.DataFrame:
    """Aggregate the rows of each side by a key.

    Args:
        rows: Rows with their `side`.
        by: The columns of the key, which may be null.
        order: Columns of the key that are sorted as listed, not by name.
        **of: Aggregations to whole numbers.

    Returns:
        The key, then NAME_a and NAME_b of each aggregation: 0 where the side has no such rows. Sorted by the key.
    """
    grouped = rows.group_by("side", *by).agg(**of)
    a, b = (grouped.filter(pl.col("side") == side).drop("side") for side in "ab")
    a, b = (frame.rename({name: f"{name}_{side}" for name in of}) for side, frame in (("a", a), ("b", b)))
    found = a.join(b, on=by, how="full", coalesce=True, nulls_equal=True)
    numbers = [f"{name}_{side}" for name in of for side in "ab"]
    ranks = [
        pl.col(name).replace_strict({each: rank for rank, each in enumerate(order[name])}, default=len(name))
        if name in order
        else pl.col(name)
        for name in by
    ]
    return found.sort(ranks).select(*by, pl.col(numbers).fill_null(0).cast(pl.Int64))


def memberships(transitions: pl.DataFrame) -> pl.DataFrame:
    """Return who is a member at the end of which run: segment (LEVEL.NAME), subject, `a`, `b`; sorted.

    Args:
        transitions: side, subject_kind, subject, kind, name, event.
    """
    segments = transitions.filter(pl.col("kind") == "segment")
    steps = segments.with_columns(segment=pl.format("{}.{}", "subject_kind", "name"), step=_step())
    keys = ["segment", "subject"]
    held = steps.group_by(*keys, "side").agg(pl.col("step").sum() > 0)
    mine = [(pl.col("step") & (pl.col("side") == side)).any().alias(side) for side in "ab"]
    return held.group_by(keys).agg(mine).sort(keys)


def _step() -> pl.Expr:
    return pl.col("event").replace_strict({"entered": 1, "exited": -1}, default=0, return_dtype=pl.Int64)


def members(held: pl.DataFrame) -> pl.DataFrame:
    """Return for each segment how many are members at the end of each run, gained and lost by the second.

    Args:
        held: As `memberships` gives.
    """
    a, b = pl.col("a"), pl.col("b")
    counts = {"members_a": a, "members_b": b, "gained": b & ~a, "lost": a & ~b}
    sums = {name: each.sum().cast(pl.Int64) for name, each in counts.items()}
    return held.group_by("segment").agg(**sums).sort("segment")


def triggers(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return how many triggers of each name there were."""
    first = decisions.filter((pl.col("n") == 0) & (pl.col("action") != "withdrawn"))
    return counted(first, ["trigger"], {}, triggers=pl.len())


def actions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return how many decisions had which action; what was deferred counts each time."""
    return counted(decisions, ["action"], {"action": ACTIONS}, decisions=pl.len())


def offers(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return what was sent by which channel, and its expected value; what was withdrawn later counts, too.

    What lapsed on own channels earns nothing: the offer that was pushed after it does.
    """
    gone = lapsed(decisions, "side")
    sent = decisions.filter(pl.col("action") == "offer").join(gone, ["side", "decision_id"], "left")
    return counted(sent, ["offer", "channel"], {}, sent=pl.len(), value_micros=worth())


def holdouts(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return which holdout kept back how many offers, of how many contact roots, and what each trigger was worth."""
    keys = ["side", *TRIGGER]
    held = decisions.filter(pl.col("action") == "holdout").join(again(decisions, *keys), [*keys, "n"], "left")
    return counted(held, ["holdout"], {}, decisions=pl.len(), roots=_roots(), value_micros=worth())


def deferrals(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return what became of the triggers that were deferred, once or more often: one of `FATES`."""
    answers = decisions.filter(pl.col("action") != "withdrawn").sort("n")
    last = answers.group_by("side", *TRIGGER).agg(
        pl.col("action", "reason").last(), deferred=(pl.col("action") == "deferred").any()
    )
    exited = (pl.col("action") == "no_offer") & pl.col("reason").eq_missing(WHY[SEGMENT_EXITED])
    became = pl.when(exited).then(pl.lit(WHY[SEGMENT_EXITED])).otherwise("action")
    waited = last.filter("deferred").with_columns(became=became)
    return counted(waited, ["became"], {"became": FATES}, triggers=pl.len())


def gates(results: pl.DataFrame) -> pl.DataFrame:
    """Return how many candidates passed each gate, or why they did not, and of how many decisions they are.

    Args:
        results: As `gate_results` gives.
    """
    order = {"gate": GATES, "result": ("passed", "blocked", "deferred")}
    sums = {"candidates": pl.col("candidates").sum(), "decisions": pl.len()}
    return counted(results, ["gate", "result", "reason"], order, **sums)


def caps(results: pl.DataFrame) -> pl.DataFrame:
    """Return which cap shut out candidates of how many decisions, of how many contact roots.

    Args:
        results: As `gate_results` gives.
    """
    hit = results.filter((pl.col("gate") == GATES[CAPS]) & (pl.col("result") != "passed"))
    one = hit.unique(["side", "decision_id", "reason"])
    return counted(one, ["reason"], {}, decisions=pl.len(), roots=_roots())


def days(decisions: pl.DataFrame, results: pl.DataFrame) -> pl.DataFrame:
    """Return by day (UTC) what was sent, and how many candidates were blocked or deferred at some gate.

    Days on which nothing was decided are left out.
    """
    sent = decisions.select("side", _day(), what=pl.col("action").replace({"offer": "sent"}), size=pl.lit(1, pl.Int64))
    stopped = results.select("side", _day(), what="result", size=pl.col("candidates").cast(pl.Int64))
    kinds = ("sent", "blocked", "deferred")
    rows = pl.concat([sent.filter(pl.col("what") == "sent"), stopped])
    sums = {kind: pl.col("size").filter(pl.col("what") == kind).sum() for kind in kinds}
    return counted(rows, ["day"], {}, **sums)


def blocks_by_day(results: pl.DataFrame) -> pl.DataFrame:
    """Return by day (UTC), gate and reason how many candidates did not pass."""
    stopped = results.filter(pl.col("result") != "passed").with_columns(_day())
    by = ["day", "gate", "result", "reason"]
    return counted(stopped, by, {"gate": GATES}, candidates=pl.col("candidates").sum())


def gate_results(decisions: pl.LazyFrame) -> pl.DataFrame:
    """Return what the gates told of each decision's candidates: how many of them got the same result, for one reason.

    Args:
        decisions: side, decision_id, n, tick, root_kind, root, candidates; read only as far as needed.
    """
    keys = ["side", "decision_id", "tick", "root_kind", "root"]
    each = decisions.select(*keys, pl.col("candidates").list.eval(pl.element().struct.field("gates"))).explode(
        "candidates"
    )
    told = each.drop_nulls("candidates").explode("candidates").drop_nulls("candidates").unnest("candidates")
    by = [*keys, "gate", "result", "reason"]
    return told.group_by(by).agg(candidates=pl.len()).collect()


def _day() -> pl.Expr:
    return pl.col("tick").dt.date().alias("day")


def _roots() -> pl.Expr:
    return pl.struct("root_kind", "root").n_unique()
