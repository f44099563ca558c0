"""Runs ReadSignals and ParseSignals over files, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from schemas.contracts import contract
from schemas.sources import Source, SourceConfig
from transforms.parse_signals import ParseSignals
from transforms.read_signals import ReadSignals
from transforms.shell.packed_batch import PackedBatch

PAYLOAD = ("mb", "kind")


@dataclass
class Outcome:
    """What came out: signals and notices about everybody with their shard, rejected rows, and the counters."""

    signals: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    controls: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def reasons(self) -> list[tuple[str, str]]:
        """Return position and reason of each rejection, sorted."""
        return sorted((row["position"], row["reason"]) for row in self.rejected)

    def ids(self) -> list[str]:
        """Return the ids of the signals, sorted."""
        return sorted(row["id"] for _, row in self.signals)


def run_signals(
    patterns: Sequence[str | Path],
    *,
    signal: str = "usage",
    payload: Sequence[str] = PAYLOAD,
    controls: pa.Schema | None = None,
    shards: int = 3,
    as_of: int = 10_000,
    **config: Any,
) -> Outcome:
    """Read files of one signal and parse them."""
    outcome = Outcome()
    source = Source(contract(signal), SourceConfig.model_validate(config))
    pipeline = beam.Pipeline(FnApiRunner())
    read = pipeline | ReadSignals(source=source, patterns=[str(path) for path in patterns], payload=payload)
    parsed = read.blocks | ParseSignals(
        sources={signal: source},
        payloads={signal: payload},
        kinds=frozenset({"subscriber"}),
        earliest=0,
        as_of=as_of,
        max_ahead=0,
        tick=60_000,
        controls=controls,
        shards=shards,
    )
    assert parsed.signals.element_type == beam.typehints.Tuple[int, PackedBatch]
    assert parsed.rejected.element_type == read.blocks.element_type == read.rejected.element_type == pa.RecordBatch
    signals = _collected(parsed.signals, "Signals")
    rejected = _collected((read.rejected, parsed.rejected) | beam.Flatten(), "Rejected")
    told = _collected(parsed.controls, "Controls")
    result = pipeline.run()
    outcome.controls = [(shard, row) for shard, packed in told for row in packed.open().to_pylist()]
    for shard, packed in signals:
        rows = packed.open().to_pylist()
        assert (packed.earliest, packed.latest) == (min(row["time"] for row in rows), max(row["time"] for row in rows))
        outcome.signals += [(shard, row) for row in rows]
    outcome.rejected = [row for batch in rejected for row in batch.to_pylist()]
    found = result.metrics().query(beam.metrics.MetricsFilter().with_namespace("signals"))["counters"]
    for counter in found:
        outcome.counts[counter.key.metric.name] = outcome.counts.get(counter.key.metric.name, 0) + counter.committed
    return outcome


_KEPT: dict[str, list[Any]] = {}


def _collected(elements: Any, name: str) -> list[Any]:
    """Return a list that the pipeline, which runs in this process, will fill."""
    kept = _KEPT[name] = []
    _ = elements | name >> beam.ParDo(_Keep(name))
    return kept


class _Keep(beam.DoFn):
    def __init__(self, name: str) -> None:
        self._name = name

    def process(self, element: Any) -> None:
        _KEPT[self._name].append(element)
