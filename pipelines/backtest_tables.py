"""A backtest as tables, and these as text for the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.backtest import Backtest, Comparison, Side
from pipelines.summary import table
from transforms.decision.candidates import MICROS

Cell = str | int
Line = tuple[str, str]
"""A line of text and its style."""

FATES = {
    "offer": "sent later",
    "holdout": "held out later",
    "outranked": "outranked later",
    "no_offer": "blocked",
    "segment_exited": "segment no longer held",
    "deferred": "still waiting at the end",
}
_CHANGES = {
    "same": "the same",
    "reason": "the same, for another first reason",
    "decision": "another",
    "only_a": "only with A",
    "only_b": "only with B",
}


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        heads: Of its columns; the first is the title.
        rows: Its cells.
    """

    heads: Sequence[str]
    rows: Sequence[tuple[Cell, ...]]


def tables(found: Comparison) -> Iterator[Table]:
    """Yield the tables of a comparison that have rows."""
    shown = [
        Table(("segment", "A", "B", "gained", "lost"), found.members.rows()),
        _side_by_side("trigger", found.triggers, "triggers", ["trigger"]),
        _side_by_side("decisions", found.actions, "decisions", ["action"]),
        _side_by_side("offers sent", found.offers, "sent", ["offer", "channel"]),
        _side_by_side("expected value", found.offers, "value_micros", ["offer", "channel"], MICROS),
        _side_by_side("candidates stopped", _stopped(found.gates), "candidates", ["gate", "reason", "result"]),
        _side_by_side("cap hit, decisions", found.caps, "decisions", ["reason"]),
        _side_by_side("what became of deferrals", _fates(found.deferrals), "triggers", ["became"]),
        _side_by_side("holdout, decisions", found.holdouts, "decisions", ["holdout"]),
        Table(("decisions of A and B", "matched"), [(_CHANGES[name], size) for name, size in found.changes.items()]),
        _moved(found.moved),
    ]
    yield from (each for each in shown if each.rows)


def by_day(found: Comparison) -> Table:
    """Return what was sent and stopped by day (UTC)."""
    heads = ("day (UTC)", *(f"{kind} {side}" for kind in ("sent", "blocked", "deferred") for side in "AB"))
    return Table(heads, found.days.with_columns(pl.col("day").dt.to_string("%Y-%m-%d")).rows())


def customers(found: Comparison) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield of each customer that was drawn: who, when, the trigger, what A and B did, and why not the same."""
    columns = ("subject_kind", "subject", "tick", "trigger", "changes", "did_a", "did_b", "why")
    for kind, subject, tick, trigger, more, a, b, why in found.customers.select(columns).iter_rows():
        also = f" (and {more - 1:,} more)" if more > 1 else ""
        yield f"{kind}/{subject}", f"{tick:%Y-%m-%d %H:%M}", f"{trigger}{also}", a, b, why or ""


def title(backtest: Backtest) -> Iterator[str]:
    """Yield which playbooks were compared, over what, and how far they can be."""
    yield from (f"{name}  {_side(side)}" for name, side in (("A", backtest.a), ("B", backtest.b)))
    size = len(backtest.differences)
    yield f"{size:,} differences in what they say" if size else "both say the same"
    for name, side in (("A", backtest.a), ("B", backtest.b)):
        if side.unread:
            yield f"{name} does not read {', '.join(side.unread)}"
    a, b = backtest.a.report.end_tick, backtest.b.report.end_tick
    if a != b:
        yield f"A ends at {a}, B at {b}: give --until to compare them at one tick"


def text_of(backtest: Backtest) -> Iterator[Line]:
    """Yield a backtest as lines in styles."""
    yield from ((line, "bold" if number < 2 else "") for number, line in enumerate(title(backtest)))
    for one in (*tables(backtest.found), by_day(backtest.found)):
        if one.rows:
            head, *lines = table(one.heads, one.rows).split("\n")
            yield from (("", ""), (head, "bold"), *((line, "") for line in lines))
    yield from _customers_told(backtest.found)


def _customers_told(found: Comparison) -> Iterator[Line]:
    differing = found.changed.select("subject_kind", "subject").n_unique()
    yield from (
        ("", ""),
        (f"{len(found.customers):,} of {differing:,} customers with another decision, the first of each", "bold"),
    )
    for who, when, trigger, a, b, why in customers(found):
        yield f"  {when}  {who}  {trigger}", ""
        yield f"      A  {a}", ""
        yield f"      B  {b}", ""
        if why:
            yield f"      {why}", ""


def _side(side: Side) -> str:
    books = side.report.playbooks
    numbers = ", ".join(str(one["version"]) for one in books)
    return f"{side.book.file}: {side.book.playbook} version {numbers}, {side.report.signals_told()}"


def _side_by_side(head: str, frame: pl.DataFrame, measure: str, by: Sequence[str], unit: int = 1) -> Table:
    """Return a table of a measure on both sides, what changed, and the sums where there is more than one row."""
    numbers = frame.select(f"{measure}_a", f"{measure}_b")
    names = [" ".join(str(each) for each in row if each is not None) for row in frame.select(by).iter_rows()]
    rows = [*zip(names, numbers.iter_rows(), strict=True)]
    total = [("all", numbers.sum().row(0))] if len(rows) > 1 else []
    return Table(
        (head, "A", "B", "change"), [_row(name, *(round(n / unit) for n in both)) for name, both in rows + total]
    )


def _row(name: str, a: int, b: int) -> tuple[Cell, ...]:
    return name, a, b, f"{b - a:+,}" if a != b else "="


def _stopped(gates: pl.DataFrame) -> pl.DataFrame:
    rest = gates.filter(pl.col("result") != "passed")
    return rest.with_columns(
        pl.when(pl.col("reason") != pl.col("gate")).then("reason"),
        pl.when(pl.col("result") == "deferred").then(pl.lit("(deferred)")).alias("result"),
    )


def _fates(deferrals: pl.DataFrame) -> pl.DataFrame:
    return deferrals.with_columns(pl.col("became").replace(FATES))


def _moved(moved: pl.DataFrame) -> Table:
    other = moved.filter(pl.col("action_a").ne_missing(pl.col("action_b")))
    names = other.select(pl.col("action_a", "action_b").fill_null("none"))
    rows: Iterable[tuple[str, str, int]] = names.with_columns(other["decisions"]).iter_rows()
    return Table(("from A to B", "decisions"), [(f"{a} → {b}", size) for a, b, size in rows])
