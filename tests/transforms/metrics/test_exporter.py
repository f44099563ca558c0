"""Metrics are served over HTTP, of this process and of a job, and `segone top` shows them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.top import Polled, UnreachableError, poll, rates, watched
from transforms.metrics import serving
from transforms.metrics.exporter import Exporter
from transforms.metrics.rendering import CONTENT_TYPE, parsed
from transforms.metrics.tally import TALLY, Tally
from transforms.shell.tallied import TalliedCounter, TalliedDistribution, TalliedGauge


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def exporter(tally: Tally) -> Iterator[Exporter]:
    with Exporter(tally.values) as serving:
        yield serving


def test_a_scrape_tells_what_is_counted_now(tally: Tally, exporter: Exporter) -> None:
    for expected in (2.0, 4.0):
        tally.add("signals", "in", 2)
        with urlopen(exporter.url) as response:
            assert response.headers["Content-Type"] == CONTENT_TYPE
            assert parsed(response.read().decode()) == {("segone_signals_in_total", ()): expected}


def test_there_is_nothing_else(exporter: Exporter) -> None:
    with pytest.raises(HTTPError, match="404") as caught:
        urlopen(exporter.url.replace("/metrics", "/"))
    caught.value.close()


def test_a_scrape_that_is_broken_off_ends_nothing(tally: Tally, exporter: Exporter) -> None:
    with socket.create_connection(("127.0.0.1", exporter.port)) as client:
        client.sendall(b"GET /metr")
    connection = HTTPConnection("127.0.0.1", exporter.port, timeout=5)
    connection.request("GET", "/metrics?x=1")
    assert connection.getresponse().status == 200
    connection.close()


def said(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment).stdout


def test_a_process_with_an_exporter_ends() -> None:
    code = "from transforms.metrics.exporter import Exporter; print(Exporter(dict).port > 0)"
    assert said(code, {}) == "True\n"


def test_workers_of_one_machine_find_a_port_each(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        first = taken.getsockname()[1]
        with serving.serve(first) as exporter:
            assert first < exporter.port < first + serving.PORTS
        monkeypatch.setattr(serving, "PORTS", 1)
        with pytest.raises(OSError, match=f"{serving.PORT}={first}: no port from {first} to {first} is free"):
            serving.serve(first)


COUNT = (
    "from transforms.metrics.serving import serve_if_asked; from transforms.shell.tallied import TalliedCounter;"
    "from pipelines.top import poll; TalliedCounter('signals', 'in').inc(3);"
    "print(serve_if_asked() and poll([serve_if_asked().url]).samples)"
)


def test_a_process_serves_what_it_counts_if_its_environment_says_so() -> None:
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    assert said(COUNT, {serving.PORT: str(port)}) == "{('segone_signals_in_total', ()): 3.0}\n"


@pytest.mark.parametrize(
    ("port", "told"),
    [("", ""), ("none", "invalid literal"), ("99999", "SEGONE_METRICS_PORT=99999: is no port"), ("0", "is no port")],
)
def test_a_process_that_cannot_serve_counts_all_the_same(
    port: str, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(serving.PORT, port)
    assert serving.serve_if_asked.__wrapped__() is None
    assert told in caplog.text


def test_counters_count_in_this_process_too() -> None:
    TalliedCounter("gates", "of_a_test").inc(5)
    TalliedDistribution("ticks", "of_a_test").update(-3)
    TalliedGauge("watermark", "of_a_test").set(7)
    values = TALLY.values()
    assert values["gates", "of_a_test"] == 5
    assert values["ticks", "of_a_test"] == (1, -3, -3)
    assert values["watermark", "of_a_test"] == 7


def test_several_workers_are_added_up(tally: Tally, exporter: Exporter) -> None:
    tally.add("signals", "in", 5)
    tally.set("streams", "watermark_lag_seconds", 2.5)
    other = Tally()
    other.add("signals", "in", 6)
    other.set("streams", "watermark_lag_seconds", 7.25)
    with Exporter(other.values) as second:
        polled = poll([exporter.url, f"127.0.0.1:{second.port}"]).samples
    assert polled == {("segone_signals_in_total", ()): 11.0, ("segone_streams_watermark_lag_seconds", ()): 7.25}


IN, LAG = ("segone_signals_in_total", ()), ("segone_streams_watermark_lag_seconds", ())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({IN: 10.0}, {IN: 30.0}, {IN: 10.0}),
        ({}, {IN: 4.0}, {IN: 2.0}),
        ({IN: 10.0}, {IN: 4.0}, {IN: 2.0}),  # its process began anew
        ({LAG: 1.0}, {LAG: 3.0}, {}),
    ],
)
def test_rates(before: dict, after: dict, expected: dict) -> None:  # type: ignore[type-arg]
    assert rates(Polled(before, 100.0), Polled(after, 102.0)) == expected


def test_top_once(tally: Tally, exporter: Exporter) -> None:
    tally.add("read", "usage\x1b[2J", 12_345)
    found = CliRunner().invoke(app, ["top", "--once", exporter.url])
    assert found.exit_code == 0
    assert r"read_rows usage\x1b[2J  12,345" in found.stdout


def test_top_goes_on_until_the_job_ends(tally: Tally) -> None:
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        tally.add("signals", "in", 3)
        if len(waited) == 3:
            serving.close()

    serving = Exporter(tally.values)
    tables = watched([serving.url], wait=wait)
    with pytest.raises(UnreachableError, match="no metrics there"):
        list(tables)
    assert waited == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:1", "http://127.0.0.1:1/metrics: no metrics there"),
        ("file:///etc/hosts", "file:///etc/hosts: is not of http"),
        ("http://[", "is no URL"),
    ],
)
def test_top_tells_what_is_wrong(url: str, message: str) -> None:
    found = CliRunner().invoke(app, ["top", "--once", url])
    assert found.exit_code == 1
    assert message in found.stderr
