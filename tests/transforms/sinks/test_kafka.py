"""Publishing to a real Kafka."""

from collections import defaultdict
from typing import Any

import pytest
from confluent_kafka import Consumer

from tests.servers.kafka import KafkaServer
from tests.servers.waiting import wait_until
from transforms.sinks.kafka import KafkaTarget
from transforms.sinks.target import Messages, NotPublished


def _messages(count: int, keys: int) -> Messages:
    texts = [b"%d" % n for n in range(count)]
    names = [f"household/{n % keys}" for n in range(count)]
    return Messages("offers", "application/json", texts, names, [f"id{n}" for n in range(count)])


def _read(servers: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []

    def enough() -> bool:
        found.extend(consumer.consume(count, 0.2))
        return len(found) >= count

    wait_until(enough)
    consumer.close()
    return found


def test_all_arrives_in_the_order_of_each_key(kafka: KafkaServer) -> None:
    topic, servers = kafka.topic(partitions=3), kafka.servers
    sender = KafkaTarget(servers, topic, {"queue.buffering.max.messages": "50"}).open()  # fills up on the way
    sender.send(_messages(300, keys=5))
    sender.flush()
    by_key = defaultdict(list)
    for message in _read(servers, topic, 300):
        by_key[message.key().decode()].append(int(message.value()))
        headers = {name: value.decode() for name, value in message.headers()}
        expected = {"id": f"id{int(message.value())}", "output": "offers", "content-type": "application/json"}
        assert headers == expected
    assert by_key == {f"household/{key}": list(range(key, 300, 5)) for key in range(5)}


def test_a_message_that_is_refused_fails_the_bundle(kafka: KafkaServer) -> None:
    topic = kafka.topic()
    sender = KafkaTarget(kafka.servers, topic, {"message.max.bytes": "10000000"}).open()  # the broker takes a tenth
    sender.send(Messages("x", "text/plain", [b"a", b"b" * 2_000_000], ["k", "k"], ["1", "2"]))
    with pytest.raises(NotPublished, match=rf"{topic}: \d messages did not go out: .*MSG_SIZE_TOO_LARGE"):
        sender.flush()


def test_who_does_not_answer_is_given_up_in_the_end() -> None:
    sender = KafkaTarget("localhost:1", "x", {"log_level": "0"}, timeout=0.5).open()
    sender.send(_messages(2, keys=1))
    with pytest.raises(NotPublished, match=r"kafka://localhost:1/x: 2 messages did not go out: .*TIMED_OUT"):
        sender.flush()


def test_settings_of_the_client_are_not_shown() -> None:
    assert "secret" not in repr(KafkaTarget("localhost:1", "x", {"sasl.password": "secret"}))
