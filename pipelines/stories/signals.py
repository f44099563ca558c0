"""Signals of stories as column batches: read and checked as a run reads and checks them from files."""

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BytesIO

import pyarrow as pa

from pipelines.settings import EARLIEST
from pipelines.stories.story import Signal, Story
from schemas.durations import DAY
from schemas.playbook_levels import GROUPS
from schemas.sources import Source
from schemas.versions import Versions
from transforms.context.erasure.requests import ERASURE
from transforms.decision.notices import is_notice
from transforms.parsing.batches import Intent, signal_batches
from transforms.parsing.everybody import notices_to_all, part_everybody
from transforms.parsing.files import RawFile, Reading, read_split, reading
from transforms.parsing.mapping import Mapper, compile_mapper
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.read_signals import MAX_RECORD_BYTES
from transforms.shell.pseudonym_key import key_at_hand
from transforms.shell.versions import contracts_of, load_contexts

SALT = b"stories have no secrets"
"""Of what is kept of those who are erased."""

AHEAD = DAY
"""How far ahead of a story's end a signal may be; others are rejected."""


@dataclass(frozen=True)
class Taken:
    """What became of signals.

    Attributes:
        batches: One of each type and kind of subject, with the columns that the playbook takes.
        rejected: How many are none, by their contracts.
        everybody: How many are about everybody.
        controls: What contact roots are told of these.
    """

    batches: list[pa.RecordBatch] = field(default_factory=list)
    rejected: int = 0
    everybody: int = 0
    controls: list[pa.RecordBatch] = field(default_factory=list)

    @property
    def signals(self) -> int:
        """How many about somebody were taken in."""
        return sum(batch.num_rows for batch in self.batches)


def salted() -> AbstractContextManager[None]:
    """Let runs find a key in the environment; one that is set stays."""
    return key_at_hand(SALT.decode())


def of_group(batch: pa.RecordBatch) -> bool:
    """Tell whether signals are about households or SMEs."""
    return batch.schema.metadata.get(b"subject_kind", b"").decode() in GROUPS


def of_subscriber(batch: pa.RecordBatch) -> bool:
    """Tell whether signals are for the shards of subscribers: those about subscribers, and erasures of groups."""
    return not (of_group(batch) or is_notice(batch)) or batch.schema.metadata[b"signal"] == ERASURE.encode()


def json_lines(signals: Iterable[Signal]) -> dict[str, bytes]:
    """Return signals as the files that a run would read, by type."""
    lines: dict[str, list[str]] = defaultdict(list)
    for row in signals:
        envelope = {name: getattr(row, name) for name in ("id", "source", "time", "subject_kind", "subject")}
        lines[row.signal].append(json.dumps({**row.payload, **envelope}))
    return {name: "\n".join(mine).encode() for name, mine in lines.items()}


def take(story: Story, signals: Iterable[Signal]) -> Taken:
    """Return what a run makes of signals that arrive together."""
    batches, rejected = list[pa.RecordBatch](), 0
    for name, lines in json_lines(signals).items():
        reader = _reader(story.versions, name)
        file = RawFile(name, len(lines), "jsonl", "")
        for rows, malformed in read_split(partial(BytesIO, lines), file, 0, len(lines), reader.reading):
            made, refused = signal_batches(rows, reader.mapper, reader.intent(story.until + AHEAD))
            batches += made
            rejected += len(malformed) + len(refused)
    batches, everybody = part_everybody(batches)
    schema, tick = load_contexts(story.versions).controls, story.playbook.tick
    controls = [] if schema is None else [notices_to_all(one, schema, tick) for one in everybody]
    told = [batch for batch in controls if batch.num_rows]
    return Taken(batches, rejected, sum(one.num_rows for one in everybody), told)


@dataclass(frozen=True)
class _Reader:
    """How signals of one type are read."""

    source: Source
    payload: tuple[str, ...]
    kinds: frozenset[str]
    reading: Reading
    mapper: Mapper

    def intent(self, latest: int) -> Intent:
        return Intent(self.source, self.payload, self.kinds, EARLIEST, latest)


@lru_cache(maxsize=64)
def _reader(versions: Versions, name: str) -> _Reader:
    plans, source = load_contexts(versions), Source(contracts_of(versions)[name])
    fields = made_fields(source, payload := plans.columns[name])
    types = raw_types(source, fields)
    what, mapper = reading(source, types, MAX_RECORD_BYTES), compile_mapper(source, fields, types)
    return _Reader(source, payload, frozenset(plans.plans[0]), what, mapper)
