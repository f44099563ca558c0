"""The page `docs/metrics.md`, made from the table of metrics."""

from pipelines.metrics.table import METRICS, Metric

HEAD = """\
# Metrics

Made by `segone schema metrics` from `pipelines/metrics/table.py`. What a worker counted since it began is served as
Prometheus text at `/metrics`, where `SEGONE_METRICS_PORT` names a port and the run has the option of Beam
`--beam_plugins=pipelines.metrics.on_workers`. A bundle that is repeated counts again: these are rates to watch, and
`run.json` is the proof. `segone top URL` shows them live,
[a dashboard](../deploy/grafana/dashboard.json) over time. What was never counted is not served.

A metric with labels has one counter of Beam for each of their values: `segone_read_rows_total{feed="usage"}` is
`read/usage`. Of a summary `_count`, `_sum` and `_max` are served.

| metric | labels | in Beam | kind | says |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page as Markdown."""
    return HEAD + "".join(map(_row, METRICS))


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    *words, last = [label.upper() for label in metric.labels] or [metric.name]
    beam = f"{' '.join([metric.namespace, *words])}/{last}"
    return f"| `{metric.exported}` | {labels} | `{beam}` | {metric.kind} | {metric.help} |\n"
