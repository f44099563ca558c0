"""Signals of one call: those that are due become rows; late ones, copies and hopeless ones are told apart."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import TRACE
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.plain_arrow import used
from transforms.arrays.row_order import merged
from transforms.compiler.context_plan import ContextPlan, SignalPlan
from transforms.compiler.definitions import Measure
from transforms.compiler.features import MEMBER, SUBSCRIBER
from transforms.compiler.notices import GOAL
from transforms.context.ingest import bad_input
from transforms.context.ingest.dedup import duplicates, signal_hash
from transforms.context.ingest.sequence_rows import rows_of
from transforms.context.ingest.traces import TRACED, traces_of
from transforms.context.state.shard_state import ShardState, StepKey

COUNTED = (
    *("applied", "late", "contradictory", "doubtful", "duplicates", "rejected", "pending"),
    *("groups_too_large", "sums_too_large"),
    *bad_input.COUNTED,
)
COMMON = ("id", "source", "time", "subject")


@dataclass
class Ingested:
    """What one call brought.

    Attributes:
        waiting: Rows of ticks after the call's last, as they came.
        too_late: Rows beyond the allowed lateness, per signal.
        late: Codes of the subjects of which a late row was applied.
        new: Code and first tick of each subject that was unknown.
        applied: Per signal that groups are told of: the rows applied, with code, time, late and the columns passed.
        noticed: Per signal that contact roots are told of: the subjects' own rows applied, with code, time and the
            columns noticed. As `GOAL` those that fulfil the goal of an offer, with source, id and offer.
        steps: Rows that play a part in sequences.
        rows: Per signal, what was added to the rows of the memory.
        seen: What was added to the ids that it has seen.
        traces: Of rows applied that bear a trace, as `traces_of` gives them.
        counts: Rows applied, of these late, contradictory and doubtful; duplicates; rejected; pending. Groups
            that became too large; sums in contexts that did. What `bad_input` counts.
    """

    waiting: list[pa.RecordBatch] = field(default_factory=list)
    too_late: dict[str, pa.Table] = field(default_factory=dict)
    late: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    new: tuple[Ints, Ints] = field(default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64)))
    applied: dict[str, pl.DataFrame] = field(default_factory=dict)
    noticed: dict[str, pl.DataFrame] = field(default_factory=dict)
    steps: dict[StepKey, pl.DataFrame] = field(default_factory=dict)
    rows: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    seen: list[pl.DataFrame] = field(default_factory=list)
    traces: list[pl.DataFrame] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))


def ingest(plan: ContextPlan, memory: ShardState, batches: Sequence[pa.RecordBatch], upto: int) -> Ingested:
    """Apply the rows with time < `upto` to the memory.

    Args:
        plan: The level's plan.
        memory: Changed in place: subjects, rows, seen.
        batches: Signal batches of any types of the plan, in any order.
        upto: The last tick of the call.

    Returns:
        What became of the rows.
    """
    ingested = Ingested()
    given = [(name, _due(plan, memory, name, table, upto, ingested)) for name, table in _by_signal(batches)]
    due = [(name, table) for name, table in given if len(table)]  # rows that wait may lack columns: a later plan's
    codes, new = _codes(memory, [table for _, table in due])
    firsts = [
        _apply(plan, plan.signals[name], memory, table, mine, ingested)
        for (name, table), mine in zip(due, codes, strict=True)
    ]
    greatest = (int(times.max()) for _, times in firsts if len(times))
    memory.latest = max((memory.latest, *greatest) if memory.latest is not None else greatest, default=None)
    ingested.late = np.unique(ingested.late)
    ingested.new = (new, plan.grid.after(_earliest(memory, firsts)[new]))
    return ingested


def _by_signal(batches: Sequence[pa.RecordBatch]) -> list[tuple[str, pa.Table]]:
    """Return the rows of each signal, those that members passed on to a group apart."""
    groups: dict[tuple[str, bool], list[pa.RecordBatch]] = {}
    for batch in batches:
        groups.setdefault((batch.schema.metadata[b"signal"].decode(), passed_on(batch)), []).append(batch)
    return [(key[0], pa.concat_tables(map(_bare, groups[key]), promote_options="default")) for key in sorted(groups)]


def _bare(batch: pa.RecordBatch) -> pa.Table:
    """Return a batch as a table; late ones differ from others in their metadata."""
    metadata = {name: batch.schema.metadata[name] for name in (b"signal", b"subject_kind")}
    return pa.Table.from_batches([batch]).replace_schema_metadata(metadata)


def passed_on(rows: pa.Table | pa.RecordBatch) -> bool:
    """Tell whether members passed rows on to a group; they were applied before, by the member."""
    return MEMBER in rows.schema.names


def _due(plan: ContextPlan, memory: ShardState, name: str, table: pa.Table, upto: int, ingested: Ingested) -> pa.Table:
    times = table["time"].to_numpy()
    waits = times >= upto
    last = None if memory.closed is None or passed_on(table) else memory.closed - plan.allowed_lateness
    hopeless = np.zeros(len(times), bool) if last is None else times < last
    if not (waits.any() or hopeless.any()):
        return table
    ingested.waiting += table.filter(waits).to_batches()
    ingested.counts["pending"] += 0 if passed_on(table) else int(waits.sum())
    ingested.counts["rejected"] += int(hopeless.sum())
    if hopeless.any():
        ingested.too_late[name] = table.filter(hopeless)
    return table.filter(~(waits | hopeless))


def _codes(memory: ShardState, due: Sequence[pa.Table]) -> tuple[list[Ints], Ints]:
    """Make all subjects known; return the codes of each table's rows, and those of new subjects, sorted."""
    encoded = [used(table["subject"].combine_chunks().dictionary_encode()) for table in due]
    subjects = pc.unique(pa.chunked_array([each.dictionary for each in encoded], pa.string()))
    codes, new = memory.know(subjects)
    rows = [
        codes[pc.index_in(each.dictionary, value_set=subjects).to_numpy()][each.indices.to_numpy()] for each in encoded
    ]
    return rows, np.sort(codes[new])


