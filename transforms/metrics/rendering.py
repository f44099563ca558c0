"""Metrics as Prometheus text, version 0.0.4, and back."""

import re
from collections import defaultdict
from collections.abc import Iterator

from transforms.metrics.table import METRICS, Metric, documented
from transforms.metrics.tally import Summary, Values

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = dict[tuple[str, tuple[str, ...]], float]
"""By the name of a sample and the values of its labels."""

_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'\w+="((?:[^"\\]|\\.)*)",?')
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}


def rendered(values: Values) -> str:
    """Return values as text, in the order of the table; what was never counted is left out.

    Raises:
        UndocumentedMetricError: one is not in the table.
    """
    by_metric: dict[Metric, list[tuple[tuple[str, ...], int | float | Summary]]] = defaultdict(list)
    for key, value in values.items():
        metric, labels = documented(key)
        by_metric[metric].append((labels, value))
    lines = [line for metric in METRICS if metric in by_metric for line in _family(metric, sorted(by_metric[metric]))]
    return "".join(f"{line}\n" for line in lines)


def parsed(text: str) -> Samples:
    """Return the samples of a text that `rendered` made, or another exporter.

    Raises:
        ValueError: a line is none of Prometheus's.
    """
    samples: Samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = _SAMPLE.match(line)
        if found is None:
            raise ValueError(f"`{line}` is not a line of Prometheus text")
        labels = tuple(_unescaped(value) for value in _LABEL.findall(found["labels"] or ""))
        samples[found["name"], labels] = float(found["value"])
    return samples


def _family(metric: Metric, values: list[tuple[tuple[str, ...], int | float | Summary]]) -> Iterator[str]:
    maxima = []
    yield f"# HELP {metric.exported} {metric.help}"
    yield f"# TYPE {metric.exported} {metric.kind}"
    for texts, value in values:
        labels = _labels(metric, texts)
        if metric.kind == "summary":
            assert isinstance(value, Summary), f"{metric.exported} is a distribution"
            yield f"{metric.exported}_count{labels} {value.times}"
            yield f"{metric.exported}_sum{labels} {value.total}"
            maxima.append(f"{metric.exported}_max{labels} {value.greatest}")
        else:
            yield f"{metric.exported}{labels} {value.greatest if isinstance(value, Summary) else value}"
    if maxima:
        yield f"# HELP {metric.exported}_max The greatest of {metric.exported}."
        yield f"# TYPE {metric.exported}_max gauge"
        yield from maxima


def _labels(metric: Metric, values: tuple[str, ...]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(text: str) -> str:
    return re.sub(r'[\\\n"]', lambda found: _ESCAPES[found[0]], text)


def _unescaped(text: str) -> str:
    return re.sub(r'\\[\\n"]', lambda found: _UNESCAPES[found[0]], text)
