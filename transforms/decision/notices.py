"""Notices: consents, profiles, tickets, pauses, contacts and outcomes, laid out in time for every contact root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.durations import DAY
from schemas.playbook_levels import LEVELS
from schemas.records import AGAIN, EVERYBODY, NOTICE
from transforms.arrays.arrow_columns import Ints
from transforms.arrays.fitted import fitted
from transforms.arrays.in_time import FOREVER, as_of, first_after
from transforms.arrays.plain_arrow import as_written, framed, tabled
from transforms.compiler.notices import CONSENT, GOAL, KEYS, OUTCOME, first_fulfilments, order_of
from transforms.compiler.offer_definitions import OfferPlan

WHO = ("root_kind", "root", "subject_kind", "subject")
_TICKETS_KEPT = 30 * DAY
"""How long a ticket is remembered that stops no sales: what comes late about it is older than that."""
_ROOT = ("root_kind", "root")
_AGAIN = "again"
_LEAST = ("since", *WHO, "time", "source", "id")


@dataclass(frozen=True)
class Notices:
    """What contact roots were told, by signal type.

    Attributes:
        tables: `WHO`, time, source, id and the payload, the columns of its key without NULL (empty text: all);
            since and until: the ticks between which a row of its key holds; place: in the order of all rows. A consent
            holds again once later ones have lapsed: it is there each time, and acts is the tick of the first. Of
            signals without a key since is the tick from which on a row acts. Of outcomes there is `again`, too: others
            were told, or may know more; of goals reached `own`, the first tick after their time, and one row of each.
            Sorted by `WHO`, key and since.
        arrived: root_kind, root and since of what came with this call.
    """

    tables: Mapping[str, pl.DataFrame]
    arrived: pl.DataFrame

    def latest(self, signal: str, asked: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        """Return the row that holds at a tick, for each of those asked.

        Args:
            signal: The type.
            asked: `WHO`, the columns of the key and tick.
            names: What is asked for: columns of the payload, place.

        Returns:
            These columns of the row, NULL where there is none; in the order of `asked`.
        """
        return as_of(asked, self.tables[signal], [*WHO, *(KEYS[signal] or ())], names)

    def after(self, asked: pl.DataFrame) -> Ints:
        """Return the first tick after the one asked at which the root, or everybody, is told anything; else FOREVER.

        Args:
            asked: Columns root_kind, root, tick.
        """
        mine = first_after(asked, self.arrived, _ROOT)
        everybody = asked.with_columns(root_kind=pl.lit(EVERYBODY), root=pl.lit(EVERYBODY))
        return np.minimum(mine, first_after(everybody, self.arrived, _ROOT))


def recipients_of(triggers: pa.Table) -> pl.DataFrame:
    """Return `WHO` and tick of triggers, about their recipients.

    Args:
        triggers: Columns root_kind, root, recipient, tick.
    """
    kinds = pa.repeat(LEVELS[0], len(triggers))
    named = [triggers["root_kind"], triggers["root"], kinds, triggers["recipient"], triggers["tick"]]
    return framed(pa.table(named, [*WHO, "tick"]))


def is_notice(batch: pa.RecordBatch) -> bool:
    """Tell notices from triggers, facts and erasures."""
    notice: bool = batch.schema.metadata[b"signal"] == NOTICE.metadata[b"signal"]
    return notice


def take_notices(plan: OfferPlan, kept: Mapping[str, pa.Table], batches: Sequence[pa.RecordBatch] = ()) -> Notices:
    """Lay out what is known and what arrived; what comes too late acts from the first open tick on.

    Args:
        plan: The policy; other signals than it reads are left out.
        kept: What `to_keep` gave, by signal type.
        batches: Notices, with `since`.
    """
    tables, arrived = {}, [pl.LazyFrame(schema={"root_kind": pl.String, "root": pl.String, "since": pl.Int64})]
    for signal in plan.notices:
        schema = _kept_schema(plan, signal)
        acting = schema.append(pa.field("since", pa.int64()))
        new = [_told(batch).select(acting.names) for batch in batches if _about(batch, signal)]
        fresh = framed(pa.concat_tables([acting.empty_table(), *(one.cast(acting) for one in new)])).lazy()
        known = framed(fitted(kept.get(signal, schema.empty_table()), schema)).lazy().with_columns(since="tick")
        arrived.append(fresh.select("root_kind", "root", "since"))
        tables[signal] = _laid_out(plan, signal, pl.concat([known.select(*schema.names, "since"), fresh]))
    return Notices(tables, as_written(pl.concat(arrived).unique()))


def to_keep(plan: OfferPlan, notices: Notices, closed: int) -> dict[str, pa.Table]:
    """Return what later ticks may ask for: the last of each key, what came of contacts while they matter."""
    kept = {}
    for signal in plan.notices:
        table, schema = notices.tables[signal].lazy(), _kept_schema(plan, signal)
        if KEYS[signal] is None:
            table = table.filter(pl.col("since") > closed - plan.memory)
        else:
            table = table.filter(pl.col("until") > closed)
        if signal == CONSENT:
            table = table.unique("place").with_columns(since="acts")
        if signal == "ticket" and plan.ticket is not None:
            old = pl.col("since") <= closed - _TICKETS_KEPT
            stops = (ticket.fill_null(False) for ticket in (plan.ticket, *plan.tickets))
            table = table.filter(pl.any_horizontal(~old, *stops))
        order = (*WHO, "tick", "source", "id", *(["offer"] if signal == GOAL else []))
        rows = table.with_columns(tick="since").select(schema.names).sort(order)
        kept[signal] = tabled(as_written(rows), schema)
    return kept


def _kept_schema(plan: OfferPlan, signal: str) -> pa.Schema:
    """Return the columns of what is kept of a signal: of outcomes `again`, too."""
    schema = plan.notices[signal]
    return schema.append(pa.field(_AGAIN, pa.bool_())) if signal == OUTCOME else schema


def _told(batch: pa.RecordBatch) -> pa.Table:
    """Return a batch of notices with the column `again`: whether others may know more of it."""
    again = pa.repeat(AGAIN in batch.schema.metadata, batch.num_rows)
    return pa.table(batch).append_column(_AGAIN, again)


def _about(batch: pa.RecordBatch, signal: str) -> bool:
    about: bool = batch.schema.metadata[b"of"] == signal.encode()
    return about


def _laid_out(plan: OfferPlan, signal: str, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return rows as `Notices.tables`."""
    key = KEYS[signal]
    if signal == GOAL:
        own = pl.col("time") // plan.tick * plan.tick + plan.tick
        fulfilments = as_written(rows.with_columns(tick="since"))
        return first_fulfilments(fulfilments, plan.tick, *WHO).with_columns(own=own)
    if key is None:
        once = rows.sort(_LEAST).unique([*WHO, "source", "id"], keep="first", maintain_order=True)
        return as_written(once.with_columns(until=pl.lit(FOREVER), place=pl.lit(0, pl.Int64)))
    by = [*WHO, *key]
    rows = rows.with_columns(pl.col(name).fill_null("") for name in key)
    rows = rows.sort(order_of(signal)).with_row_index("place")
    rows = rows.with_columns(pl.col("place").cast(pl.Int64))
    rows = rows.sort(*by, "since", "place").with_columns(number=pl.struct(by).rle_id().cast(pl.Int64))
    holding = _consents(rows, plan.tick) if signal == CONSENT else _latest_first(rows)
    number, since = pl.col("number"), pl.col("since")
    until = pl.when(number == number.shift(-1)).then(since.shift(-1)).otherwise(FOREVER)
    return as_written(holding.with_columns(until=until).drop("number"))


