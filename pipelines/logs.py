"""Structured logs to standard error, with nothing in them that tells who a customer is or what one did."""

import hashlib
import logging
import sys
from collections.abc import MutableMapping
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from schemas.visible import visible_lines

LEVELS = ("debug", "info", "warning", "error")

WHO = ("subject", "recipient")
"""Fields for which a hash stands above debug level."""

WHAT = ("payload", "context", "evidence")
"""Fields that are left out above debug level."""


_TOLD_AGAIN = ("apache_beam.runners.common", "apache_beam.runners.worker.sdk_worker")
"""Loggers of errors that end a bundle: the run then fails with the same, and tells it without their traceback."""


def configure(level: str, as_json: bool) -> None:
    """Send our own logs, Beam's and Python's warnings to standard error.

    Args:
        level: The least level shown, one of `LEVELS`.
        as_json: One JSON object a line, for machines; else text for people.
    """
    steps: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        private,
        escaped,
    ]
    text: list[Processor] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
    ends = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()] if as_json else text
    formatter = structlog.stdlib.ProcessorFormatter
    structlog.configure(
        [structlog.stdlib.filter_by_level, *steps, formatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(processors=[formatter.remove_processors_meta, *ends], foreign_pre_chain=steps))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _TOLD_AGAIN:
        logging.getLogger(name).setLevel(logging.CRITICAL if level in ("warning", "error") else logging.NOTSET)
    logging.captureWarnings(True)


def private(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide who and what in an event above debug level."""
    if level == "debug":
        return event
    return {key: _hash(value) if key in WHO else value for key, value in event.items() if key not in WHAT}


def escaped(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape what is not printable in an event."""
    return {key: visible_lines(value) if isinstance(value, str) else value for key, value in event.items()}


def _traceback(stream: TextIO, error: Any) -> None:
    """Write a traceback without local variables, which hold payloads."""
    told = StringIO()
    structlog.dev.plain_traceback(told, error)
    stream.write(visible_lines(told.getvalue()))


def _hash(value: Any) -> str:
    return hashlib.blake2b(str(value).encode(), digest_size=6).hexdigest()
