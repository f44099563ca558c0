"""Raw blocks of signals to typed batches by shard, and what is to be counted: what every reader does with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pyarrow as pa

from schemas.playbook_levels import GROUPS
from schemas.sources import Source
from transforms.arrays.plain_arrow import framed
from transforms.compiler.controls import of_unknown_names
from transforms.context.erasure.requests import ERASURE
from transforms.parsing.batches import Intent, by_shard, make_signals
from transforms.parsing.everybody import notices_to_all, part_everybody
from transforms.parsing.mapping import Mapper, compile_mapper
from transforms.parsing.raw import ATTEMPT, raw_layout, rejected_batch
from transforms.parsing.raw_types import made_fields

Tag = Literal["signals", "groups", "controls"]

TIMES: Mapping[Tag, str] = {"signals": "time", "groups": "time", "controls": "tick"}
"""The column of what has a tag that says when it is."""


class Part(NamedTuple):
    """Rows for one shard, or for all of them.

    Attributes:
        tag: `signals`; `groups`, those of households and SMEs; `controls`, notices to all contact roots.
        shard: None: every shard is told.
        rows: Never empty.
    """

    tag: Tag
    shard: int | None
    rows: pa.RecordBatch


class Parsed(NamedTuple):
    """What a raw block became.

    Attributes:
        parts: Its signals, in order.
        rejected: Rows of `schemas.records.REJECTED`, or None.
        counts: What is to be counted, by namespace and name.
        times: Of the rows of the block, int64, milliseconds; NULL for those that are rejected.
    """

    parts: Sequence[Part]
    rejected: pa.RecordBatch | None
    counts: Mapping[tuple[str, str], int]
    times: pa.Array


@dataclass(frozen=True, kw_only=True)
class Parsing:
    """What signals are to become.

    Attributes:
        sources: Signal type to where its signals come from.
        payloads: Signal type to the payload fields that the playbook needs.
        kinds: Kinds of subjects that the playbook has a section for.
        earliest: Milliseconds; a signal's time may not be before it.
        as_of: Milliseconds; what publish time is to a broker, where a block does not tell it.
        max_ahead: Milliseconds that a signal's time may be after it was published.
        tick: That of the playbook, milliseconds.
        controls: Columns of the notices of `control` signals; None: nobody is told of these.
        names: What these may name, by scope.
        shards: Number of shards.
    """

    sources: Mapping[str, Source]
    payloads: Mapping[str, Sequence[str]]
    kinds: frozenset[str]
    earliest: int
    as_of: int
    max_ahead: int
    tick: int
    controls: pa.Schema | None = None
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shards: int


class Parser:
    """Parses blocks; compiles the map of each layout it meets once."""

    def __init__(self, parsing: Parsing, key: bytes = b"") -> None:
        """Take what signals are to become.

        Args:
            parsing: What they are to become.
            key: Of the pseudonyms, which never travels; empty where there are none.
        """
        self._parsing = parsing
        self._intents = {signal: _intent(parsing, signal, key) for signal in parsing.sources}
        self._mappers: dict[tuple[str, pa.Schema], Mapper] = {}

    def __call__(self, block: pa.RecordBatch) -> Parsed:
        """Return what a raw block became: its columns, and `signal` and `file` in its metadata."""
        signal, file = block.schema.metadata[b"signal"].decode(), block.schema.metadata[b"file"].decode()
        intent = self._intents[signal]
        made = make_signals(block, self._mapper(signal, block.schema), intent)
        batches, controls = part_everybody(made.batches)
        parts = [*self._to_roots(controls), *self._by_shard(signal, batches)]
        lost = len(made.rejected)
        counts = {("signals", "in"): block.num_rows, ("signals", "parsed"): block.num_rows - lost}
        counts |= {("signals", "rejected"): lost, **self._counts_of(controls)}
        if made.untraced:
            counts["bad_input", "invalid_traceparent"] = made.untraced
        rejected = None
        if made.rejected:
            tried = block.schema.metadata.get(ATTEMPT)
            rejected = rejected_batch(
                file,
                "ParseSignals",
                made.rejected,
                private=intent.source.private,
                attempt=None if tried is None else int(tried),
            )
        return Parsed(parts, rejected, counts, made.times)

    def _by_shard(self, signal: str, batches: Sequence[pa.RecordBatch]) -> Iterator[Part]:
        """Yield signals about subjects; erasures of groups for every shard too: each may have members."""
        for batch in batches:
            grouped = batch.schema.metadata[b"subject_kind"].decode() in GROUPS
            if grouped and signal == ERASURE:
                yield Part("signals", None, batch)
            tag: Tag = "groups" if grouped else "signals"
            yield from (Part(tag, shard, rows) for shard, rows in by_shard(batch, self._parsing.shards))

    def _to_roots(self, controls: Sequence[pa.RecordBatch]) -> Iterator[Part]:
        """Yield what all contact roots are told."""
        if self._parsing.controls is None:
            return
        for batch in controls:
            notices = notices_to_all(batch, self._parsing.controls, self._parsing.tick)
            if notices.num_rows:
                yield Part("controls", None, notices)

    def _counts_of(self, controls: Sequence[pa.RecordBatch]) -> dict[tuple[str, str], int]:
        """Return the counts of signals about everybody: no subject applies these."""
        if not controls:
            return {}
        counts = {("signals", "applied"): sum(batch.num_rows for batch in controls)}
        if self._parsing.controls is not None:
            unknown = sum(of_unknown_names(framed(pa.table(batch)), self._parsing.names) for batch in controls)
            counts["bad_input", "control_of_unknown_name"] = unknown
        return counts

    def _mapper(self, signal: str, schema: pa.Schema) -> Mapper:
        bare = schema.remove_metadata()
        if (signal, bare) not in self._mappers:
            intent = self._intents[signal]
            fields = made_fields(intent.source, intent.payload)
            self._mappers[signal, bare] = compile_mapper(intent.source, fields, raw_layout(schema))
        return self._mappers[signal, bare]


def _intent(parsing: Parsing, signal: str, key: bytes) -> Intent:
    """Return what the batches of a signal must be."""
    source, payload = parsing.sources[signal], tuple(parsing.payloads.get(signal, ()))
    latest = parsing.as_of + parsing.max_ahead
    intent = Intent(source, payload, parsing.kinds, parsing.earliest, latest, max_ahead=parsing.max_ahead)
    return intent.with_key(key)
