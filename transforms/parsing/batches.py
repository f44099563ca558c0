"""A raw block to typed signal batches, one a kind of subject, and the rows that were refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contracts import TRACE, Contract
from schemas.playbook_levels import GROUPS
from schemas.records import EVERYBODY
from schemas.sources import Source
from transforms.arrays.dtypes import Ints
from transforms.arrays.hashing import shard_of
from transforms.compiler.notices import CONTROL
from transforms.parsing.checks import check_field, check_time
from transforms.parsing.identity import content_ids, pseudonyms
from transforms.parsing.mapping import Mapper
from transforms.parsing.problems import Problems
from transforms.parsing.raw import Bools, Rejection, carried_of, mask_of, payloads, positions_of, published_of
from transforms.parsing.traces import traces_of

COMMON = ("id", "source", "time", "subject")
"""The first columns of every signal batch."""


@dataclass(frozen=True)
class Intent:
    """What the batches of one signal must be.

    Attributes:
        source: Where the signals come from.
        payload: Payload columns of the batches, beside `COMMON`.
        kinds: Kinds of subjects that the playbook has a section for.
        earliest: The least time allowed, milliseconds.
        latest: The greatest, of rows of which nobody says when they were published.
        key: Of the pseudonyms; empty where there are none.
        max_ahead: Milliseconds that a time may be after its row was published.
    """

    source: Source
    payload: Sequence[str]
    kinds: frozenset[str]
    earliest: int
    latest: int
    key: bytes = b""
    max_ahead: int = 0

    def with_key(self, key: bytes) -> "Intent":
        """Return the same with a key, which never travels with the pipeline."""
        return replace(self, key=key)


class Made(NamedTuple):
    """What a block became.

    Attributes:
        batches: One for each kind of subject in it.
        rejected: One for each other row.
        times: Of all rows, int64, milliseconds; NULL for those that are rejected.
        untraced: How many rows have a trace that is none.
    """

    batches: list[pa.RecordBatch]
    rejected: list[Rejection]
    times: pa.Array
    untraced: int = 0


def signal_schema(contract: Contract, kind: str, payload: Sequence[str]) -> pa.Schema:
    """Return the schema of a signal batch, with the signal and the kind of its subjects as metadata."""
    everything = contract.arrow_schema()
    fields = [everything.field(name) for name in (*COMMON, *payload)]
    return pa.schema(fields, {"signal": contract.name, "subject_kind": kind})


def signal_batches(
    block: pa.RecordBatch, mapper: Mapper, intent: Intent
) -> tuple[list[pa.RecordBatch], list[Rejection]]:
    """Map, cast and check a block.

    Args:
        block: Raw columns.
        mapper: Compiled for the source and the block's layout.
        intent: What the batches must be.

    Returns:
        One batch for each kind of subject in the block, and one rejection for each other row, with the first of:
        a raw value that does not fit, `no_section`, what `check_time` says, what `check_field` says of each field
        in the contract's order.
    """
    made = make_signals(block, mapper, intent)
    return made.batches, made.rejected


def make_signals(block: pa.RecordBatch, mapper: Mapper, intent: Intent) -> Made:
    """Map, cast and check a block, as `signal_batches` does, and tell the times."""
    problems = Problems(block.num_rows)
    columns = mapper(block, problems)
    kinds = _kinds(columns["subject_kind"], intent, problems)
    check_time(columns["time"], intent.earliest, _latest(block, intent), problems)
    own = columns.pop(TRACE.name, None)
    for field in mapper.fields:
        if field is not TRACE:
            columns[field.name] = check_field(columns[field.name], field, problems)
    _identify(columns, intent)
    traces, untraced = _traces(own, carried_of(block))
    good = problems.good()
    batches = [_batch(columns | traces, kind, intent, _both(rows, good)) for kind, rows in kinds.items()]
    times = columns["time"] if good is None else pc.if_else(pa.array(good), columns["time"], None)
    return Made([batch for batch in batches if batch.num_rows], _rejections(block, problems), times, untraced)


def _traces(own: pa.Array | None, carried: pa.Array | None) -> tuple[dict[str, pa.Array], int]:
    """Return the column of traces, if there are any, and how many are none; the signal's goes before its message's."""
    given = [each for each in (own, carried) if each is not None and each.null_count < len(each)]
    if not given:
        return {}, 0
    good = [traces_of(each) for each in given]
    untraced = sum(good_.null_count - each.null_count for good_, each in zip(good, given, strict=True))
    traces = pc.coalesce(*good)
    return ({TRACE.name: traces} if traces.null_count < len(traces) else {}), untraced


def _latest(block: pa.RecordBatch, intent: Intent) -> int | Ints:
    """Return the greatest time allowed, for each row where a broker says when it got them."""
    published = published_of(block)
    if published is None:
        return intent.latest
    latest: Ints = pc.add(published, intent.max_ahead).fill_null(intent.latest).to_numpy(zero_copy_only=False)
    return latest


def by_shard(batch: pa.RecordBatch, shards: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield shard and rows of each shard that a signal batch has rows of, in their order."""
    if shards == 1:
        yield 0, batch
        return
    kind = batch.schema.metadata[b"subject_kind"].decode()
    yield from by_number(batch, shard_of(kind, batch.column("subject"), shards))


