"""Signals of one call: those that are due become rows; late ones, copies and hopeless ones are told apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.context.dedup import duplicates, signal_hash
from transforms.context.definitions import ContextPlan, Measure, SignalPlan
from transforms.context.memory import Memory
from transforms.context.ticks import Ints

COMMON = ("id", "source", "time", "subject")


@dataclass
class Intake:
    """What one call brought.

    Attributes:
        waiting: Rows of ticks after the call's last, as they came.
        too_late: Rows beyond the allowed lateness, per signal.
        late: Codes of the subjects of which a late row was applied.
        new: Code and first tick of each subject that was unknown.
        counts: Rows applied, of these late; duplicates; rejected; pending.
    """

    waiting: list[pa.RecordBatch] = field(default_factory=list)
    too_late: dict[str, pa.Table] = field(default_factory=dict)
    late: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    new: tuple[Ints, Ints] = field(default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64)))
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("applied", "late", "duplicates", "rejected", "pending"), 0)
    )


def take_in(plan: ContextPlan, memory: Memory, batches: Sequence[pa.RecordBatch], upto: int) -> Intake:
    """Apply the rows with time < `upto` to the memory.

    Args:
        plan: The level's plan.
        memory: Changed in place: subjects, rows, seen.
        batches: Signal batches of any types of the plan, in any order.
        upto: The last tick of the call.

    Returns:
        What became of the rows.
    """
    intake = Intake()
    due = {name: _due(plan, memory, table, upto, intake) for name, table in _by_signal(batches)}
    codes, new = _codes(memory, due)
    firsts = [_apply(plan, plan.signals[name], memory, table, codes[name], intake) for name, table in due.items()]
    intake.late = np.unique(intake.late)
    intake.new = (new, plan.grid.after(_earliest(memory, firsts)[new]))
    return intake


def _by_signal(batches: Sequence[pa.RecordBatch]) -> list[tuple[str, pa.Table]]:
    groups: dict[str, list[pa.RecordBatch]] = {}
    for batch in batches:
        groups.setdefault(batch.schema.metadata[b"signal"].decode(), []).append(batch)
    return [(name, pa.Table.from_batches(groups[name])) for name in sorted(groups)]


def _due(plan: ContextPlan, memory: Memory, table: pa.Table, upto: int, intake: Intake) -> pa.Table:
    times = table["time"].to_numpy()
    waits = times >= upto
    hopeless = np.zeros(len(times), bool) if memory.closed is None else times < memory.closed - plan.allowed_lateness
    if not (waits.any() or hopeless.any()):
        return table
    intake.waiting += table.filter(waits).to_batches()
    intake.counts["pending"] += int(waits.sum())
    intake.counts["rejected"] += int(hopeless.sum())
    if hopeless.any():
        intake.too_late[table.schema.metadata[b"signal"].decode()] = table.filter(hopeless)
    return table.filter(~(waits | hopeless))


def _codes(memory: Memory, due: Mapping[str, pa.Table]) -> tuple[dict[str, Ints], Ints]:
    """Make all subjects known; return the codes of each table's rows, and those of new subjects, sorted."""
    encoded = {name: table["subject"].combine_chunks().dictionary_encode() for name, table in due.items()}
    subjects = pc.unique(pa.chunked_array([each.dictionary for each in encoded.values()], pa.string()))
    codes, new = memory.know(subjects)
    rows = {
        name: codes[pc.index_in(each.dictionary, value_set=subjects).to_numpy()][each.indices.to_numpy()]
        for name, each in encoded.items()
    }
    return rows, np.sort(codes[new])


