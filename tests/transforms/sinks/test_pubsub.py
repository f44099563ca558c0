"""Publishing to the emulator of Pub/Sub."""

from collections import defaultdict
from threading import Timer
from typing import Any

import pytest
from google.cloud import pubsub_v1

from tests.servers.pubsub import PubSubServer
from transforms.sinks import pubsub
from transforms.sinks.pubsub import PubSubTarget
from transforms.sinks.target import Messages, NotPublished


def _subscribed(server: PubSubServer) -> tuple[str, str]:
    """Make a topic and a subscription with message ordering."""
    topic = server.topic()
    subscription = topic.replace("topics", "subscriptions")
    request = {"name": subscription, "topic": topic, "enable_message_ordering": True}
    pubsub_v1.SubscriberClient().create_subscription(request=request)
    return topic, subscription


def _pull(subscription: str, count: int) -> list[Any]:
    """Return the messages of a subscription, at least so many."""
    client, found = pubsub_v1.SubscriberClient(), list[Any]()
    for _ in range(200):
        pulled = client.pull(subscription=subscription, max_messages=100, timeout=10).received_messages
        if pulled:
            client.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in pulled])
        found += [each.message for each in pulled]
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count}")


def _messages(count: int, keys: int) -> Messages:
    texts = [b"%d" % n for n in range(count)]
    names = [f"household/{n % keys}" for n in range(count)]
    return Messages("offers", "application/json", texts, names, [f"id{n}" for n in range(count)])


def test_all_arrives_in_the_order_of_each_key(pubsub_emulator: PubSubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "MOST_MESSAGES", 7)
    monkeypatch.setattr(pubsub, "KEPT_MESSAGES", 120)  # two flushes on the way
    topic, subscription = _subscribed(pubsub_emulator)
    sender = PubSubTarget(topic).open()
    sender.send(_messages(300, keys=5))
    sender.flush()
    by_key = defaultdict(list)
    for message in _pull(subscription, 300):
        by_key[message.ordering_key].append(int(message.data))
        assert dict(message.attributes) == {
            "id": f"id{int(message.data)}",
            "output": "offers",
            "content-type": "application/json",
        }
    assert by_key == {f"household/{key}": list(range(key, 300, 5)) for key in range(5)}


def test_without_order_requests_are_full(pubsub_emulator: PubSubServer) -> None:
    topic, subscription = _subscribed(pubsub_emulator)
    sender = PubSubTarget(topic, ordered=False).open()
    sender.send(_messages(250, keys=250))
    sender.flush()
    sender.flush()
    found = _pull(subscription, 250)
    assert sorted(int(message.data) for message in found) == list(range(250))
    assert {message.ordering_key for message in found} == {""}


def test_an_outage_is_waited_for(pubsub_emulator: PubSubServer) -> None:
    topic, subscription = _subscribed(pubsub_emulator)
    sender = PubSubTarget(topic).open()
    sender.send(_messages(50, keys=5))
    pubsub_emulator.pause()
    Timer(2, pubsub_emulator.resume).start()
    sender.flush()
    assert {int(message.data) for message in _pull(subscription, 50)} == {*range(50)}


def test_a_topic_that_is_not_there_is_told(pubsub_emulator: PubSubServer) -> None:
    sender = PubSubTarget("projects/local-project/topics/nowhere").open()
    sender.send(_messages(2, keys=1))
    with pytest.raises(NotPublished, match="topics/nowhere: 2 messages did not go out: 404"):
        sender.flush()


def test_who_does_not_answer_is_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")
    sender = PubSubTarget("projects/local-project/topics/x", timeout=0.5).open()
    sender.send(_messages(1, keys=1))
    with pytest.raises(NotPublished, match=r"1 messages did not go out: Timeout of 0\.5s exceeded"):
        sender.flush()