def _apply(
    plan: ContextPlan, signal: SignalPlan, memory: ShardState, table: pa.Table, codes: Ints, ingested: Ingested
) -> tuple[Ints, Ints]:
    """Turn the rows of one signal into rows of the memory; return code and time of those applied."""
    table = table.combine_chunks()
    times = table["time"].to_numpy()
    read = [name for name in table.column_names if name in _read_of(signal)]
    frame = pl.DataFrame(table.select(read)).with_columns(code=codes)
    if not passed_on(table):
        copies = _recognise(plan, signal, memory, table, frame, ingested)
        ingested.counts["duplicates"] += int(copies.sum())
        if copies.any():
            frame, codes, times = frame.filter(~copies), codes[~copies], times[~copies]
    passed = sorted(signal.passed or ())
    if TRACE.name in frame.columns:
        ingested.traces.append(traces_of(frame))
        passed.append(TRACE.name)
    frame = _of_members(signal, local_time(plan, signal, frame))
    _remember(signal, memory, frame, ingested)
    for key, step in signal.steps:
        of = StepKey(key, step.part)
        ingested.steps[of] = pl.concat([ingested.steps.get(of, pl.DataFrame()), rows_of(step, frame)], how="diagonal")
    late = np.zeros(len(times), bool) if memory.closed is None else plan.grid.after(times) <= memory.closed
    if signal.passed is not None:
        ingested.applied[signal.signal] = frame.select("code", "time", *passed, late=pl.Series(late))
    ingested.late = np.concatenate([ingested.late, codes[late]])
    if not passed_on(table):
        _notice(plan, signal, frame, ingested)
        ingested.counts["applied"] += len(times)
        ingested.counts["late"] += int(late.sum())
    return codes, times


def _read_of(signal: SignalPlan) -> frozenset[str]:
    """Return the columns of a signal that something reads."""
    every = (signal.columns, signal.reads, signal.passed or (), signal.noticed, signal.tiebreakers, signal.whose)
    return frozenset().union(*every, ("time", TRACE.name, TRACED), ("source", "id") if signal.goals else ())


