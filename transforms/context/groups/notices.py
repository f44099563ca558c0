"""What contact roots are told of signals that the policy reads: each at its tick, and again who is new to a root."""

from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_levels import GROUPS
from schemas.records import AGAIN, NOTICE
from transforms.arrays.plain_arrow import plain
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.notices import GOAL, OUTCOME, first_fulfilments
from transforms.context.grid import Span
from transforms.context.groups.membership import Identity
from transforms.context.groups.people import present_at
from transforms.context.groups.roots import groups_at, root_of
from transforms.context.ingest.ingest import Ingested
from transforms.context.state.shard_state import ShardState

TURNED = "turned"
"""The name under which a memory keeps who moved lately: the tick from which on it has another contact root."""

_TURNED = {"code": pl.Int64, "time": pl.Int64}
_HOUSEHOLD = pl.lit(GROUPS[0])


def of_own_roots(plan: ContextPlan, memory: ShardState, ingested: Ingested, span: Span) -> list[pa.RecordBatch]:
    """Tell households, and subscribers where a playbook knows no groups, of their own signals.

    Args:
        plan: The level's plan; `notices` says of which.
        memory: Has the ids.
        ingested: What became of the signals.
        span: The ticks of the call.
    """
    told = []
    for name in (name for name in plan.notices if name in ingested.noticed):
        rows, ids = _news(plan, name, ingested, span), memory.subjects["subject"]
        own = rows.with_columns(ids.gather(rows["code"]).alias("root"), root_kind=pl.lit(plan.level))
        told += _batches(plan, name, ids, own)
    return told


def of_subscribers(
    plan: ContextPlan,
    memory: ShardState,
    identity: Identity,
    moved: pl.DataFrame,
    ingested: Ingested,
    span: Span,
) -> list[pa.RecordBatch]:
    """Tell the contact root of a subscriber of its signals; a new root of all that is kept of earlier ones, too.

    An outcome that comes soon after a move may be of a decision of the root before: it is told as what is told again.

    Args:
        plan: The subscribers' plan; `notices` says of which.
        memory: Has the ids; what is kept is changed in place.
        identity: Who is in which group.
        moved: As `roots.root_changes`.
        ingested: What became of the signals.
        span: The ticks of the call.
    """
    told, ids = [], memory.subjects["subject"]
    if not plan.notices:
        return []
    moves = _moves(plan, memory, identity, moved)
    turned = _turned(plan, memory, moves)
    for name, notice in plan.notices.items():
        news = _news(plan, name, ingested, span)
        if news.is_empty() and moves.is_empty():
            continue
        every = _once(plan, name, pl.concat([_kept(plan, name, memory), news]))
        codes, ticks = news["code"].to_numpy(), news["tick"].to_numpy()
        own = news.hstack(root_of(groups_at(identity.stays, codes, ticks - 1), ids[codes]))
        is_known = _moved_lately(plan, name, own, turned)
        again = pl.concat([_again(plan, name, every, moves).select(own.columns), own.filter(is_known)])
        told += _batches(plan, name, ids, own.filter(~is_known)) + _batches(plan, name, ids, again, again=True)
        memory.notices[name] = notice.latest(every, "code").drop("tick").sort(_order(name))
    return told


def of_companies(
    plan: ContextPlan, memory: ShardState, people: pl.DataFrame, ingested: Ingested, span: Span
) -> list[pa.RecordBatch]:
    """Tell SMEs, and the households of their members, of the SMEs' signals: either may answer a trigger of theirs.

    A household that somebody of the SME comes to, or that comes to the SME, is told of all that is kept.

    Args:
        plan: The level's plan; `notices` says of which.
        memory: Has the ids; what is kept is changed in place.
        people: As `people.PEOPLE`.
        ingested: What became of the signals.
        span: The ticks of the call.
    """
    told, ids = [], memory.subjects["subject"]
    homes = people.drop_nulls("household").select("code", "tick", "joined", root="household", root_kind=_HOUSEHOLD)
    new = homes.filter(pl.col("joined") & pl.col("tick").is_between(span.first, span.upto)).drop("joined").unique()
    for name, notice in plan.notices.items():
        news = _news(plan, name, ingested, span)
        if news.is_empty() and new.is_empty():
            continue
        every = _once(plan, name, pl.concat([_kept(plan, name, memory), news]))
        own = news.with_columns(ids.gather(news["code"]).alias("root"), root_kind=pl.lit(plan.level))
        own = own.with_row_index("row")
        there = present_at(people, news.select("code", "tick").with_row_index("row")).drop_nulls("household")
        at = there.select("row", root="household", root_kind=_HOUSEHOLD).unique(maintain_order=True)
        at_home = news[at["row"]].hstack(at.drop("row"))
        again = _again(plan, name, every, new.sort(pl.all()))
        alone = ~pl.col("row").is_in(at["row"].implode())
        several = (each.select(own.columns[1:]) for each in (own.filter(~alone), at_home, again))
        told += _batches(plan, name, ids, own.filter(alone))
        told += _batches(plan, name, ids, pl.concat(several), again=True)
        memory.notices[name] = notice.latest(every, "code").drop("tick").sort(_order(name))
    return told


