"""Structured logs to standard error, with nothing in them that tells who a customer is or what one did.

Those of the launcher, whose workers may be threads of its own process, and of workers that we start as processes.
"""

import hashlib
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from io import StringIO
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from schemas.visible import visible_lines

LEVELS = ("debug", "info", "warning", "error")

AS_JSON, LEVEL = "SEGONE_LOG_JSON", "SEGONE_LOG_LEVEL"
"""Variables of the environment that say what a worker, which has no flags, is to log; a launcher without flags, too."""

WHO = ("subject", "recipient")
"""Fields for which a hash stands above debug level."""

WHAT = ("payload", "context", "evidence")
"""Fields that are left out above debug level."""


_TOLD_AGAIN = ("apache_beam.runners.common", "apache_beam.runners.worker.sdk_worker")
"""Loggers of errors that end a bundle: the run then fails with the same, and tells it without their traceback."""


def configure(level: str, as_json: bool, *, told_again: bool = True) -> None:
    """Send our own logs, Beam's and Python's warnings to standard error.

    A JSON object has `time`, `severity`, `logger` and `message`; `playbook`, `stage` and `shard` within a tick of one;
    `step`, Beam's name of what runs, within a bundle; and what else an event tells.

    Args:
        level: The least level shown, one of `LEVELS`.
        as_json: One JSON object a line, for machines; else text for people.
        told_again: Whether who started this is told what ends a bundle without its logs.
    """
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        in_step,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        private,
        escaped,
    ]
    text: list[Processor] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
    formatter = structlog.stdlib.ProcessorFormatter
    plain: Processor = formatter.remove_processors_meta
    ends: list[Processor] = [structured, plain, structlog.processors.format_exc_info]
    ends = [*ends, structlog.processors.JSONRenderer()] if as_json else [plain, *text]
    structlog.configure(
        [structlog.stdlib.filter_by_level, *steps, formatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(processors=ends, foreign_pre_chain=steps))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _TOLD_AGAIN:
        hidden = told_again and level in ("warning", "error")
        logging.getLogger(name).setLevel(logging.CRITICAL if hidden else logging.NOTSET)
    logging.captureWarnings(True)


def configure_worker() -> None:
    """Do the same for a worker that is a process of its own, as its environment says; by default text from warnings on.

    Raises:
        ValueError: there is no such level.
    """
    level = os.environ.get(LEVEL, "warning")
    if level not in LEVELS:
        raise ValueError(f"{LEVEL}={level}: is none of {', '.join(LEVELS)}")
    configure(level, os.environ.get(AS_JSON, "0").lower() in ("1", "true"), told_again=False)
    sys.excepthook = _ends
    threading.excepthook = lambda ended: _ends(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _ends(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    """Log what ends a thread, or the process."""
    if not issubclass(kind, KeyboardInterrupt):
        about = (kind, error or kind(), where)
        logging.getLogger(__name__).error("a thread ends: %s", threading.current_thread().name, exc_info=about)


def in_step(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say in which step of Beam's an event was, where its thread is in one."""
    sampler = sys.modules.get("apache_beam.runners.worker.statesampler")  # without Beam there are no steps
    tracker = sampler.get_current_tracker() if sampler is not None else None
    name = tracker.current_state().name_context if tracker is not None else None
    return event if name is None or not name.step_name else {**event, "step": name.step_name}


def structured(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name what every event has as those who gather logs expect it, and put it first."""
    record = event["_record"]
    told = {"time": event.pop("timestamp"), "severity": event.pop("level").upper(), "logger": record.name}
    return {**told, "message": event.pop("event"), **event}


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
