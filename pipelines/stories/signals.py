"""Signals of stories as column batches."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa

from pipelines.stories.story import Signal
from schemas.contracts import Contract
from schemas.playbook_levels import GROUPS
from schemas.versions import Versions
from transforms.context.erasures.requests import ERASURE
from transforms.parsing.batches import signal_schema
from transforms.pseudonym_key import key_at_hand
from transforms.versions import contracts_of, load_contexts

SALT = b"stories have no secrets"
"""Of what is kept of those who are erased."""


def salted() -> AbstractContextManager[None]:
    """Let runs find a key in the environment; one that is set stays."""
    return key_at_hand(SALT.decode())


def of_group(batch: pa.RecordBatch) -> bool:
    """Tell whether signals are about households or SMEs."""
    return batch.schema.metadata[b"subject_kind"].decode() in GROUPS


def of_subscriber(batch: pa.RecordBatch) -> bool:
    """Tell whether signals are for the shards of subscribers: those about subscribers, and erasures of groups."""
    return not of_group(batch) or batch.schema.metadata[b"signal"] == ERASURE.encode()


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
