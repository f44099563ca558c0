"""The consumer follows a topic: what is not acknowledged comes again, and has its effect once."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from examples.consumer.follow import KEPT, follow
from examples.consumer.inbox import Inbox
from examples.consumer.topics import topic_of
from schemas.offer import OFFER
from tests.examples.commands import REPOSITORY
from tests.examples.test_consumer import MADE, NOON, WITHDRAWN, lines
from tests.servers.kafka import KafkaServer
from tests.servers.pubsub import PubSubServer
from transforms.decision.offers import write_event_lines
from transforms.sinks.kafka import KafkaTarget
from transforms.sinks.messages import messages_of
from transforms.sinks.pubsub import PubSubTarget
from transforms.sinks.target import Target


class Killed(BaseException):
    """The process ends here."""


class Memory:
    """A topic that gives again what is not acknowledged, and dies at an acknowledgement."""

    def __init__(self, batches: list[list[bytes]], dies: int = -1) -> None:
        self.batches, self.dies, self.first = batches, dies, True

    def take(self) -> list[bytes]:
        return self.batches[0] if self.batches else []

    def done(self) -> None:
        if self.dies == len(self.batches):
            raise Killed
        del self.batches[0]

    def close(self) -> None:
        self.batches = []


def run(topic: Memory, path: Path, now: str | None) -> dict[str, int]:
    with closing(Inbox(path)) as inbox:
        return follow(topic, inbox, mode="live", now=now, idle=0.1)


@pytest.mark.parametrize("dies", [1, 2, 3])
def test_who_dies_before_an_acknowledgement_does_nothing_twice(
    dies: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batches = [lines(MADE[0], MADE[1]), lines(WITHDRAWN[0], MADE[2]), lines(MADE[0])]
    with pytest.raises(Killed):
        run(Memory(batches, dies), tmp_path / "inbox", "event")
    run(Memory(batches), tmp_path / "inbox", "event")
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert told == ["shown", "shown", "withdrawn", "shown"]


def test_it_prints_who_gets_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(Memory([lines(MADE[0])]), tmp_path / "inbox", "event")
    told = f"2026-01-05T12:00:00+00:00 shown     a to s0 by sms until 2026-01-05T13:00:00+00:00 {MADE[0]['id']}\n"
    assert capsys.readouterr().out == told


def test_what_cannot_come_again_is_forgotten(tmp_path: Path) -> None:
    with closing(Inbox(tmp_path / "inbox")) as inbox, inbox:
        for id_, until in (("old", 0), ("new", time.time_ns() // 1_000_000 - KEPT + 3_600_000)):
            inbox.put(id_, "shown", until, MADE[0]["data"])
    run(Memory([lines(MADE[0])]), tmp_path / "inbox", None)
    with closing(Inbox(tmp_path / "inbox")) as inbox:
        assert [inbox.state(id_) for id_ in ("old", "new")] == [None, "shown"]


@pytest.mark.parametrize("address", ["offers.jsonl", "kafka://localhost:9092", "pubsub:///x", "mqtt://a/b"])
def test_what_is_no_topic_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="use kafka://HOST:PORT/TOPIC or pubsub://PROJECT/SUBSCRIPTION"):
        topic_of(address)


def _plays(target: Target, address: str, folder: Path) -> None:
    """Publish two offers, and one of them again; follow; publish all again; follow again."""
    events = pa.Table.from_pylist([event_row(n) for n in (0, 1, 0)], OFFER)
    (batch,) = events.combine_chunks().to_batches()
    command = [sys.executable, "-W", "ignore", "-m", "examples.consumer.follow", address, "--out", str(folder)]
    for expected in (["shown", "shown", "3"], ["3"]):
        sender = target.open()
        sender.send(messages_of("offers", batch, OFFER, write_event_lines))
        sender.flush()
        done = subprocess.run(
            [*command, "--now", "event", "--most", "3", "--idle", "60"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        words = [line.split() for line in done.stdout.splitlines()]
        assert [each[0] if each[0].isdigit() else each[1] for each in words] == expected, done.stderr
    assert done.stdout == "3 events: 3 known before\n"


def event_row(n: int) -> dict[str, object]:
    """Return an offer as a row."""
    data = MADE[n]["data"] | {"valid_until": NOON + 3_600_000, "params": "{}"}
    return MADE[n] | {"time": NOON, "data": data}


def test_an_offer_on_pubsub_is_shown_once(tmp_path: Path, pubsub_emulator: PubSubServer) -> None:
    topic = pubsub_emulator.topic()
    _, project, _, name = pubsub_emulator.subscription(topic).split("/")
    _plays(PubSubTarget(topic), f"pubsub://{project}/{name}", tmp_path / "app")


def test_an_offer_on_kafka_is_shown_once(tmp_path: Path, kafka: KafkaServer) -> None:
    topic = kafka.topic(partitions=3)
    _plays(KafkaTarget(kafka.servers, topic), f"kafka://{kafka.servers}/{topic}", tmp_path / "app")
