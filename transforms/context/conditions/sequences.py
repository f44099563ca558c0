"""Sequences of signals, absence included: what each `after` row starts, and what ends it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.arrays.arrow_columns import numbered
from transforms.arrays.dtypes import Ints
from transforms.arrays.row_order import in_order
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.steps import AFTER, THEN, WITHOUT, Sequence
from transforms.context.features.timeline import EvaluationPoints
from transforms.context.grid import NEVER, Span
from transforms.context.ingest.ingest import Ingested
from transforms.context.ingest.source_liveness import NO_GAPS, Feeds, Gaps
from transforms.context.state.shard_state import ShardState, StepKey, Steps


@dataclass(frozen=True)
class SequenceMatches:
    """Where one sequence completed.

    Attributes:
        points: Subjects and ticks.
        rows: At each, code, tick and the columns of the signals that made it.
        wakes: Code and tick at which one completes if nothing else happens.
        tables: Its tables of `memory.steps`: `after` rows that have not ended, and those of the others that are as late
            as another `after` row may come.
    """

    points: EvaluationPoints
    rows: pl.DataFrame
    wakes: tuple[Ints, Ints]
    tables: Steps


def run_all(
    plan: ContextPlan, memory: ShardState, ingested: Ingested, span: Span, liveness: Feeds, leaves: pl.DataFrame
) -> dict[str, SequenceMatches]:
    """Run the sequences of all moments that have one."""
    done = {}
    for moment in plan.moments:
        if moment.sequence:
            gaps = liveness.gaps({step.signal for step in moment.sequence.steps if step.part == WITHOUT})
            before, new = memory.steps, ingested.steps
            done[moment.name] = run(moment.sequence, span, plan.allowed_lateness, before, new, gaps, leaves)
    return done


def run(
    sequence: Sequence,
    span: Span,
    lateness: int,
    before: Steps,
    new: Steps,
    gaps: Gaps = NO_GAPS,
    leaves: pl.DataFrame | None = None,
) -> SequenceMatches:
    """Advance one sequence over a span.

    Each `after` row starts one. It ends with what comes first: a `then` or `without` row that is later and has the
    same values, or `within` after its time; of a tie, `then` is first and the end of `within` is last. It completes if
    that is a `then` row or, where none is awaited, the end of `within`; at the first tick later than that, or at the
    span's first where late rows made it so. Where a feed is down that could end it, an absence waits for the first
    tick at which none is; it lapses `within` after its tick, if one still is. What has ended stays so. Of several
    that complete at one tick, the one whose `after` row is last by (time, source, id) is told. With a member that
    leaves a group, its rows go, and what they started and is still going at that tick.

    Args:
        sequence: The definition.
        span: The ticks of the call.
        lateness: How late a row may be, milliseconds.
        before: The tables of `memory.steps`.
        new: The rows that the call brought, likewise.
        gaps: When a feed of a `without` type is down.
        leaves: Which members leave a group in the span: code, member, tick.
    """
    late = _rows(sequence, AFTER, new).filter(pl.col("time") < (span.closed or 0)).select("code")
    old = {part: _rows(sequence, part, before) for part in (AFTER, THEN, WITHOUT)}
    fresh = _fresh(sequence, span, new, leaves)
    started = pl.concat([old[AFTER], fresh[AFTER]])
    followed = {part: pl.concat([old[part].join(late, "code", "semi"), fresh[part]]) for part in (THEN, WITHOUT)}
    ended = _ended(sequence, span, _with_next(sequence, started, followed), gaps)
    ended = _of_those_there(sequence, ended, leaves, pl.min_horizontal("tick", pl.lit(span.upto)))
    over, going = pl.col("tick") <= span.upto, ended.filter(pl.col("tick") > span.upto)
    wakes = (np.empty(0, np.int64),) * 2 if sequence.awaits else (going["code"].to_numpy(), going["tick"].to_numpy())
    kept = dict(_kept(sequence, span, lateness, old, fresh, leaves))
    tables = {StepKey(sequence.key, AFTER): going.select(started.columns), **kept}
    return SequenceMatches(*_completed(sequence, ended.filter(over, "completes")), wakes, tables)


def _fresh(sequence: Sequence, span: Span, new: Steps, leaves: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Return the rows that the call brought, those that end something without members who leave by their own tick."""
    own = pl.col("time") - pl.col("time") % span.grid.tick + span.grid.tick
    rows = {part: _rows(sequence, part, new) for part in (AFTER, THEN, WITHOUT)}
    return rows | {part: _of_those_there(sequence, rows[part], leaves, own) for part in (THEN, WITHOUT)}


def _kept(
    sequence: Sequence,
    span: Span,
    lateness: int,
    old: Mapping[str, pl.DataFrame],
    fresh: Mapping[str, pl.DataFrame],
    leaves: pl.DataFrame | None,
) -> Iterator[tuple[StepKey, pl.DataFrame]]:
    """Yield the `then` and `without` rows that a late `after` row may still meet."""
    for part in (THEN, WITHOUT):
        rows = pl.concat([old[part], fresh[part]])
        rows = rows.filter(pl.col("time") >= sequence.needed_from(part, span.upto, lateness))
        yield StepKey(sequence.key, part), _of_those_there(sequence, rows, leaves, pl.lit(span.upto))


