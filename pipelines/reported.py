"""What is reported of offers: `outcome` signals from files, read and checked as a run does."""

from collections.abc import Iterator, Sequence
from functools import partial
from glob import glob
from pathlib import Path

import polars as pl
import pyarrow as pa

from pipelines.failures import Failure
from pipelines.settings import EARLIEST
from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.playbook_levels import LEVELS
from schemas.sources import Source
from schemas.visible import visible
from transforms.parsing.batches import Intent, signal_batches
from transforms.parsing.files import RawFile, Reading, layout, raw_file, read_split, reading, splits
from transforms.parsing.layouts import misfits
from transforms.parsing.mapping import compile_mapper
from transforms.parsing.raw import Unreadable, raw_layout
from transforms.parsing.raw_types import made_fields, raw_types
from transforms.read_signals import MAX_RECORD_BYTES
from transforms.shell.found_files import open_raw

ACCEPTED = ("accepted", "fulfilled")
"""Results that say that the customer took an offer up."""

_PAYLOAD = ("decision_id", "result")


class NoOutcomesError(Failure):
    """Files of outcomes are not there, or cannot be read."""


def outcomes_in(patterns: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Return what was reported of decisions, and how many records are no outcomes.

    Columns: decision_id, accepted; one row for each decision of which anything was reported.

    Args:
        patterns: Files of `outcome` signals, or patterns of them, in any format that a run reads.

    Raises:
        NoOutcomesError: a pattern names no file, or a file cannot be read.
        LoadErrors: a file is of no known format, or lacks a column.
    """
    source = Source(contract("outcome"))
    intent = Intent(source, _PAYLOAD, frozenset(LEVELS), EARLIEST, 2**62)
    what = reading(source, raw_types(source, made_fields(source, _PAYLOAD)), MAX_RECORD_BYTES)
    tables, refused = [pl.DataFrame(schema=dict.fromkeys(_PAYLOAD, pl.String))], 0
    for path in _files(patterns):
        for batches, rejected in _read(raw_file(str(path), path.stat().st_size, source), what, intent):
            tables += [pl.DataFrame(pa.table(batch).select(_PAYLOAD)) for batch in batches]
            refused += rejected
    known = pl.concat(tables).drop_nulls("decision_id")
    return known.group_by("decision_id").agg(accepted=pl.col("result").is_in(ACCEPTED).any()), refused


def _files(patterns: Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        paths = [Path(name) for name in sorted(glob(pattern)) if Path(name).is_file()]
        if not paths:
            told = f"--outcomes {visible(pattern)}: there is no such file"
            raise NoOutcomesError(f"{told}; name files of `outcome` signals")
        found |= dict.fromkeys(paths)
    return [*found]


def _read(file: RawFile, what: Reading, intent: Intent) -> Iterator[tuple[list[pa.RecordBatch], int]]:
    """Yield batches of a file, and how many records of it were refused."""
    opened, fields = partial(open_raw, file), made_fields(intent.source, intent.payload)
    try:
        if wrong := misfits(intent.source, file.path, fields, what.types, layout(opened, file, what)):
            raise LoadErrors([*wrong])
        for start, stop in splits(opened, file, what):
            for rows, malformed in read_split(opened, file, start, stop, what):
                mapper = compile_mapper(intent.source, fields, raw_layout(rows.schema))
                batches, refused = signal_batches(rows, mapper, intent)
                yield batches, len(malformed) + len(refused)
    except Unreadable as error:
        raise NoOutcomesError(f"--outcomes {visible(file.path)}: cannot be read: {visible(str(error))}") from error
