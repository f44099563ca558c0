"""Writing the simulated town's signals, a file a type, in the columns of their contracts."""

import hashlib
import json
from pathlib import Path
from typing import IO, Any, Literal

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from fastavro.write import Writer

from pipelines.contracts import schema_text
from schemas.contracts import Contract, contract

FileFormat = Literal["parquet", "avro", "jsonl", "csv"]
METADATA = {"simulated": "true", "about": "A town that does not exist. Nothing in here is real."}
ROW_GROUP = 1 << 18
TEXT_TIME = "%Y-%m-%dT%H:%M:%S%.3fZ"
POLARS_TYPES = {pa.string(): pl.String(), pa.int64(): pl.Int64(), pa.float64(): pl.Float64(), pa.bool_(): pl.Boolean()}


class SignalFile:
    """One file of one signal type, written part by part; `count` is the number of signals so far."""

    def __init__(self, folder: Path, signal: str, file_format: FileFormat) -> None:
        """Create the file."""
        self.path = folder / f"{signal}.{file_format}"
        self.count = 0
        self._contract = contract(signal)
        self._format = file_format
        self._file: IO[bytes] = self.path.open("wb")
        self._parquet: pq.ParquetWriter | None = None
        self._avro = _avro_writer(self._file, signal) if file_format == "avro" else None

    def write(self, signals: pl.DataFrame) -> None:
        """Append signals, in their order."""
        complete = signals.select(_columns(self._contract, signals.columns))
        if self._avro:
            for row in complete.iter_rows(named=True):
                self._avro.write(row)
        elif self._format == "parquet":
            self._write_parquet(complete)
        else:
            text = complete.with_columns(pl.from_epoch("time", "ms").dt.strftime(TEXT_TIME))
            if self._format == "jsonl":
                text.write_ndjson(self._file)
            else:
                text.write_csv(self._file, include_header=self.count == 0)
        self.count += len(signals)

    def close(self) -> None:
        """Finish the file."""
        if self._parquet:
            self._parquet.close()
        if self._avro:
            self._avro.flush()
        self._file.close()

    def _write_parquet(self, signals: pl.DataFrame) -> None:
        if self._parquet is None:
            fields = list(self._contract.arrow_schema())
            instant = {"time": pa.timestamp("ms", "UTC")}
            schema = pa.schema([field.with_type(instant.get(field.name, field.type)) for field in fields], METADATA)
            names = [field.name for field in fields if field.name not in ("id", "time")]
            self._parquet = pq.ParquetWriter(self._file, schema, compression="zstd", use_dictionary=names)
        self._parquet.write_table(signals.to_arrow().cast(self._parquet.schema), ROW_GROUP)


def _avro_writer(file: IO[bytes], signal: str) -> Any:
    """Return a writer of a contract's signals: equal signals give equal bytes."""
    text = schema_text(signal)
    marker = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return Writer(file, fastavro.parse_schema(json.loads(text)), codec="deflate", metadata=METADATA, sync_marker=marker)


def _columns(of: Contract, given: list[str]) -> list[pl.Expr]:
    """Return the columns of a contract: those given, the default kind of subject, nulls."""
    missing = {"subject_kind": of.subject_kind_default}
    return [
        (pl.col(field.name) if field.name in given else pl.lit(missing.get(field.name)))
        .cast(POLARS_TYPES[field.type])
        .alias(field.name)
        for field in of.fields
    ]
