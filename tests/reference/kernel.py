"""The kernel in the words of the reference: signals in as batches, transitions, triggers and contexts out."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa

from schemas.contracts import contract
from schemas.records import TOO_LARGE
from tests.reference.records import Address, Context, Signal, Transition, Trigger, ms
from transforms.compiler.context_plan import ContextPlan
from transforms.context.advance import Advanced, advance
from transforms.context.erasure.erase import Erased
from transforms.context.groups.recipients import ADDRESS


class Kernel:
    """One shard, advanced by the kernel; the attributes are those of `Reference`.

    Attributes:
        advanced: What came of the last call.
        stats: What was told of segments.
    """

    def __init__(self, plan: ContextPlan) -> None:
        """Start without state."""
        self.plan = plan
        self.advanced: Advanced | None = None
        self.transitions: list[Transition] = []
        self.triggers: list[Trigger] = []
        self.evidence: dict[Transition, Mapping[str, object] | None] = {}
        self.contexts: dict[tuple[str, int], Context] = {}
        self.sizes: set[tuple[str, str, int, bool]] = set()
        self.counts: Counter[str] = Counter(applied=0, duplicates=0, late=0, rejected=0, erased=0)
        self.stats: list[pa.RecordBatch] = []

    def advance(
        self, signals: Iterable[Signal], upto: int, *, final: bool = False, feeds: Iterable[pa.RecordBatch] = ()
    ) -> None:
        """Advance over one span; what waits is given again, as a shell does."""
        state, waiting = (self.advanced.dump(), self.advanced.waiting) if self.advanced else (None, [])
        self.take(advance(self.plan, state, [*waiting, *feeds, *batches(self.plan, signals)], upto, final=final))

    def take(self, advanced: Advanced) -> None:
        """Note what came of a call."""
        self.advanced = advanced
        self.counts.update({key: count for key, count in advanced.counts.items() if key != "pending"})
        self.counts["pending"] = advanced.counts["pending"]
        for row in advanced.outputs.transitions.to_pylist():
            self.transitions.append(transition(row))
            self.evidence[self.transitions[-1]] = row["evidence"] and json.loads(row["evidence"])
        self.stats += advanced.outputs.stats.to_batches()
        self.triggers += map(_trigger, advanced.outputs.triggers.to_pylist())
        for row in (row for batch in advanced.facts if is_fact(batch) for row in batch.to_pylist()):
            if row["segment"] == f"{row['root_kind']}.{TOO_LARGE}":
                assert row["subject"] == row["root"]
                self.sizes.add((row["root_kind"], row["root"], row["tick"], row["member"]))
        for row in advanced.outputs.contexts.to_pylist():
            self.contexts[row["subject"], ms(row["tick"])] = _context(row)

    def take_erased(self, erased: Erased) -> None:
        """Note what erasures came to."""
        pending = self.counts["pending"] + erased.counts["pending"]
        self.counts.update(erased.counts)
        self.counts["pending"] = pending
        self.stats += [batch for table in erased.stats for batch in table.to_batches()]
        for row in (row for table in erased.transitions for row in table.to_pylist()):
            self.transitions.append(transition(row))
            self.evidence[self.transitions[-1]] = None


def is_fact(batch: pa.RecordBatch) -> bool:
    """Tell facts from notices."""
    return batch.schema.metadata[b"signal"] == b"fact"


def batches(plan: ContextPlan, signals: Iterable[Signal]) -> list[pa.RecordBatch]:
    """Return one batch for each signal type, with the columns that the plan takes."""
    by_type: dict[str, list[Signal]] = defaultdict(list)
    for row in signals:
        by_type[row.signal].append(row)
    return [batch(name, plan.level, plan.signals[name].columns, rows) for name, rows in by_type.items()]


def batch(name: str, kind: str, payload: Iterable[str], rows: list[Signal]) -> pa.RecordBatch:
    """Return signals of one type, about subjects of one kind."""
    fields = [pa.field(key, pa.string()) for key in ("id", "source")]
    fields += [pa.field("time", pa.int64()), pa.field("subject", pa.string())]
    fields += [pa.field(column, contract(name).by_name[column].type) for column in payload]
    envelope = ("id", "source", "time", "subject")
    table = [{key: getattr(row, key) for key in envelope} | _present(row, payload) for row in rows]
    schema = pa.schema(fields, {b"signal": name.encode(), b"subject_kind": kind.encode()})
    return pa.RecordBatch.from_pylist(table, schema)


def _present(row: Signal, payload: Iterable[str]) -> dict[str, object]:
    return {column: row.payload.get(column) for column in payload}


def transition(row: Mapping[str, object]) -> Transition:
    """Return one row of the transitions table."""
    told = (row[key] for key in ("subject", "kind", "name", "event", "reason", "late"))
    return Transition(ms(row["tick"]), *told)


def _trigger(row: Mapping[str, object]) -> Trigger:
    made = {key: value for key, value in (row["evidence"].get("trigger") or {}).items() if value is not None}
    address = Address(**{key: row[key] for key in ADDRESS})
    return Trigger(ms(row["tick"]), row["subject"], row["trigger"], row["late"], _context(row), made, address)


def _context(row: Mapping[str, object]) -> Context:
    values = {name: value for name, value in row["context"].items() if not isinstance(value, dict)}
    for name in row["context"].keys() - values.keys():
        values |= {f"{name}.{key}": value for key, value in row["context"][name].items()}
    return Context(values, tuple(row["segments"]))
