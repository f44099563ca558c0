"""Logs are structured and tell nobody who a customer is."""

import json
import logging
import sys
import threading

import apache_beam as beam
import pytest
import structlog
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.logs import configure, configure_worker
from transforms.shell.tallied import timed

pytestmark = pytest.mark.usefixtures("logging_restored")


def _logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_who_and_what_are_hidden_above_debug(capsys: pytest.CaptureFixture[str], level: str) -> None:
    configure("debug", as_json=True)
    getattr(structlog.get_logger(), level)("applied", subject="s0001", payload=b"secret", rows=3)
    (event,) = _logged(capsys)
    assert (event["message"], event["rows"], event["severity"]) == ("applied", 3, level.upper())
    assert "s0001" not in str(event)
    assert "secret" not in str(event)


def test_debug_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", as_json=True)
    structlog.get_logger().debug("applied", subject="s0001")
    assert _logged(capsys)[0]["subject"] == "s0001"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    configure("info", as_json=as_json)
    payload = "secret"
    try:
        raise KeyError
    except KeyError:
        structlog.get_logger().exception("failed", rows=len(payload))
    told = capsys.readouterr().err
    assert "KeyError" in told
    assert payload not in told


def test_logs_of_others_have_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning", as_json=True)
    logging.getLogger("apache_beam.x").info("too much")
    logging.getLogger("apache_beam.x").warning("mind %s", "this")
    (event,) = _logged(capsys)
    assert [*event] == ["time", "severity", "logger", "message"]
    assert [*event.values()][1:] == ["WARNING", "apache_beam.x", "mind this"]


def test_a_worker_logs_as_its_environment_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_LOG_JSON", "1")
    configure_worker()
    logging.getLogger("apache_beam.runners.worker.sdk_worker").error("it failed")  # nobody else tells it here
    with timed("town", "track_subscribers", 3):
        logging.getLogger("transforms.x").warning("within")
    logging.getLogger("transforms.x").info("after")
    first, second = _logged(capsys)
    assert (first["message"], second["message"]) == ("it failed", "within")
    assert (second["playbook"], second["stage"], second["shard"]) == ("town", "track_subscribers", 3)
    assert "shard" not in first


def test_a_worker_says_in_which_step_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_LOG_JSON", "true")
    configure_worker()
    pipeline = beam.Pipeline(FnApiRunner())
    _ = pipeline | beam.Create([7]) | "Say" >> beam.Map(_say)
    pipeline.run()
    assert [(event["message"], event["step"]) for event in _logged(capsys)] == [("7 is odd", "Say")]


def _say(number: int) -> None:
    logging.getLogger("transforms.x").warning("%d is odd", number)


def test_what_ends_a_thread_of_a_worker_is_a_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_LOG_JSON", "1")
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", None)
    configure_worker()
    thread = threading.Thread(target=lambda: {}["nothing"], name="reader")
    thread.start()
    thread.join()
    (event,) = _logged(capsys)
    assert event["message"] == "a thread ends: reader"
    assert "KeyError: 'nothing'" in str(event["exception"])


def test_a_level_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGONE_LOG_LEVEL", "loud")
    with pytest.raises(ValueError, match="SEGONE_LOG_LEVEL=loud: is none of debug, info, warning, error"):
        configure_worker()
