"""Erasures: at their tick, before all else, what a ledger holds about a subject goes; what others did still counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import polars as pl
import pyarrow as pa

from schemas.playbook_levels import LEVELS
from schemas.playbook_offers import INBOUND
from schemas.records import ERASED, REMOVED
from transforms.arrays.plain_arrow import framed, tabled
from transforms.compiler.offer_definitions import IS_ERASED, OfferPlan
from transforms.decision.contacts import FAILED, Contacts, contacts_of
from transforms.decision.decide import Decided
from transforms.decision.deferral import entry_schema
from transforms.decision.ledger_state import MEMBERSHIP, RESERVATION, SEQUENCE, LedgerState, retained
from transforms.decision.ledgers import Ledgers
from transforms.decision.notices import take_notices
from transforms.decision.numbering import number_records
from transforms.decision.records import withdrawal_records

NOBODY = ""
"""Stands for names in a reservation of somebody who was erased."""

_WHO = ["subject_kind", "subject"]
_ROOT = ["root_kind", "root"]


def decide_and_erase(
    plan: OfferPlan, ledgers: Ledgers, batches: Sequence[pa.RecordBatch], upto: int
) -> Iterator[tuple[Decided, pa.Table]]:
    """Answer the triggers of every tick up to `upto`; see `Ledgers.decide`.

    Args:
        plan: The offers and limits.
        ledgers: What is known; it learns what is decided and erased.
        batches: Triggers and facts as for `decide`, and erasures as `schemas.records.ERASED`; these act at their tick,
            or at the first open one.
        upto: A tick.

    Yields:
        What was decided up to each erasure and at last, and what was then removed as `schemas.records.REMOVED`; the
        last has what waits.
    """
    requests, rest = _part(batches)
    if requests.is_empty():
        yield ledgers.decide(plan, rest, upto), REMOVED.empty_table()
        return
    closed = ledgers.closed
    first = pl.col("tick") if closed is None else pl.max_horizontal("tick", pl.lit(closed + plan.tick))
    requests = requests.with_columns(first).unique().sort("tick", *ERASED.names)
    for (tick, *_), mine in requests.filter(pl.col("tick") <= upto).group_by("tick", maintain_order=True):
        decided = ledgers.decide(plan, rest, cast(int, tick) - plan.tick)
        memory, removed, withdrawn = erase(plan, ledgers.memory(), mine)
        ledgers.hold(memory)
        rest = decided.waiting
        yield replace(decided, decisions=pa.concat_tables([decided.decisions, withdrawn])), removed
    decided = ledgers.decide(plan, rest, upto)
    later = requests.filter(pl.col("tick") > upto)
    waiting = [*decided.waiting, *tabled(later, ERASED).to_batches()]
    ticks = [tick for tick in (decided.wake, later["tick"].min()) if tick is not None]
    wake = min(cast(list[int], ticks), default=None)
    yield replace(decided, waiting=waiting, wake=wake), REMOVED.empty_table()


def erase(plan: OfferPlan, memory: LedgerState, requests: pl.DataFrame) -> tuple[LedgerState, pa.Table, pa.Table]:
    """Erase subjects from a memory, and return it, what was removed, and the withdrawals of what they were offered.

    Their own ledger and their memberships go. What was sent to them, or for them, under the ledger of another still
    counts there, without their names.

    Args:
        plan: The offers and limits.
        memory: As of the tick before.
        requests: Erasures of one tick as `ERASED`.
    """
    who = requests.select(*_WHO, "token").unique()
    waiting = entry_schema(plan).empty_table() if memory.deferred is None else memory.deferred
    contacts = contacts_of(plan, take_notices(plan, memory.notices), memory.reservations)
    said = contacts.said_until(memory.reservations, memory.closed or 0)
    tables = (memory.reservations, memory.memberships, waiting)
    ledger, members, deferred = (framed(table).with_row_index("row") for table in tables)
    own = _hits(ledger, who, pl.col("root_kind"), "root")
    others = ledger.filter(~_among(own))
    subjects = _hits(others, who, pl.col("subject_kind"), "subject")
    recipients = _hits(others, who, pl.lit(LEVELS[0]), "recipient")
    level = pl.col("segment").str.split(".").list.first()
    gone = pl.concat([_hits(members, who, pl.col("root_kind"), "root"), _hits(members, who, level, "subject")])
    named = {"subject": subjects, "recipient": recipients, "decision_id": pl.concat([subjects, recipients])}
    kept = others.with_columns(
        *(pl.when(_among(hits)).then(pl.lit(NOBODY)).otherwise(name).alias(name) for name, hits in named.items()),
        withdrawn=pl.col("withdrawn") | _among(named["decision_id"]),
        said=pl.when(_among(named["decision_id"])).then(said[others["row"]]).otherwise("said"),
    ).filter(pl.col("said").ne_missing(FAILED))
    whom = ((pl.col("root_kind"), "root"), (pl.col("subject_kind"), "subject"), (pl.lit(LEVELS[0]), "recipient"))
    no_more = pl.concat(_hits(deferred, who, kind, name) for kind, name in whom)
    nameless = others.filter(_among(named["decision_id"])).select(*_ROOT, "decision_id")
    notices, told = _without(memory.notices, who, nameless)
    hits = pl.concat([own, subjects, recipients])
    taken = _withdrawn(plan, _open(ledger.filter(_among(hits)), contacts), hits, requests)
    withdrawn, numbers = number_records(plan, taken, memory.sequences)
    numbered = framed(numbers).with_row_index("row")
    counters = _hits(numbered, who, pl.col("root_kind"), "root")
    after = replace(
        memory,
        reservations=tabled(kept, RESERVATION),
        memberships=tabled(members.filter(~_among(gone)), MEMBERSHIP),
        deferred=waiting.filter(pa.array(~deferred.select(_among(no_more)).to_series().to_numpy())),
        notices=notices,
        sequences=tabled(numbered.filter(~_among(counters)), SEQUENCE),
    )
    counted = {"reservations": own, "names": named["decision_id"], "memberships": gone}
    counted |= {"deferred": no_more, "notices": told, "numbers": counters}
    return retained(plan, after), _removed(requests, counted), withdrawn


def _open(ledger: pl.DataFrame, contacts: Contacts) -> pl.DataFrame:
    """Return the reservations of which nothing was reported that settles them."""
    settled = ledger.join(contacts.settled, [*_ROOT, "decision_id"]).filter(pl.col("settled") > pl.col("tick"))
    return ledger.filter(~_among(settled))


def _withdrawn(plan: OfferPlan, reservations: pl.DataFrame, hits: pl.DataFrame, requests: pl.DataFrame) -> pa.Table:
    """Return the withdrawals of what is out of some reservations, at the tick of the erasures, not numbered yet.

    Of several erasures that name an offer the first by source and id is its cause.
    """
    tick = pl.lit(requests["tick"][0], pl.Int64)
    named = hits.join(requests.select("token", "source", "id"), "token").sort("row", "source", "id")
    causes = named.unique("row", keep="first").select("row", by="id")
    lapsing = (pl.col("channel") == INBOUND) & (pl.col("valid_until") > tick - plan.tick)  # at this tick
    valid = (pl.col("valid_until") > tick) | lapsing
    out = reservations.filter(~pl.col("holdout") & ~pl.col("withdrawn") & valid)
    gone = out.join(causes, "row").sort("subject_kind", "subject", "decision_id", "n")
    gone = gone.with_columns(tick=tick, since=tick, reason=pl.lit(IS_ERASED), signal=pl.lit("erasure"))
    return withdrawal_records(plan, tabled(gone, RESERVATION), gone)


def _without(
    notices: Mapping[str, pa.Table], who: pl.DataFrame, nameless: pl.DataFrame
) -> tuple[dict[str, pa.Table], pl.DataFrame]:
    """Return notices without those to or about some, and which those were: signal, row, token.

    What is reported of decisions without names goes as well: their reservations say it.
    """
    kept, gone = {}, [pl.DataFrame(schema={"row": pl.String, "token": pl.String})]
    for signal, table in notices.items():
        rows = framed(table).with_row_index("row")
        whom = ((pl.col("root_kind"), "root"), (pl.col("subject_kind"), "subject"))
        hits = pl.concat(_hits(rows, who, kind, name) for kind, name in whom)
        gone_rows = rows.select(_among(hits)).to_series()
        if "decision_id" in rows.columns and len(nameless):
            orphans = rows.join(nameless, [*_ROOT, "decision_id"], "semi")["row"]
            gone_rows |= rows["row"].is_in(orphans.implode())
        kept[signal] = table.filter(pa.array(~gone_rows.to_numpy()))
        gone.append(hits.select(pl.format("{} {}", pl.lit(signal), "row").alias("row"), "token"))
    return kept, pl.concat(gone)


def _part(batches: Sequence[pa.RecordBatch]) -> tuple[pl.DataFrame, list[pa.RecordBatch]]:
    """Part erasures from triggers and facts."""
    signal = ERASED.metadata[b"signal"]
    found = [pa.table(batch) for batch in batches if batch.schema.metadata[b"signal"] == signal]
    rest = [batch for batch in batches if batch.schema.metadata[b"signal"] != signal]
    return framed(pa.concat_tables([ERASED.empty_table(), *found])), rest


def _hits(table: pl.DataFrame, who: pl.DataFrame, kind: pl.Expr, name: str) -> pl.DataFrame:
    """Return which rows of a table name somebody in a column: row, token."""
    return table.select("row", subject_kind=kind, subject=name).join(who, _WHO).select("row", "token")


def _among(hits: pl.DataFrame) -> pl.Expr:
    return pl.col("row").is_in(hits["row"].implode())


def _removed(requests: pl.DataFrame, hits: dict[str, pl.DataFrame]) -> pa.Table:
    """Return how many rows were found in which table, of each request one without a table first."""
    none = requests.with_columns(table=pl.lit(None, pl.String), rows=pl.lit(0, pl.Int64))
    counts = [
        requests.join(mine.unique().group_by("token").agg(rows=pl.len().cast(pl.Int64)), "token").with_columns(
            table=pl.lit(table)
        )
        for table, mine in hits.items()
    ]
    return tabled(
        pl.concat([none, *(each.select(none.columns) for each in counts)]).with_columns(subject="token"), REMOVED
    )
