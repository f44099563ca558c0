"""What goes wrong with Kafka: what passes by itself, and what is told with what to do."""

from importlib import import_module
from typing import Any

from schemas.errors import LoadError, LoadErrors

DOWN = "are host and port right, are the brokers running, do they want other settings (`client.…`)?"
_PASSING = frozenset(
    {"_PARTITION_EOF", "_TRANSPORT", "_TIMED_OUT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_WAIT_COORD", "REQUEST_TIMED_OUT"}
    | {"LEADER_NOT_AVAILABLE", "NOT_LEADER_FOR_PARTITION", "FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH"}
    | {"OFFSET_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "NETWORK_EXCEPTION"}
    | {"COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"}
)
_REFUSED = frozenset({"_AUTHENTICATION", "_SSL", "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"})


def passes(error: Any) -> bool:
    """Return whether librdkafka mends an error by itself."""
    return error.name() in _PASSING and not error.fatal()


def stays(error: Any) -> bool:
    """Return whether an error that belongs to no record will not pass."""
    return bool(error.fatal()) or error.name() in _REFUSED


def kafka_error(address: str, message: str, hint: str) -> LoadErrors:
    """Return what is wrong with an address."""
    return LoadErrors([LoadError(address, None, message, hint=hint)])


def kafka_library(address: str) -> Any:
    """Return `confluent_kafka`.

    Raises:
        LoadErrors: it is not installed.
    """
    try:
        return import_module("confluent_kafka")
    except ImportError as error:
        raise kafka_error(address, "Kafka needs its client", "pip install 'segment-of-one[streams]'") from error
