"""What readers and maps make of the files of a run, and whether it is right."""

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import pyarrow as pa

from schemas.contracts import contract
from schemas.errors import LoadError, LoadErrors
from schemas.sources import Source, SourceConfig
from tests.fuzz.case import Case
from transforms.parsing import avro, files, parquet, parquet_batches
from transforms.parsing.batches import Intent, by_shard, signal_batches
from transforms.parsing.files import RawFile, Reading, layout, raw_file, read_split, reading, splits
from transforms.parsing.layouts import misfits
from transforms.parsing.mapping import Mapper, compile_mapper
from transforms.parsing.raw import POSITION, Rejection, Unreadable, rejected_batch
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.parsing.unpacked import unpacked

PAYLOAD = ("mb", "kind", "peer")
MOST_SECONDS = 20
LATEST = 4_000_000_000_000
MAX_RECORD_BYTES = 1 << 16
_MAPPED = ("map", "columns", "without_id")
_SMALL = {
    files: {"SPLIT_BYTES": 500},
    avro: {"GROUP_BYTES": 100, "BLOCK_ROWS": 3},
    parquet: {"BLOCK_BYTES": 200, "BLOCK_ROWS": 5},
    parquet_batches: {"BLOCK_BYTES": 200, "BLOCK_ROWS": 5},
}


@dataclass
class Found:
    """Ids that were read, and what was rejected."""

    ids: list[str] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """How a case went.

    Attributes:
        wrong: What is wrong with it, or nothing.
        refused: Whether the run told of mistakes at its start.
        accepted: Rows of the case that became signals.
        rejected: Its rejections.
    """

    wrong: str = ""
    refused: bool = False
    accepted: int = 0
    rejected: int = 0


def judged(case: Case, beside: Case, *, small: bool) -> Verdict:
    """Return how a run over a case and its good neighbour goes; raise what a run would end with.

    Args:
        case: The file that may be bad.
        beside: The good one.
        small: Whether limits are so low that a file of a few rows has several parts.
    """
    started = time.process_time()
    try:
        with _small_parts() if small else ExitStack():
            found = read(sorted((case, beside), key=lambda file: file.name))
    except LoadErrors as mistakes:
        return Verdict(_of_mistakes(mistakes.errors, beside), refused=True)
    if time.process_time() - started > MOST_SECONDS:
        return Verdict("it takes for ever")
    its = found[case.name]
    private = bool(case.config.get("pseudonymise"))
    rejected_batch(case.name, "Fuzz", its.rejected, private=private).validate(full=True)
    wrong = _of_case(case, its) or _of_neighbour(beside, found[beside.name])
    return Verdict(wrong, accepted=len(its.ids), rejected=len(its.rejected))


def _of_mistakes(errors: Sequence[LoadError], beside: Case) -> str:
    """Return what is wrong with mistakes that are told at the start."""
    told = "\n".join(map(str, errors)).encode()
    harmed = "columns" not in beside.config and any(error.file == beside.name for error in errors)
    return f"the good file is refused: {told.decode()}" if harmed or not told else ""


def _of_case(case: Case, found: Found) -> str:
    if lost := case.told - set(found.ids):
        return f"{len(lost)} sound records are not there, as {min(lost)}; rejected: {found.rejected[:3]}"
    return ""


def _of_neighbour(beside: Case, found: Found) -> str:
    whole = len(found.ids) == len(beside.sure) and beside.told <= set(found.ids) and not found.rejected
    return "" if whole or "columns" in beside.config else f"the good file {beside.name} is harmed: {found}"


def read(cases: Sequence[Case]) -> dict[str, Found]:
    """Read the files of one source as a run does: all are looked at before any is read.

    Raises:
        LoadErrors: mistakes that are told at the start.
    """
    config = cases[0].config
    source, _, what = _source(_told(config))
    found = {case.name: Found() for case in cases}
    opened = [(case, raw_file(case.name, len(case.data), source)) for case in cases]
    if errors := [error for case, file in opened for error in _mistakes(case, file)]:
        raise LoadErrors(errors)
    intent = Intent(source, PAYLOAD, frozenset({"subscriber"}), 0, LATEST, b"key")
    for case, file in opened:
        for rows in _raw_blocks(case, file, what, found[case.name].rejected):
            types = {one.name: one.type for one in rows.schema if one.name != POSITION}
            _parse(rows, _mapper(config, types), intent, found[case.name])
    return found


def _told(config: Mapping[str, Any], names: Sequence[str] | None = None) -> str:
    """Return what a source is configured to, as JSON; of some names only."""
    return json.dumps({name: config[name] for name in config if names is None or name in names}, sort_keys=True)


@lru_cache(1_000)
def _source(told: str) -> tuple[Source, tuple[str, ...], Reading]:
    """Return a source as JSON with the fields to make and what to read for them."""
    source = Source(contract("usage"), SourceConfig.model_validate_json(told, strict=False))
    fields = made_fields(source, PAYLOAD)
    return source, fields, reading(source, raw_types(source, fields), MAX_RECORD_BYTES)


def _mapper(config: Mapping[str, Any], layout: Mapping[str, pa.DataType]) -> Mapper:
    """Return what makes the fields of a source of some columns; raises as `compile_mapper` does."""
    used = _source(_told(config))[2].types
    made = _compiled(_told(config, _MAPPED), tuple((name, layout[name]) for name in used if name in layout))
    if isinstance(made, list):
        raise LoadErrors(made)  # one that is kept would keep the frames that it passed, and their files
    return made


@lru_cache(2_000)
def _compiled(told: str, layout: tuple[tuple[str, pa.DataType], ...]) -> Mapper | list[LoadError]:
    source, fields, _ = _source(told)
    try:
        return compile_mapper(source, fields, dict(layout))
    except LoadErrors as mistakes:
        return list(mistakes.errors)


def _mistakes(case: Case, file: RawFile) -> Sequence[LoadError]:
    """Return what is told of a file before any is read."""
    source, fields, what = _source(_told(case.config))
    try:
        columns = layout(lambda: _opened(case, file), file, what)
    except Unreadable:
        return ()
    if not columns.columns:
        return ()
    if wrong := misfits(source, file.path, fields, what.types, columns):
        return wrong
    try:
        _mapper(case.config, columns.types if columns.whole else what.types)
    except LoadErrors as mistakes:
        return mistakes.errors
    return ()


def _raw_blocks(case: Case, file: RawFile, what: Reading, rejected: list[Rejection]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, and add its rejections to those there are."""
    try:
        ranges = splits(lambda: _opened(case, file), file, what)
    except Unreadable as error:
        rejected.append(error.rejection)
        return
    for start, stop in ranges:
        for rows, refused in read_split(lambda: _opened(case, file), file, start, stop, what):
            rejected += refused
            if rows.num_rows:
                yield rows


def _opened(case: Case, file: RawFile) -> Any:
    stream = io.BytesIO(case.data)
    return unpacked(stream, file.compression) if file.compression else stream


def _parse(rows: pa.RecordBatch, mapper: Mapper, intent: Intent, found: Found) -> None:
    batches, rejected = signal_batches(rows, mapper, intent)
    assert sum(batch.num_rows for batch in batches) + len(rejected) == rows.num_rows
    found.rejected += rejected
    for batch in batches:
        batch.validate(full=True)
        found.ids += [name for _, part in by_shard(batch, 3) for name in part["id"].to_pylist()]


@contextmanager
def _small_parts() -> Iterator[None]:
    """Let files of a few rows have several parts."""
    with ExitStack() as stack:
        for module, limits in _SMALL.items():
            stack.enter_context(patch.multiple(module, **limits))
        yield