def _latest_first(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the rows that hold from some tick on, by the `number` of their key and since: no earlier ones after."""
    number, since = pl.col("number"), pl.col("since")
    place = number * (pl.col("place").max() + 1) + pl.col("place")
    rows = rows.filter(place == place.cum_max())
    return rows.filter(number.ne_missing(number.shift(-1)) | (since != since.shift(-1)))  # the last of a tick


def _consents(rows: pl.LazyFrame, tick: int) -> pl.LazyFrame:
    """Return consents from each tick on at which they hold, or hold again because later ones have lapsed."""
    every = as_written(rows.with_columns(acts="since"))
    lapsing = every.select((pl.col("valid_until").is_not_null().any() & (pl.len() > 1)).over("number")).to_series()
    if not lapsing.any():
        return _latest_first(every.lazy())
    lapse = (-(-pl.col("valid_until") // tick) * tick).fill_null(FOREVER)
    some = every.filter(lapsing).with_columns(lapse=lapse)
    turns = pl.concat([some.select("number", turn="acts"), some.select("number", turn="lapse")]).unique()
    each = some.join(turns, "number").filter(pl.col("acts") <= pl.col("turn"), pl.col("turn") < FOREVER)
    best = each.sort("number", "turn", pl.col("turn") < pl.col("lapse"), "place")
    held = best.unique(["number", "turn"], keep="last", maintain_order=True)
    again = (pl.col("number") == pl.col("number").shift(1)) & (pl.col("place") == pl.col("place").shift(1))
    held = held.filter(~again.fill_null(False)).with_columns(since="turn").select(every.columns)
    plain = _latest_first(every.filter(~lapsing).lazy())
    return pl.concat([plain, held.lazy()]).sort("number", "since")
