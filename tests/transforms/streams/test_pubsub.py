"""Subscriptions of the emulator: every message once while it is leased, again when it was not acknowledged."""

import json
import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import RetryError

from schemas.errors import LoadErrors
from tests.servers.pubsub import PubSubServer
from tests.servers.waiting import wait_until
from tests.transforms.streams.feeds import feed, json_value
from transforms.parsing.raw import PARTITION, POSITION, PUBLISHED
from transforms.streams import pubsub_client, pubsub_service
from transforms.streams.pubsub import PubSubPuller, close_pubsub
from transforms.streams.pull import MOST_ROWS, Pulled

ROWS = 20_000
READ = (
    "import sys, json, pickle; puller = pickle.load(open(sys.argv[1], 'rb')); position = {}; ids = []; acks = []\n"
    "while len(ids) < int(sys.argv[2]):\n"
    "    pulled = puller.pull(position); position = pulled.position; acks += [pulled.acks] if pulled.acks else []\n"
    "    ids += [one for block in pulled.blocks for one in block.column('id').to_pylist()]\n"
    "print(json.dumps([ids, acks]), flush=True)\n"
    "import os; os._exit(0)"
)


@pytest.fixture(autouse=True)
def _closed(pubsub_emulator: PubSubServer) -> Iterator[None]:
    yield
    close_pubsub()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew leases often, so that a test sees it."""
    monkeypatch.setattr(pubsub_client, "EVERY", 0.2)
    monkeypatch.setattr(pubsub_client, "LEASE", 10)
    monkeypatch.setattr(pubsub_client, "MARGIN", 9.5)
    monkeypatch.setattr(pubsub_service, "SOON", 1.0)


def _puller(server: PubSubServer, topic: str) -> PubSubPuller:
    subscription = server.subscription(topic)
    return PubSubPuller(feed(address=f"pubsub://{subscription}", unit="message"), subscription)


def _pull(puller: PubSubPuller, rows: int, position: Mapping[str, Any] | None = None) -> list[Pulled]:
    """Pull until so many rows and rejections are there."""
    pulls: list[Pulled] = []

    def enough() -> bool:
        pulls.append(puller.pull(pulls[-1].position if pulls else position or {}))
        return _rows(pulls) >= rows

    wait_until(enough, 90)
    return pulls


def _rows(pulls: list[Pulled]) -> int:
    return sum(batch.num_rows for pulled in pulls for batch in (*pulled.blocks, *pulled.rejected))


def _ids(pulls: list[Pulled]) -> Counter[str]:
    return Counter(id_ for pulled in pulls for block in pulled.blocks for id_ in block.column("id").to_pylist())


def _nothing_comes(puller: PubSubPuller, position: Mapping[str, Any]) -> bool:
    return not any(puller.pull(position).blocks for _ in range(5))


def test_every_message_once_while_it_is_open_and_none_once_it_is_acknowledged(pubsub_emulator: PubSubServer) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(i) for i in range(ROWS)])
    pulls = _pull(puller, ROWS)
    assert _ids(pulls) == Counter(f"e{i}" for i in range(ROWS))
    assert all(block.num_rows <= MOST_ROWS for pulled in pulls for block in pulled.blocks)
    row = pulls[-1].blocks[0].to_pylist()[0]
    assert (row[PARTITION], row[POSITION] > 0, row[PUBLISHED] > 1_767_571_200_000) == ("", True, True)
    puller.done([pulled.acks for pulled in pulls if pulled.acks is not None])
    close_pubsub()
    assert _nothing_comes(puller, {})


def test_what_is_not_acknowledged_comes_again_when_it_was_given_back(pubsub_emulator: PubSubServer) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(i) for i in range(100)])
    first = _pull(puller, 100)
    pubsub_emulator.send(topic, [json_value(i) for i in range(100, 150)])
    second = _pull(puller, 50, first[-1].position)
    again = _pull(puller, 50, first[-1].position)
    assert _ids(again) == _ids(second)
    puller.done([pulled.acks for pulled in again if pulled.acks is not None])
    close_pubsub()
    assert _ids(_pull(puller, 100)) == _ids(first)


def test_a_lease_is_renewed_as_long_as_the_message_is_open(pubsub_emulator: PubSubServer, quick: None) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(i) for i in range(10)])
    pulls = _pull(puller, 10)
    until = time.monotonic() + 12  # longer than any lease that it got
    assert all(_nothing_comes(puller, pulls[-1].position) for _ in iter(lambda: time.monotonic() < until, False))


def test_a_new_process_gets_what_another_left_and_acknowledges_for_it(
    pubsub_emulator: PubSubServer, tmp_path: Path
) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(i) for i in range(100)])
    (tmp_path / "puller").write_bytes(pickle.dumps(puller))
    command = [sys.executable, "-W", "ignore", "-c", READ, str(tmp_path / "puller"), "100"]
    ids, acks = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=90).stdout)
    puller.done(acks[:1])
    rest = Counter(ids) - Counter(ids[: len(acks[0])])
    if rest:
        assert _ids(_pull(puller, len(rest))) == rest


def test_the_watermark_is_held_while_a_process_before_may_have_leases(pubsub_emulator: PubSubServer) -> None:
    puller = replace(_puller(pubsub_emulator, pubsub_emulator.topic()), settle=300)
    first = puller.pull({})
    assert len(first.partitions) == 2
    wait_until(lambda: [*puller.pull(first.position).partitions] == [""], 5)
    assert [*replace(puller, settle=0).pull(first.position).partitions] == [""]


def test_an_outage_is_waited_out(pubsub_emulator: PubSubServer) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(0)])
    first = _pull(puller, 1)
    pubsub_emulator.pause()
    try:
        assert all(_nothing_comes(puller, first[-1].position) for _ in range(4))
    finally:
        pubsub_emulator.resume()
    pubsub_emulator.send(topic, [json_value(1)])
    assert _ids(_pull(puller, 1, first[-1].position)) == Counter(["e1"])


def test_a_service_that_hangs_is_not_silent(pubsub_emulator: PubSubServer, quick: None) -> None:
    puller = replace(_puller(pubsub_emulator, pubsub_emulator.topic()), settle=0)
    wait_until(lambda: puller.pull({}).settled, 30)
    pubsub_emulator.pause()
    try:
        wait_until(lambda: not puller.pull({}).settled, 30)
    finally:
        pubsub_emulator.resume()
    wait_until(lambda: puller.pull({}).settled, 30)


def test_what_the_client_gives_up_in_an_outage_is_sent_later() -> None:
    def send(acks: Sequence[str]) -> None:
        raise RetryError("no answer for a minute", cause=None)

    sent = pubsub_service.in_parts(["a", "b"], send)
    assert (sent.unsent, sent.unknown) == (["a", "b"], [])


def test_what_is_no_signal_is_rejected_and_acknowledged_with_the_rest(pubsub_emulator: PubSubServer) -> None:
    topic = pubsub_emulator.topic()
    puller = _puller(pubsub_emulator, topic)
    pubsub_emulator.send(topic, [json_value(1), b"\xff"], {"ce-source": "crm"})
    pulls = _pull(puller, 2)
    (rejected,) = [row for pulled in pulls for batch in pulled.rejected for row in batch.to_pylist()]
    assert rejected["reason"] == "invalid_utf8"
    assert rejected["position"].startswith("message ")
    puller.done([pulled.acks for pulled in pulls if pulled.acks is not None])
    puller.done([pulled.acks for pulled in pulls if pulled.acks is not None])
    close_pubsub()
    assert _nothing_comes(puller, {})


def test_a_subscription_that_is_not_there_is_told_with_what_makes_it(pubsub_emulator: PubSubServer) -> None:
    path = "projects/local-project/subscriptions/missing"
    puller = PubSubPuller(feed(address="pubsub://local-project/missing", unit="message"), path)

    with pytest.raises(LoadErrors, match="gcloud pubsub subscriptions create"):
        wait_until(lambda: bool(puller.pull({}).blocks), 30)
