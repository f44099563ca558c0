"""Signals of stories as column batches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from pipelines.stories.story import Signal
from schemas.playbook import Playbook
from transforms.context.levels import columns_read
from transforms.context.plan import contracts, load_plans
from transforms.parsing.batches import signal_schema


def batches(playbook: Playbook, signals: Iterable[Signal]) -> list[pa.RecordBatch]:
    """Return a batch for each type of signal and kind of subject, with the columns that the playbook takes."""
    columns = columns_read(load_plans(playbook))
    rows: dict[tuple[str, str], list[Signal]] = defaultdict(list)
    for signal in signals:
        rows[signal.signal, signal.subject_kind].append(signal)
    return [_batch(playbook, name, kind, columns[name], mine) for (name, kind), mine in rows.items()]


def _batch(playbook: Playbook, name: str, kind: str, payload: Sequence[str], rows: list[Signal]) -> pa.RecordBatch:
    schema = signal_schema(contracts(playbook)[name], kind, payload)
    nothing = dict.fromkeys(payload)
    table = [
        {**nothing, **row.payload, "id": row.id, "source": row.source, "time": row.time, "subject": row.subject}
        for row in rows
    ]
    return pa.RecordBatch.from_pylist(table, schema)