def _apply(
    plan: ContextPlan, signal: SignalPlan, memory: Memory, table: pa.Table, codes: Ints, intake: Intake
) -> tuple[Ints, Ints]:
    """Turn the rows of one signal into rows of the memory; return code and time of those applied."""
    table = table.combine_chunks()
    times = table["time"].to_numpy()
    hashes = signal_hash(signal.signal, table["source"].combine_chunks(), table["id"].combine_chunks())
    read = {"time", *signal.columns, *signal.reads, *(("source", "id") if signal.ordered else ())}
    frame = pl.DataFrame(table.select([name for name in table.column_names if name in read])).with_columns(code=codes)
    arrivals = times - times % plan.grid.tick
    arrivals = arrivals if memory.closed is None else np.maximum(arrivals, memory.closed)
    contents = frame.select(signal.columns).to_dict()
    copies = duplicates(codes, hashes, times, arrivals, contents, memory.seen, plan.dedup_horizon)
    if copies.any():
        frame, codes, times, hashes = frame.filter(~copies), codes[~copies], times[~copies], hashes[~copies]
    memory.seen = pl.concat([memory.seen, pl.DataFrame({"code": codes, "hash": hashes, "time": times})])
    _remember(plan, signal, memory, frame)
    late = np.zeros(len(times), bool) if memory.closed is None else plan.grid.after(times) <= memory.closed
    intake.late = np.concatenate([intake.late, codes[late]])
    intake.counts["applied"] += len(times)
    intake.counts["late"] += int(late.sum())
    intake.counts["duplicates"] += int(copies.sum())
    return codes, times


def _remember(plan: ContextPlan, signal: SignalPlan, memory: Memory, frame: pl.DataFrame) -> None:
    """Add the measures of new rows to the rows of the signal."""
    if not signal.measures:
        return
    frame = local_time(plan, signal, frame)
    ties = ["source", "id"] if signal.ordered else []
    rows = frame.select("code", "time", *ties, *(measured(measure) for measure in signal.measures))
    if not signal.every_row:
        rows = rows.filter(pl.any_horizontal(pl.col(m.key).is_not_null() for m in signal.measures))
    old = memory.rows.get(signal.signal)
    both = rows if old is None else pl.concat([old, rows])
    memory.rows[signal.signal] = both.sort("code", "time", *ties) if ties else both[_order(both)]


def measured(measure: Measure) -> pl.Expr:
    """Return the measure of each row: the scaled column, or TRUE for the row itself; NULL where it does not count."""
    value = pl.lit(True) if measure.column is None else pl.col(measure.column)
    if measure.scale:
        value = (value * 10.0**measure.scale).round(0, mode="half_to_even").cast(pl.Int64, strict=False)
    return (value if measure.where is None else pl.when(measure.where.expr).then(value)).alias(measure.key)


def local_time(plan: ContextPlan, signal: SignalPlan, frame: pl.DataFrame) -> pl.DataFrame:
    """Add local_hour, local_weekday (Monday = 1) and local_date where the signal's measures read them."""
    local = pl.from_epoch("time", "ms").dt.replace_time_zone("UTC").dt.convert_time_zone(plan.zone)
    made = {
        "local_hour": local.dt.hour().cast(pl.Int64),
        "local_weekday": local.dt.weekday().cast(pl.Int64),
        "local_date": local.dt.date().cast(pl.String),
    }
    return frame.with_columns(**{name: expr for name, expr in made.items() if name in signal.reads})


def _order(rows: pl.DataFrame) -> Ints:
    """Return the rows by code and time: rows come nearly in time's order, and numpy sorts 16 bits at once by radix."""
    codes = rows["code"].to_numpy()
    order = np.argsort(rows["time"].to_numpy(), kind="stable")
    for bits in range(0, int(codes.max(initial=0)).bit_length(), 16):
        order = order[np.argsort((codes[order] >> bits).astype(np.uint16), kind="stable")]
    return order


def _earliest(memory: Memory, applied: Iterable[tuple[Ints, Ints]]) -> Ints:
    """Return the earliest time of the rows applied of each subject; a number past all times for none."""
    earliest = np.full(memory.subjects.height, np.iinfo(np.int64).max)
    for codes, times in applied:
        np.minimum.at(earliest, codes, times)
    return earliest
