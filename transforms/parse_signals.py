"""Parses raw blocks into typed signal batches by shard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection, TaggedOutput

from schemas.sources import Source
from transforms.parsing.parser import Parser, Parsing
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.packed_parts import packed_parts
from transforms.shell.pseudonym_key import pseudonym_key
from transforms.shell.tallied import TalliedCounter


class _Parse(beam.DoFn):
    """Parses blocks."""

    def __init__(self, parsing: Parsing) -> None:
        self._parsing = parsing

    def setup(self) -> None:
        self._parse = Parser(self._parsing, pseudonym_key(self._parsing.sources))

    def process(self, block: pa.RecordBatch) -> Iterator[Any]:
        parsed = self._parse(block)
        for tag, packed in packed_parts(parsed.parts, self._parsing.shards):
            yield packed if tag == "signals" else TaggedOutput(tag, packed)
        for (namespace, name), count in parsed.counts.items():
            TalliedCounter(namespace, name).inc(count)
        if parsed.rejected is not None:
            yield TaggedOutput("rejected", parsed.rejected)


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
        as_of: Milliseconds; what publish time is to a broker, where a block has no `PUBLISHED`.
        max_ahead: Milliseconds that a signal's time may be after it was published.
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
        return _Parse(Parsing(**{each.name: getattr(self, each.name) for each in fields(Parsing)}))

    def expand(self, blocks: PCollection) -> Any:
        """Parse each block."""
        tags = {"groups": ShardBatch, "controls": ShardBatch, "rejected": pa.RecordBatch}
        parse = beam.ParDo(self.stage()).with_output_types(ShardBatch, **tags)
        return blocks | "Parse" >> parse.with_outputs(*tags, main="signals")
