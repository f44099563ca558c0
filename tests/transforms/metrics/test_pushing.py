"""Metrics are pushed by OpenTelemetry where the environment says so, and nowhere else."""

import logging
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest

from tests.transforms.metrics.collector import Collector, over_grpc, over_http
from transforms.metrics import pushing
from transforms.metrics.pushing import asked, provider
from transforms.metrics.tally import Tally

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def only_what_tests_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (pushing.DISABLED, pushing.EXPORTERS, *pushing.ENDPOINTS, *pushing.PROTOCOLS):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("protocol", "listening"), [("http/protobuf", over_http()), ("grpc", over_grpc())])
def test_what_is_counted_is_pushed(
    protocol: str, listening: AbstractContextManager[Collector], monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally()
    with listening as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        pushes = provider(tally.values, protocol)
        for count in (3, 5):
            tally.add("signals", "in", 3 if count == 3 else 2)
            tally.add("without usage", "mb", 1)
            tally.set("streams", "watermark_lag_seconds", 2.5 * count)
            tally.observe("ticks", "decide_offers", 10 * count)
            pushes.force_flush(60_000)
            about, told = collector.next()
            assert (about["service.name"], bool(about["service.instance.id"])) == ("segone", True)
            assert told["segone.signals.in", ()] == count
            assert told["segone.streams.watermark_lag_seconds", ()] == 2.5 * count
        assert told["segone.without.value", (("feed", "usage"), ("column", "mb"))] == 2
        of_ticks = {name.rpartition(".")[2]: told[name, labels] for name, labels in told if ".ticks." in name}
        assert of_ticks == {"count": 2, "sum": 80, "max": 50}
        assert len(told) == 6
        pushes.shutdown()


COUNT = "from transforms.shell.tallied import TalliedCounter; TalliedCounter('signals', 'in').inc(3)"


def run(environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", COUNT]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment).stderr


def test_a_process_that_ends_pushes_what_it_counted_and_who_the_environment_says_it_is() -> None:
    mine = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=w7,region=north", "OTEL_SERVICE_NAME": "mine"}
    with over_http() as collector:
        assert run({ENDPOINT: collector.url} | mine) == ""
        about, told = collector.next()
    assert told == {("segone.signals.in", ()): 3}
    assert about | {"service.name": "mine", "service.instance.id": "w7", "region": "north"} == about


def test_a_process_ends_where_nobody_listens() -> None:
    assert run({ENDPOINT: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}) != ""


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({}, None),
        ({ENDPOINT: "http://x"}, "http/protobuf"),
        ({ENDPOINT: ""}, None),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"}, "http/protobuf"),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, "http/protobuf"),
        ({ENDPOINT: "http://x", "OTEL_METRICS_EXPORTER": "none"}, None),
        ({ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "True"}, None),
        ({ENDPOINT: "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {
                ENDPOINT: "http://x",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
            },
            "http/protobuf",
        ),
    ],
)
def test_who_asks_for_what(environment: dict[str, str], protocol: str | None) -> None:
    assert asked(environment) == protocol


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_METRICS_EXPORTER", "prometheus", "give otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "is none of http/protobuf, grpc"),
    ],
)
def test_what_there_is_not_is_told_and_ends_nothing(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    assert pushing.push_if_asked.__wrapped__() is None
    assert told in caplog.text


def test_without_the_extra_it_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(pushing, "import_module", missing)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    with caplog.at_level(logging.ERROR):
        assert pushing.push_if_asked.__wrapped__() is None
    assert "install the extra `otel`" in caplog.text
