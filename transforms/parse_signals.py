"""Parses raw blocks into typed signal batches by shard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from schemas.playbook_levels import GROUPS
from schemas.sources import Source
from transforms.arrays.plain_arrow import framed
from transforms.compiler.controls import of_unknown_names
from transforms.context.erasure.requests import ERASURE
from transforms.parsing.batches import Intent, by_shard, signal_batches
from transforms.parsing.everybody import notices_to_all, part_everybody
from transforms.parsing.mapping import Mapper, compile_mapper
from transforms.parsing.raw import POSITION, rejected_batch
from transforms.parsing.raw_types import made_fields
from transforms.shell.packed_batch import PackedBatch, ShardBatch, to_all
from transforms.shell.pseudonym_key import pseudonym_key
from transforms.shell.tallied import TalliedCounter


class _Parse(beam.DoFn):
    """Parses blocks; compiles the map of each layout it meets once."""

    def __init__(self, intents: Mapping[str, Intent], told: "ParseSignals") -> None:
        self._intents = dict(intents)
        self._tick, self._controls, self._shards, self._names = told.tick, told.controls, told.shards, told.names
        self._mappers: dict[tuple[str, pa.Schema], Mapper] = {}

    def setup(self) -> None:
        key = pseudonym_key({name: intent.source for name, intent in self._intents.items()})
        self._intents = {name: intent.with_key(key) for name, intent in self._intents.items()}

    def process(self, block: pa.RecordBatch) -> Iterator[Any]:
        signal = block.schema.metadata[b"signal"].decode()
        batches, rejections = signal_batches(block, self._mapper(signal, block.schema), self._intents[signal])
        batches, controls = part_everybody(batches)
        for batch in controls:
            yield from self._tell_all(batch)
        for batch in batches:
            packs = ((shard, PackedBatch.of(rows)) for shard, rows in by_shard(batch, self._shards))
            if batch.schema.metadata[b"subject_kind"].decode() in GROUPS:
                packs = (TaggedOutput("groups", packed) for packed in packs)
                yield from to_all(batch, self._shards) if signal == ERASURE else ()
            yield from packs
        counts = {"in": block.num_rows, "parsed": block.num_rows - len(rejections), "rejected": len(rejections)}
        for name, count in counts.items():
            TalliedCounter("signals", name).inc(count)
        if rejections:
            file, private = block.schema.metadata[b"file"].decode(), self._intents[signal].source.private
            yield TaggedOutput("rejected", rejected_batch(file, "ParseSignals", rejections, private=private))

    def _tell_all(self, controls: pa.RecordBatch) -> Iterator[TaggedOutput]:
        """Tell every shard of contact roots; no subject applies these signals, so they are counted here."""
        TalliedCounter("signals", "applied").inc(controls.num_rows)
        if self._controls is not None:
            unknown = of_unknown_names(framed(pa.table(controls)), self._names)
            TalliedCounter("bad_input", "control_of_unknown_name").inc(unknown)
            notices = notices_to_all(controls, self._controls, self._tick)
            packs = to_all(notices, self._shards, "tick") if notices.num_rows else ()
            yield from (TaggedOutput("controls", packed) for packed in packs)

    def _mapper(self, signal: str, schema: pa.Schema) -> Mapper:
        bare = schema.remove_metadata()
        if (signal, bare) not in self._mappers:
            intent = self._intents[signal]
            layout = {field.name: field.type for field in schema if field.name != POSITION}
            fields = made_fields(intent.source, intent.payload)
            self._mappers[signal, bare] = compile_mapper(intent.source, fields, layout)
        return self._mappers[signal, bare]


@dataclass(eq=False, kw_only=True)
class ParseSignals(beam.PTransform):
    """Maps, casts, checks and shards raw blocks.

    In: raw blocks as `ReadSignals` gives them, of any signals in `sources`. Out: `signals`, pairs of a shard and a
    packed signal batch (`id`, `source`, `time`, `subject`, payload; metadata `signal` and `subject_kind`; one batch a
    block, kind and shard, never empty), and erasures of groups for every shard: each may have members; `groups`, the
    same of households and SMEs; `controls`, for each shard of contact roots, packed batches of notices of the `control`
    signals about everybody, which are in no other output; `rejected`, batches of `schemas.records.REJECTED`, one row
    for each raw row that is no signal. Counts `signals/in`, `signals/parsed`, `signals/rejected`, and signals about
    everybody as `signals/applied`; those of them that nothing in the playbook bears the name of, as
    `bad_input/control_of_unknown_name`. Windows are passed on.

    Attributes:
        sources: Signal type to where its signals come from.
        payloads: Signal type to the payload fields that the playbook needs.
        kinds: Kinds of subjects that the playbook has a section for.
        earliest: Milliseconds; a signal's time may not be before it.
        as_of: Milliseconds; what publish time is to a broker.
        max_ahead: Milliseconds that a signal's time may be after `as_of`.
        tick: That of the playbook, milliseconds.
        controls: Columns of the notices of `control` signals; None: nobody is told of these.
        names: What these may name, by scope.
        shards: Number of shards.

    Raises:
        LoadErrors: the key of the pseudonyms is needed and not set.
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

    def __post_init__(self) -> None:
        """Check what can be checked before any data is read."""
        super().__init__()
        if self.shards < 1:
            raise ValueError(f"shards must be at least 1, not {self.shards}")
        pseudonym_key(self.sources)

    def stage(self) -> beam.DoFn:
        """Return what parses a block."""
        latest = self.as_of + self.max_ahead
        intents = {
            signal: Intent(source, tuple(self.payloads.get(signal, ())), self.kinds, self.earliest, latest)
            for signal, source in self.sources.items()
        }
        return _Parse(intents, self)

    def expand(self, blocks: PCollection) -> Any:
        """Parse each block."""
        tags = {"groups": ShardBatch, "controls": ShardBatch, "rejected": pa.RecordBatch}
        parse = beam.ParDo(self.stage()).with_output_types(ShardBatch, **tags)
        return blocks | "Parse" >> parse.with_outputs(*tags, main="signals")
