"""Publishing to a real Kafka."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.transforms.sinks.servers import kafka, until
from transforms.sinks.kafka import KafkaTarget
from transforms.sinks.target import Messages, NotPublished


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


def create(servers: str, topic: NewTopic) -> None:
    client = AdminClient({"bootstrap.servers": servers})
    client.create_topics([topic])[topic.topic].result()


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

    until(enough, f"{count} messages")
    consumer.close()
    return found


def test_all_arrives_in_the_order_of_each_key(servers: str) -> None:
    topic = "offers"
    create(servers, NewTopic(topic, 3))
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


def test_a_message_that_is_refused_fails_the_bundle(servers: str) -> None:
    topic = "small"
    small = NewTopic(topic, 1, config={"max.message.bytes": "1000"})
    create(servers, small)
    sender = KafkaTarget(servers, topic).open()
    sender.send(Messages("x", "text/plain", [b"a", b"b" * 2_000], ["k", "k"], ["1", "2"]))
    with pytest.raises(NotPublished, match=r"small: \d messages did not go out: .*MSG_SIZE_TOO_LARGE"):
        sender.flush()


def test_who_does_not_answer_is_given_up_in_the_end() -> None:
    sender = KafkaTarget("localhost:1", "x", {"log_level": "0"}, timeout=0.5).open()
    sender.send(_messages(2, keys=1))
    with pytest.raises(NotPublished, match=r"kafka://localhost:1/x: 2 messages did not go out: .*TIMED_OUT"):
        sender.flush()