def _notice(plan: ContextPlan, signal: SignalPlan, frame: pl.DataFrame, ingested: Ingested) -> None:
    """Note what decisions are told of the rows of a signal."""
    if signal.noticed:
        rows = frame.select("code", "time", *signal.noticed)
        ingested.noticed[signal.signal] = bad_input.noticed_of(plan, signal.signal, rows, ingested.counts)
    if signal.goals:
        before = [ingested.noticed[GOAL]] if GOAL in ingested.noticed else []
        ingested.noticed[GOAL] = pl.concat([*before, *_fulfilments(signal, frame)])


def _fulfilments(signal: SignalPlan, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows that fulfil each goal: code, time, source, id, offer."""
    for goal in signal.goals:
        rows = frame if goal.where is None else frame.filter(goal.where.expr)
        yield rows.select("code", "time", "source", "id", offer=pl.lit(goal.offer))


def _recognise(
    plan: ContextPlan, signal: SignalPlan, memory: ShardState, table: pa.Table, frame: pl.DataFrame, ingested: Ingested
) -> Bools:
    """Tell which rows are copies of what was seen; the others are seen now."""
    codes, times = frame["code"].to_numpy(), frame["time"].to_numpy()
    hashes = signal_hash(signal.signal, table["source"].combine_chunks(), table["id"].combine_chunks())
    arrivals = times - times % plan.grid.tick
    arrivals = arrivals if memory.closed is None else np.maximum(arrivals, memory.closed)
    told = (
        [TRACE.name] if TRACE.name in frame.columns else []
    )  # last: of equal copies the same one is kept in any order
    contents = frame.select(*signal.columns, *told).to_dict()
    copies = duplicates(codes, hashes, times, arrivals, contents, memory.seen, plan.dedup_horizon)
    every = pl.DataFrame({"code": codes, "hash": hashes, "time": times})
    ingested.seen.append(every.filter(~copies) if copies.any() else every)
    memory.seen = pl.concat([memory.seen, ingested.seen[-1]])
    return copies


def _remember(signal: SignalPlan, memory: ShardState, frame: pl.DataFrame, ingested: Ingested) -> None:
    """Add the measures of new rows to the rows of the signal."""
    if not signal.measures:
        return
    ties = signal.ties
    measures = (measured(measure) for measure in signal.measures)
    rows = frame.select("code", "time", *(pl.col(name).fill_null(0) for name in signal.whose), *ties, *measures)
    if not signal.every_row:
        rows = rows.filter(pl.any_horizontal(pl.col(m.key).is_not_null() for m in signal.measures))
    ingested.rows[signal.signal].append(rows)
    old = memory.rows.get(signal.signal)
    memory.rows[signal.signal] = merged(rows.clear() if old is None else old, rows, ties)


def _of_members(signal: SignalPlan, frame: pl.DataFrame) -> pl.DataFrame:
    """Add the member that rows of a group are of: NULL of its own signals."""
    if not signal.by_member:
        return frame
    none = {MEMBER: pl.Int64(), SUBSCRIBER: pl.String()}
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in none.items() if name not in frame)


def measured(measure: Measure) -> pl.Expr:
    """Return the measure of each row: the scaled column, or TRUE for the row itself; NULL where it does not count."""
    value = pl.lit(True) if measure.column is None else pl.col(measure.column)
    value = measure.value.expr if measure.value else value
    if measure.scale:
        value = (value * 10.0**measure.scale).round(0, mode="half_to_even").cast(pl.Int64, strict=False)
    return (value if measure.where is None else pl.when(measure.where.expr).then(value)).alias(measure.key)


def local_time(plan: ContextPlan, signal: SignalPlan, frame: pl.DataFrame) -> pl.DataFrame:
    """Add local_hour, local_weekday (Monday = 1) and local_date where measures or steps read them."""
    local = pl.from_epoch("time", "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(plan.zone)
    made = {
        "local_hour": local.dt.hour().cast(pl.Int64),
        "local_weekday": local.dt.weekday().cast(pl.Int64),
        "local_date": local.dt.date().cast(pl.String),
    }
    return frame.with_columns(**{name: expr for name, expr in made.items() if name in signal.reads})


def _earliest(memory: ShardState, applied: Iterable[tuple[Ints, Ints]]) -> Ints:
    """Return the earliest time of the rows applied of each subject; a number past all times for none."""
    earliest = np.full(memory.subjects.height, np.iinfo(np.int64).max)
    for codes, times in applied:
        np.minimum.at(earliest, codes, times)
    return earliest
