"""Topics of a real broker: every row once, positions that are the truth, offsets that are committed."""

import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipelines.engines.children import free_port
from schemas.errors import LoadErrors
from tests.servers.kafka import KafkaServer
from tests.servers.waiting import wait_until
from tests.transforms.streams.feeds import NOW, SCHEMA, avro_value, feed, json_value
from transforms.parsing.raw import PARTITION, POSITION, PUBLISHED
from transforms.streams import kafka_client
from transforms.streams.kafka import KafkaPuller, close_kafka
from transforms.streams.pull import MOST_ROWS, Pulled

ROWS = 20_000


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_kafka()


def _puller(kafka: KafkaServer, topic: str, group: str = "one", **options: Any) -> KafkaPuller:
    own = feed(**options.pop("feed", {}))
    return KafkaPuller(own, kafka.servers, topic, group, **options)


def _pull(puller: KafkaPuller, rows: int, position: Mapping[str, int] | None = None) -> list[Pulled]:
    """Pull until so many rows and rejections are there."""
    pulls: list[Pulled] = []

    def enough() -> bool:
        pulls.append(puller.pull(pulls[-1].position if pulls else position or {}))
        return _rows(pulls) >= rows

    wait_until(enough)
    return pulls


def _goes_on(puller: KafkaPuller, pulls: list[Pulled]) -> Pulled:
    pulls.append(puller.pull(pulls[-1].position))
    return pulls[-1]


def _rows(pulls: list[Pulled]) -> int:
    return sum(batch.num_rows for pulled in pulls for batch in (*pulled.blocks, *pulled.rejected))


def _ids(pulls: list[Pulled]) -> Counter[str]:
    return Counter(id_ for pulled in pulls for block in pulled.blocks for id_ in block.column("id").to_pylist())


def _committed(kafka: KafkaServer, topic: str, partitions: int, group: str = "one") -> list[int]:
    asked = Consumer({"bootstrap.servers": kafka.servers, "group.id": group})
    try:
        found = asked.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=20)
        return [each.offset for each in found]
    finally:
        asked.close()


def test_every_row_once_and_a_new_client_goes_on_where_the_position_is(kafka: KafkaServer) -> None:
    topic = kafka.topic(4)
    kafka.send(topic, [json_value(i) for i in range(ROWS)])
    puller = _puller(kafka, topic)
    first = _pull(puller, ROWS // 2)
    close_kafka()
    rest = _pull(puller, ROWS - _rows(first), first[-1].position)
    assert _ids(first + rest) == Counter(f"e{i}" for i in range(ROWS))
    assert all(block.num_rows <= MOST_ROWS for pulled in first + rest for block in pulled.blocks)
    assert sum(rest[-1].position.values()) == ROWS
    assert [*rest[-1].partitions] == ["0", "1", "2", "3"]
    rows = [row for pulled in first + rest for block in pulled.blocks for row in block.to_pylist()]
    assert {row[PARTITION] for row in rows} == {"0", "1", "2", "3"}
    assert all(row[PUBLISHED] > 0 and row[POSITION] >= 0 for row in rows)


def test_an_older_position_is_read_again_by_the_same_client(kafka: KafkaServer) -> None:
    topic = kafka.topic(2)
    kafka.send(topic, [json_value(i) for i in range(100)])
    puller = _puller(kafka, topic)
    first = puller.pull({})
    everything = _pull(puller, 100 - _rows([first]), first.position)
    again = _pull(puller, 100, {"0": 0, "1": 0})
    assert _ids(again) == Counter(f"e{i}" for i in range(100))
    assert again[-1].position == everything[-1].position


def test_done_commits_forward_only_and_a_group_goes_on_there(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [json_value(i) for i in range(10)])
    puller = _puller(kafka, topic)
    _pull(puller, 10)
    puller.done([{"0": 3}, {"0": 6}, {"0": 5}])
    wait_until(lambda: _committed(kafka, topic, 1) == [6])
    puller.done([{"0": 2}])
    close_kafka()
    puller.done([{"0": 4}])
    assert _ids(_pull(puller, 4)) == Counter(f"e{i}" for i in range(6, 10))
    assert _committed(kafka, topic, 1) == [6]


def test_a_new_process_gets_again_what_was_not_committed(kafka: KafkaServer, tmp_path: Path) -> None:
    topic = kafka.topic(2)
    kafka.send(topic, [json_value(i) for i in range(1_000)])
    puller = _puller(kafka, topic)
    first = _pull(puller, 1_000)
    half = {"0": 200, "1": 100}
    puller.done([half])
    wait_until(lambda: _committed(kafka, topic, 2) == [200, 100])
    code = (
        "import sys, json, pickle; puller = pickle.load(open(sys.argv[1], 'rb')); position = {}; ids = []\n"
        "while len(ids) < int(sys.argv[2]):\n"
        "    pulled = puller.pull(position); position = pulled.position\n"
        "    ids += [one for block in pulled.blocks for one in block.column('id').to_pylist()]\n"
        "print(json.dumps(ids))"
    )
    (tmp_path / "puller").write_bytes(pickle.dumps(puller))
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "puller"), "700"], check=True, capture_output=True, timeout=60
    )
    again = Counter(json.loads(told.stdout))
    assert sum(again.values()) == 700
    assert again <= _ids(first)


