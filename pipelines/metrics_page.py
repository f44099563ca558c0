"""The page `docs/metrics.md`, made from the table of metrics."""

from transforms.metrics.table import METRICS, Metric

HEAD = """\
# Metrics

Made by `segone schema metrics` from `transforms/metrics/table.py`. With `SEGONE_METRICS_PORT` in its
environment a worker, or a run that is its own worker, serves what it counted since it began as Prometheus text at
`/metrics` of that port, or of the first free one of the seven after it. A bundle that is repeated counts again: these
are rates to watch, and `run.json` is the proof. `segone top URL` shows them live,
[a dashboard](../deploy/grafana/dashboard.json) over time. What was never counted is not served.

A metric with labels has one counter of Beam for each of their values: `segone_read_rows_total{feed="usage"}` is
`read/usage`. Of a summary `_count`, `_sum` and `_max` are served.

Where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_METRICS_EXPORTER=otlp` is in the environment, the same is pushed by
OpenTelemetry (extra `otel`), labels as attributes: `read/usage` is `segone.read.rows` with `feed`; a summary is three,
as in `segone.ticks.milliseconds.count`. `service.name` is `segone`, `service.instance.id` host and process; its other
variables (`OTEL_EXPORTER_OTLP_PROTOCOL`, `http/protobuf` or `grpc`, headers, `OTEL_METRIC_EXPORT_INTERVAL`,
`OTEL_RESOURCE_ATTRIBUTES`) hold as the SDK of OpenTelemetry has them.

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
