"""Signals of stories as column batches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from pipelines.stories.story import Signal
from schemas.contracts import Contract
from schemas.versions import Versions
from transforms.parsing.batches import signal_schema
from transforms.versions import contracts_of, load_contexts


def batches(versions: Versions, signals: Iterable[Signal]) -> list[pa.RecordBatch]:
    """Return a batch for each type of signal and kind of subject, with the columns that the playbook takes."""
    known, columns = contracts_of(versions), load_contexts(versions).columns
    rows: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for signal in signals:
        rows[signal.signal, signal.subject_kind].append(signal)
    return [_batch(known[name], kind, columns[name], mine) for (name, kind), mine in rows.items()]


def _batch(contract: Contract, kind: str, payload: Sequence[str], rows: list[Signal]) -> pa.RecordBatch:
    schema = signal_schema(contract, kind, payload)
    nothing = dict.fromkeys(payload)
    table = [
        {**nothing, **row.payload, "id": row.id, "source": row.source, "time": row.time, "subject": row.subject}
        for row in rows
    ]
    return pa.RecordBatch.from_pylist(table, schema)