def test_a_group_without_offsets_may_start_at_the_end(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [json_value(1)])
    puller = _puller(kafka, topic, "late", start="latest")
    assert puller.pull({}).position == {"0": 1}
    kafka.send(topic, [json_value(2)])
    close_kafka()
    assert _ids(_pull(puller, 1, {"0": 1})) == Counter(["e2"])


def test_a_group_without_offsets_may_start_at_an_instant(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    for number in (1, 2, 3):
        kafka.send(topic, [json_value(number)], timestamp=NOW + number)
    assert _ids(_pull(_puller(kafka, topic, "two", start=NOW + 2), 2)) == Counter(["e2", "e3"])
    assert _puller(kafka, topic, "four", start=NOW + 4).pull({}).position == {"0": 3}


def test_a_partition_that_comes_to_be_is_read_from_its_beginning(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_client, "LOOK", 0.0)
    topic = kafka.topic(1)
    puller = _puller(kafka, topic, start="latest")
    before = puller.pull({})
    kafka.add_partitions(topic, 2)
    kafka.send(topic, [json_value(7)], partition=1)
    pulls = _pull(puller, 1, before.position)
    assert _ids(pulls) == Counter(["e7"])
    assert [*pulls[-1].partitions] == ["0", "1"]


def test_what_is_no_signal_is_rejected_and_passed(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [json_value(1), None, b"\xff", json_value(2)])
    pulls = _pull(_puller(kafka, topic), 4)
    rejected = [row for pulled in pulls for batch in pulled.rejected for row in batch.to_pylist()]
    assert [(row["position"], row["reason"]) for row in rejected] == [
        ("partition 0 offset 1", "tombstone"),
        ("partition 0 offset 2", "invalid_utf8"),
    ]
    assert _ids(pulls) == Counter(["e1", "e2"])
    assert pulls[-1].position == {"0": 4}


def test_what_the_broker_deleted_is_told(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [json_value(i) for i in range(10)])
    kafka.delete_before(topic, 0, 7)
    pulls = _pull(_puller(kafka, topic), 4, {"0": 2})
    (lost,) = [row for pulled in pulls for batch in pulled.rejected for row in batch.to_pylist()]
    assert (lost["position"], lost["reason"], lost["records"]) == ("partition 0 offset 2", "deleted_before_read", 5)
    assert _ids(pulls) == Counter(["e7", "e8", "e9"])


def test_what_the_broker_deletes_while_it_is_read_is_told(kafka: KafkaServer) -> None:
    """Batches of one message, of which the client has fetched few: the rest is deleted under it."""
    topic = kafka.topic(1)
    small = {"queued.min.messages": "1", "max.partition.fetch.bytes": "1", "fetch.message.max.bytes": "1"}
    puller = _puller(kafka, topic, client=small)
    kafka.send(topic, [json_value(0)])
    pulls = _pull(puller, 1)
    for i in range(1, 20):
        kafka.send(topic, [json_value(i)])
    kafka.delete_before(topic, 0, 19)
    wait_until(lambda: _goes_on(puller, pulls).position == {"0": 20})
    lost = [row for pulled in pulls for batch in pulled.rejected for row in batch.to_pylist()]
    assert [row["reason"] for row in lost] == ["deleted_before_read"]
    assert _ids(pulls)["e19"] == 1
    assert sum(_ids(pulls).values()) + lost[0]["records"] == 20


def test_an_offset_behind_the_end_reads_anew(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [json_value(i) for i in range(3)])
    assert _ids(_pull(_puller(kafka, topic), 3, {"0": 100})) == Counter(["e0", "e1", "e2"])


def test_avro_and_events(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    kafka.send(topic, [avro_value(1)], {"ce_source": b"crm"})
    (row,) = [
        row
        for pulled in _pull(_puller(kafka, topic, feed={"format": "avro", "schema": SCHEMA}), 1)
        for block in pulled.blocks
        for row in block.to_pylist()
    ]
    assert (row["id"], row["source"]) == (b"e1", "crm")


def test_a_topic_that_is_not_there_is_told_with_the_nearest(kafka: KafkaServer) -> None:
    topic = kafka.topic(1)
    with pytest.raises(LoadErrors, match=f"cannot be read.*\n.*{topic}"):
        _puller(kafka, topic[:-1] + "_").pull({})


def test_a_topic_that_is_deleted_while_it_is_read_is_told(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "LOOK", 0.5)
    topic = kafka.topic(1)
    puller = _puller(kafka, topic)
    position = puller.pull({}).position
    kafka.delete_topic(topic)
    with pytest.raises(LoadErrors, match="cannot be read"):
        wait_until(lambda: bool(puller.pull(position).blocks))


def test_a_client_that_is_refused_is_told(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "ANSWER", 3.0)
    settings = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    client = {**settings, "sasl.username": "anna", "sasl.password": "secret"}
    with pytest.raises(LoadErrors, match=r"client\.") as told:
        _puller(kafka, "any", client=client).pull({})
    assert "secret" not in f"{told.value} {_puller(kafka, 'any', client=client)}"


def test_a_setting_that_there_is_not_is_told(kafka: KafkaServer) -> None:
    with pytest.raises(LoadErrors, match="refuses its settings"):
        _puller(kafka, "any", client={"no.such": "setting"}).pull({})


def test_no_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "ANSWER", 1.0)
    with pytest.raises(LoadErrors, match="no answer from the brokers"):
        KafkaPuller(feed(), f"localhost:{free_port()}", "any", "one").pull({})


def test_a_broker_that_is_killed_is_waited_for(own_kafka: KafkaServer) -> None:
    topic = own_kafka.topic(1)
    own_kafka.send(topic, [json_value(i) for i in range(5)])
    puller = _puller(own_kafka, topic)
    first = _pull(puller, 5)
    own_kafka.broker.child.kill()
    away = next(one for _ in range(100) if not (one := puller.pull(first[-1].position)).settled)  # no silence
    assert away.position == {"0": 5}
    own_kafka.broker.child.start()
    own_kafka.broker.wait()
    own_kafka.send(topic, [json_value(5)])
    found = _pull(puller, 1, first[-1].position)
    assert _ids(found) == Counter(["e5"])
    assert any(puller.pull(found[-1].position).settled for _ in range(100))
    puller.done([{"0": 6}])
    wait_until(lambda: _committed(own_kafka, topic, 1) == [6])
