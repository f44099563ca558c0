"""Logs are structured and tell nobody who a customer is."""

import json
import logging

import pytest
import structlog

from pipelines.logs import configure

pytestmark = pytest.mark.usefixtures("logging_restored")


def _logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_who_and_what_are_hidden_above_debug(capsys: pytest.CaptureFixture[str], level: str) -> None:
    configure("debug", as_json=True)
    getattr(structlog.get_logger(), level)("applied", subject="s0001", payload=b"secret", rows=3)
    (event,) = _logged(capsys)
    assert (event["event"], event["rows"], event["level"]) == ("applied", 3, level)
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
    assert (event["event"], event["level"]) == ("mind this", "warning")
