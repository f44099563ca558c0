"""Pushes what this process counted by OpenTelemetry, where its environment asks for it as any SDK of it is asked."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from transforms.metrics.table import METRICS, Metric, documented
from transforms.metrics.tally import TALLY, Summary, Values

DISABLED = "OTEL_SDK_DISABLED"
EXPORTERS = "OTEL_METRICS_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
"""Environment variables: what is there of `PROTOCOLS` and `ENDPOINTS` first counts."""

BY_PROTOCOL = {"http/protobuf": "http", "grpc": "grpc"}

_log = logging.getLogger(__name__)


@cache
def push_if_asked() -> Any | None:
    """Push from now on, once in a process, if the environment says so; if it cannot be, an error is logged.

    Returns:
        The provider that does it, None if there is none. What is counted after its last push is pushed when the process
        ends by itself; of one that is killed it is lost.
    """
    try:
        protocol = asked(os.environ)
        return None if protocol is None else provider(TALLY.values, protocol)
    except ImportError as error:  # counting is an aside: it does not end a pipeline
        _log.error("no metrics are pushed: %s; install the extra `otel`", error)
    except ValueError as error:
        _log.error("no metrics are pushed: %s", error)
    return None


def asked(environment: Mapping[str, str]) -> str | None:
    """Return the protocol by which an environment asks for metrics, None if it does not.

    Raises:
        ValueError: it asks for what there is not.
    """
    given = {name: environment[name] for name in (EXPORTERS, *ENDPOINTS, *PROTOCOLS) if environment.get(name)}
    default = "otlp" if any(name in given for name in ENDPOINTS) else "none"
    exporters = {name.strip() for name in given.get(EXPORTERS, default).split(",")}
    if environment.get(DISABLED, "").lower() == "true" or exporters <= {"none", ""}:
        return None
    if other := sorted(exporters - {"otlp", "none", ""}):
        raise ValueError(f"{EXPORTERS}={','.join(other)}: give otlp or none; Prometheus is SEGONE_METRICS_PORT")
    protocol = next((given[name] for name in PROTOCOLS if name in given), "http/protobuf")
    if protocol not in BY_PROTOCOL:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: is none of {', '.join(BY_PROTOCOL)}")
    return protocol


def provider(values: Callable[[], Values], protocol: str) -> Any:
    """Return what pushes, by the settings of the environment: where to, how often, with which headers.

    Args:
        values: Gives what is counted now; it is called by a thread of its own.
        protocol: One of `BY_PROTOCOL`.

    Raises:
        ImportError: the extra `otel` is not installed.
    """
    sdk = import_module("opentelemetry.sdk.metrics")
    reader = import_module("opentelemetry.sdk.metrics.export").PeriodicExportingMetricReader
    exporter = import_module(f"opentelemetry.exporter.otlp.proto.{BY_PROTOCOL[protocol]}.metric_exporter")
    made = sdk.MeterProvider([reader(exporter.OTLPMetricExporter())], _resource())
    meter = made.get_meter("segone", version("segment-of-one"))
    for metric in METRICS:
        _observe(meter, metric, values)
    return made


def _resource() -> Any:
    """Return who this process is; the environment may say more, and other than this."""
    resources = import_module("opentelemetry.sdk.resources")
    ours = {
        "service.name": "segone",
        "service.version": version("segment-of-one"),
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return resources.Resource.create(ours).merge(resources.OTELResourceDetector().detect())


def _observe(meter: Any, metric: Metric, values: Callable[[], Values]) -> None:
    """Make the instruments of a metric: one, of a summary those of its count, sum and greatest."""
    name = f"segone.{metric.namespace}.{metric.name}"
    counter, gauge = meter.create_observable_counter, meter.create_observable_gauge
    made = {"counter": {"": counter}, "gauge": {"": gauge}}
    made["summary"] = {".count": counter, ".sum": counter, ".max": gauge}
    for suffix, create in made[metric.kind].items():
        callback = partial(_observations, metric, suffix, values)
        create(f"{name}{suffix}", callbacks=[callback], description=metric.help)


def _observations(metric: Metric, suffix: str, values: Callable[[], Values], _: Any) -> Iterable[Any]:
    observation = import_module("opentelemetry.metrics").Observation
    for key, value in values().items():
        known, labels = documented(key)
        if known is metric:
            yield observation(_number(value, suffix), dict(zip(metric.labels, labels, strict=True)))


def _number(value: int | float | Summary, suffix: str) -> int | float:
    if not isinstance(value, Summary):
        return value
    return {".count": value.times, ".sum": value.total}.get(suffix, value.greatest)
