"""What readers and maps make of a file, and whether it is right."""

import io
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source, SourceConfig
from tests.fuzz.case import Case
from transforms.parsing.batches import Intent, by_shard, signal_batches
from transforms.parsing.files import layout, raw_file, read_split, reading, splits
from transforms.parsing.layouts import misfits
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.raw import POSITION, Rejection, Unreadable, rejected_batch
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.parsing.unpacked import unpacked

PAYLOAD = ("mb", "kind", "peer")
MOST_SECONDS = 20
LATEST = 4_000_000_000_000


@dataclass
class Found:
    """Ids that were read, with their number, and what was rejected."""

    ids: list[str] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


def judged(case: Case) -> str:
    """Return what is wrong with how a case is read, or nothing; raise what a run would end with."""
    started = time.monotonic()
    try:
        found = read(case)
    except LoadErrors:
        return ""
    if time.monotonic() - started > MOST_SECONDS:
        return "it takes for ever"
    rejected_batch(case.name, "Fuzz", found.rejected).validate(full=True)
    if lost := case.sure - set(found.ids):
        return f"{len(lost)} sound records are not there, as {min(lost)}; rejected: {found.rejected[:3]}"
    return ""


def read(case: Case) -> Found:
    """Read a file as a run does.

    Raises:
        LoadErrors: mistakes that are told at the start.
    """
    source = Source(contract("usage"), SourceConfig.model_validate(dict(case.config)))
    fields = made_fields(source, PAYLOAD)
    what = reading(source, raw_types(source, fields), 1 << 16)
    file = raw_file(case.name, len(case.data), source)
    found = Found()
    try:
        columns = layout(lambda: _opened(case, file.compression), file, what)
        if columns.columns and (wrong := misfits(source, file.path, fields, what.types, columns)):
            raise LoadErrors(wrong)
        compile_mapper(source, fields, columns.types if columns.whole and columns.columns else what.types)
        ranges = splits(lambda: _opened(case, file.compression), file, what)
    except Unreadable as error:
        found.rejected.append(error.rejection)
        return found
    intent = Intent(source, PAYLOAD, frozenset({"subscriber"}), 0, LATEST)
    for start, stop in ranges:
        for rows, rejected in read_split(lambda: _opened(case, file.compression), file, start, stop, what):
            found.rejected += rejected
            if rows.num_rows:
                _parse(rows, intent, fields, found)
    return found


def _opened(case: Case, compression: str) -> Any:
    stream = io.BytesIO(case.data)
    return unpacked(stream, compression) if compression else stream


def _parse(rows: pa.RecordBatch, intent: Intent, fields: tuple[str, ...], found: Found) -> None:
    types = {one.name: one.type for one in rows.schema if one.name != POSITION}
    batches, rejected = signal_batches(rows, compile_mapper(intent.source, fields, types), intent)
    assert sum(batch.num_rows for batch in batches) + len(rejected) == rows.num_rows
    found.rejected += rejected
    for batch in batches:
        batch.validate(full=True)
        found.ids += [name for _, part in by_shard(batch, 3) for name in part["id"].to_pylist()]
