"""Errors of Kafka: which are waited out, and which are told at once."""

import sys

import pytest
from confluent_kafka import KafkaError

from schemas.errors import LoadErrors
from transforms.streams.kafka_errors import kafka_library, passes, stays


@pytest.mark.parametrize(
    ("code", "passing", "staying"),
    [
        (KafkaError._TRANSPORT, True, False),
        (KafkaError._ALL_BROKERS_DOWN, True, False),
        (KafkaError.COORDINATOR_NOT_AVAILABLE, True, False),
        (KafkaError._BAD_MSG, False, False),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, False, False),
        (KafkaError._AUTHENTICATION, False, True),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, False, True),
    ],
)
def test_what_passes_and_what_stays(code: int, passing: bool, staying: bool) -> None:
    error = KafkaError(code)
    assert (passes(error), stays(error)) == (passing, staying)


def test_a_fatal_error_stays() -> None:
    error = KafkaError(KafkaError._TRANSPORT, "gone", True)
    assert (passes(error), stays(error)) == (False, True)


def test_without_the_client_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(LoadErrors, match=r"segment-of-one\[streams\]"):
        kafka_library("kafka://here/t")
