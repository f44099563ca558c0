"""Files of outputs as frames: a path names one file, whatever signs are in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl


def place_of(file: Path | str) -> Path:
    """Return the absolute path of a file: a `~` in it is nobody's home."""
    return Path(file).absolute()


def parquet_frame(file: Path | str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the rows of a Parquet file.

    Raises:
        FileNotFoundError: it is not there.
    """
    return pl.read_parquet(place_of(file), columns=None if columns is None else [*columns], glob=False)


def parquet_scan(file: Path | str) -> pl.LazyFrame:
    """Return the rows of a Parquet file, to be read where they are needed."""
    return pl.scan_parquet(place_of(file), glob=False)


def jsonl_frame(file: Path | str, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Return the rows of a file of JSON Lines.

    Raises:
        FileNotFoundError: it is not there.
    """
    with Path(file).open("rb") as stream:
        return pl.read_ndjson(stream, schema={**schema})