def every_row(plan: ContextPlan, name: str, memory: ShardState, ingested: Ingested, span: Span) -> pl.DataFrame:
    """Return the rows of a signal that are kept and those of a call, with the tick from which each acts; -1: before it.

    Args:
        plan: The level's plan; `notices` has the signal.
        name: The signal type.
        memory: Has not been told the rows of the call.
        ingested: What became of the signals.
        span: The ticks of the call.
    """
    return pl.concat([_kept(plan, name, memory), _news(plan, name, ingested, span)])


def _news(plan: ContextPlan, name: str, ingested: Ingested, span: Span) -> pl.DataFrame:
    """Return the rows of a call, with the tick from which each acts."""
    rows = _shaped(plan, name, ingested.noticed.get(name))
    ticks = np.maximum(plan.grid.after(rows["time"].to_numpy()), span.first)
    news = rows.with_columns(tick=pl.Series(ticks, dtype=pl.Int64))
    return _once(plan, name, news, "tick")


def _once(plan: ContextPlan, name: str, rows: pl.DataFrame, *of: str) -> pl.DataFrame:
    """Return of fulfilments one of each subject, offer and own tick; all of what else there is."""
    return first_fulfilments(rows, plan.grid.tick, "code", *of) if name == GOAL else rows


def _kept(plan: ContextPlan, name: str, memory: ShardState) -> pl.DataFrame:
    """Return what acted before the call."""
    return _shaped(plan, name, memory.notices.get(name)).with_columns(tick=pl.lit(-1, pl.Int64))


def _shaped(plan: ContextPlan, name: str, rows: pl.DataFrame | None) -> pl.DataFrame:
    """Return rows with code, time, source, id and the payload of a notice, NULL where they have no such column."""
    none = cast(pl.DataFrame, pl.from_arrow(plan.notice_schemas[name].empty_table()))
    payload = none.columns[len(NOTICE) :]
    shape = none.select("time", "source", "id", *payload).insert_column(0, pl.Series("code", [], pl.Int64))
    return shape if rows is None else pl.concat([shape, rows], how="diagonal").select(shape.columns)


def _moves(plan: ContextPlan, memory: ShardState, identity: Identity, moved: pl.DataFrame) -> pl.DataFrame:
    """Return at which ticks subscribers have another contact root than at the tick before: code, tick and the root."""
    ids, stays, tick = memory.subjects["subject"], identity.stays, plan.grid.tick
    turns = moved.select("code", tick=pl.Series(plan.grid.after(moved["time"].to_numpy()), dtype=pl.Int64))
    turns = turns.unique(maintain_order=True)
    codes, times = turns["code"].to_numpy(), turns["tick"].to_numpy() - 1
    now, before = (root_of(groups_at(stays, codes, at), ids[codes]) for at in (times, times - tick))
    return turns.hstack(now).filter((now != before).select(pl.any_horizontal(pl.all())).to_series())


def _turned(plan: ContextPlan, memory: ShardState, moves: pl.DataFrame) -> pl.DataFrame:
    """Return who had another contact root before which tick, while that bars contacts; keep what later calls need."""
    none = pl.DataFrame(schema=_TURNED)
    if OUTCOME not in plan.notices:
        return none
    turned = pl.concat([memory.groups.get(TURNED, none), moves.select("code", time="tick")])
    if turned.height:
        memory.groups[TURNED] = turned.unique().sort("code", "time")
    return turned


def _moved_lately(plan: ContextPlan, name: str, news: pl.DataFrame, turned: pl.DataFrame) -> pl.Series:
    """Tell of which outcomes the subject has moved shortly before."""
    lately = np.zeros(news.height, np.bool_)
    if name != OUTCOME or news.is_empty() or turned.is_empty():
        return pl.Series(lately)
    pairs = news.select("code", "tick").with_row_index("row").join(turned, "code")
    since = pl.col("tick") - pl.col("time")
    lately[pairs.filter(since.is_between(0, plan.move_bars, "left"))["row"].to_numpy()] = True
    return pl.Series(lately)


def _again(plan: ContextPlan, name: str, every: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """Return what a new contact root is told of what acted before: the latest by key, or what may still matter."""
    acts = every.select("code", "time", acts="tick").with_row_index("row")
    pairs = moves.join(acts, "code", maintain_order="left").filter(pl.col("acts") < pl.col("tick"))
    notice = plan.notices[name]
    if notice.key is None:
        pairs = pairs.filter(pl.col("time") >= pl.col("tick") - plan.kept_for(name))
    rows = every[pairs["row"]].with_columns(pairs.select("tick", "root_kind", "root"))
    return notice.latest(rows, "code", "tick")


def _order(name: str) -> list[str]:
    """Return what orders the rows of notices: one signal may reach the goals of several offers."""
    return ["code", "time", "source", "id", *(["offer"] if name == GOAL else [])]


def _batches(
    plan: ContextPlan, name: str, ids: pl.Series, rows: pl.DataFrame, *, again: bool = False
) -> list[pa.RecordBatch]:
    """Return rows as a batch, if there are any: by tick, root and subject, then as the signals are.

    What others may know more of is told `again`: so its metadata say.
    """
    if rows.is_empty():
        return []
    schema = plan.notice_schemas[name]
    schema = schema.with_metadata({**schema.metadata, AGAIN: b""}) if again else schema
    whole = rows.with_columns(ids.gather(rows["code"]).alias("subject"), subject_kind=pl.lit(plan.level))
    by = ["tick", "root_kind", "root", "subject", *_order(name)[1:]]
    table = whole.select(schema.names).sort(by)
    return plain(table).cast(schema).combine_chunks().to_batches()