def _of_those_there(
    sequence: Sequence, rows: pl.DataFrame, leaves: pl.DataFrame | None, until: pl.Expr
) -> pl.DataFrame:
    """Return the rows without those whose member left after their time and not after a tick."""
    if not sequence.by_member or leaves is None or leaves.is_empty():
        return rows
    whose = ["code", "member"]
    asked = rows.select(*whose, "time", until=until).with_row_index("row")
    left = asked.join(leaves.select(*whose, left="tick"), whose).filter(
        (pl.col("left") > pl.col("time")) & (pl.col("left") <= pl.col("until"))
    )
    return rows.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(left["row"].implode()))


def _rows(sequence: Sequence, part: str, tables: Steps) -> pl.DataFrame:
    """Return the rows of one part; a column that was not kept before is NULL."""
    same = {name: sequence.columns[name] for name in sequence.same}
    whole = {"source": pl.String(), "id": pl.String(), **sequence.columns}
    whose = {"member": pl.Int64()} if sequence.by_member else {}
    schema = {"code": pl.Int64(), **whose, "time": pl.Int64(), **(same if part == WITHOUT else whole)}
    rows = tables.get(StepKey(sequence.key, part))
    if rows is None:
        return pl.DataFrame(schema=schema)
    return rows.select(
        pl.col(name) if name in rows.columns else pl.lit(None, dtype).alias(name) for name, dtype in schema.items()
    )


def _with_next(sequence: Sequence, started: pl.DataFrame, followed: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Add to each start, under names that end with the part, the first later row of each part of its thread."""
    thread, *threads = _threads(sequence, [started, *followed.values()])
    found = started
    for mine, (part, rows) in zip(threads, followed.items(), strict=True):
        ordered = in_order(rows.select(pl.Series("thread", mine), pl.all()), "thread", "time")
        at = _later(thread, started["time"].to_numpy(), ordered)
        found = found.with_columns(ordered[name].gather(at).alias(f"{name} {part}") for name in rows.columns)
    return found


def _threads(sequence: Sequence, tables: list[pl.DataFrame]) -> list[Ints]:
    """Return numbers for the rows of tables that are equal where subject and `same` are."""
    rows = pl.concat([table.select("code", *sequence.same) for table in tables])
    thread = numbered(*(column.to_arrow(compat_level=pl.CompatLevel.oldest()) for column in rows.iter_columns()))
    return np.split(thread, np.cumsum([len(table) for table in tables])[:-1])


def _later(threads: Ints, times: Ints, rows: pl.DataFrame) -> pl.Series:
    """Return the number of the first row of each thread that is later than the time, NULL where there is none."""
    thread, time = rows["thread"].to_numpy(), rows["time"].to_numpy()
    zero = min(times.min(initial=NEVER), time.min(initial=NEVER))
    span = max(times.max(initial=zero), time.max(initial=zero)) - zero + 1
    at = np.searchsorted(thread * span + (time - zero), threads * span + (times - zero), "right")
    found = at < len(thread)
    found[found] = thread[at[found]] == threads[found]
    return pl.Series(pa.array(at, mask=~found))


def _ended(sequence: Sequence, span: Span, rows: pl.DataFrame, gaps: Gaps) -> pl.DataFrame:
    """Add when each start ends or will end at the latest, and whether it then completes: tick, completes."""
    then, gone = (pl.col(f"time {part}").fill_null(NEVER) for part in (THEN, WITHOUT))
    timeout = pl.col("time") + sequence.within
    end = pl.min_horizontal(then, gone, timeout)
    tick = end - end % span.grid.tick + span.grid.tick
    completes = then == end if sequence.awaits else gone > timeout
    ended = rows.with_columns(own=tick, tick=pl.max_horizontal(tick, span.first), completes=completes)
    return (ended if sequence.awaits else _waiting(sequence, span, ended, gaps)).drop("own")


def _waiting(sequence: Sequence, span: Span, ended: pl.DataFrame, gaps: Gaps) -> pl.DataFrame:
    """Let what completes while a feed is down wait for it, or lapse."""
    ticks = ended["tick"].to_numpy()
    lapse = np.maximum(ended["own"].to_numpy() + span.grid.at_least(sequence.within), ticks)
    known, absent = gaps.absent(ticks, lapse)
    return ended.with_columns(
        tick=pl.when("completes").then(pl.Series(known)).otherwise("tick"),
        completes=pl.col("completes") & pl.Series(absent),
    )


def _completed(sequence: Sequence, rows: pl.DataFrame) -> tuple[EvaluationPoints, pl.DataFrame]:
    """Return where sequences completed, and what is told of the last of each place."""
    place = ["code", "tick"]
    last = in_order(rows, *place, "time").unique(place, keep="last", maintain_order=True)
    points = EvaluationPoints(*(last[name].to_numpy() for name in place))
    later = {name: pl.coalesce(f"{name} {THEN}", name) for name in sequence.columns if name not in sequence.same}
    return points, last.with_columns(**later).select(*place, *sequence.columns)
