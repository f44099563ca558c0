"""What Beam counted in a job: exact on FnApiRunner and Prism, while they run too; empty on Flink until a job ends."""

from collections import Counter
from typing import Any

from apache_beam.runners.runner import PipelineResult

from pipelines.metrics.table import is_ours
from transforms.shell.tally import Key, Summary, Values


def values_of(result: PipelineResult) -> Values:
    """Return the metrics of this project, of all steps together; Beam's own are left out.

    Counters and distributions are summed over the steps; of a gauge the greatest counts.
    """
    found = result.metrics().query()
    counters: Counter[Key] = Counter()
    for one in _ours(found["counters"]):
        counters[_key(one)] += one.result
    summaries: dict[Key, Summary] = {}
    for one in _ours(found["distributions"]):
        summaries[_key(one)] = _together(summaries.get(_key(one), Summary()), one.result)
    gauges: dict[Key, int] = {}
    for one in _ours(found["gauges"]):
        gauges[_key(one)] = max(gauges.get(_key(one), one.result.value), one.result.value)
    return {**counters, **summaries, **gauges}


def _ours(results: list[Any]) -> list[Any]:
    return [one for one in results if is_ours(one.key.metric.namespace) and one.result is not None]


def _key(one: Any) -> Key:
    return one.key.metric.namespace, one.key.metric.name


def _together(before: Summary, found: Any) -> Summary:
    greatest = max(before.greatest, found.max) if before.times else found.max
    return Summary(before.times + found.count, before.total + found.sum, greatest)