def by_number(batch: pa.RecordBatch, numbers: Ints) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield each number that rows have, 0 or more and none of them large, and its rows in their order."""
    counts = np.bincount(numbers)
    narrow = numbers.astype(np.int16 if len(counts) <= 1 << 15 else np.int64)
    ordered = batch.take(pa.array(np.argsort(narrow, kind="stable")))
    start = 0
    for number, size in enumerate(counts.tolist()):
        if size:
            yield number, ordered.slice(start, size)
        start += size


def _kinds(given: pa.Array, intent: Intent, problems: Problems) -> dict[str, Bools | None]:
    """Return the kinds of subjects with their rows, None for all rows; others are `no_section`, or `nested_group`."""
    default = intent.source.contract.subject_kind_default
    everywhere = given.null_count == len(given)
    names = [default] if everywhere else sorted(pc.unique(given.fill_null(default)).to_pylist())
    found: dict[str, Bools | None] = {}
    for name in names:
        rows = None if everywhere else mask_of(pc.equal(given.fill_null(default), name))
        bad = np.ones(len(given), np.bool_) if rows is None else rows
        if name in GROUPS and intent.source.contract.name == "membership":
            problems.add(bad, "nested_group", f"only subscribers are in groups, and this is about a {name}")
        elif name in intent.kinds:
            found[name] = rows
        else:
            shown = "" if intent.source.private else f" `{name[:40]}`"
            problems.add(bad, "no_section", f"the playbook has no section for the kind of subject{shown}")
    return found


def _identify(columns: dict[str, pa.Array], intent: Intent) -> None:
    """Hide what must be hidden, then make the ids that the source lacks."""
    for name in intent.source.config.pseudonymise:
        if name in columns:
            columns[name] = _hidden(name, columns[name], intent)
    if intent.source.config.without_id:
        columns["id"] = content_ids(columns)


def _hidden(name: str, values: pa.Array, intent: Intent) -> pa.Array:
    """Return the pseudonyms of a field's values; whom a control for all is about is no name."""
    hidden = pseudonyms(values, intent.key)
    if (intent.source.contract.name, name) != (CONTROL, "subject"):
        return hidden
    return pc.if_else(pc.equal(values, EVERYBODY), EVERYBODY, hidden)


def _batch(columns: Mapping[str, pa.Array], kind: str, intent: Intent, rows: Bools | None) -> pa.RecordBatch:
    schema = signal_schema(intent.source.contract, kind, intent.payload)
    if TRACE.name in columns:
        schema = schema.append(pa.field(TRACE.name, pa.string()))
    producer = intent.source.producer
    given = columns.get("source")
    sources = pa.repeat(producer, len(columns["time"])) if given is None else given.fill_null(producer)
    everything = {**columns, "source": sources}
    batch = pa.RecordBatch.from_arrays([everything[name] for name in schema.names], schema=schema)
    return batch if rows is None else batch.filter(pa.array(rows))


def _both(rows: Bools | None, good: Bools | None) -> Bools | None:
    if rows is None or good is None:
        return good if rows is None else rows
    return rows & good


def _rejections(block: pa.RecordBatch, problems: Problems) -> list[Rejection]:
    bad = problems.bad()
    rows = np.fromiter((row for row, _, _ in bad), np.int64, len(bad))
    return [
        Rejection.of(position, reason, message, payload)
        for (_, reason, message), position, payload in zip(
            bad, positions_of(block, rows), payloads(block, rows), strict=True
        )
    ]
