"""A day of the town from brokers and folders on engines that stream gives what a run over its files gives."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.engines.flink import Flink
from pipelines.engines.places import prism_binary
from schemas.errors import LoadErrors
from tests.servers.flink import flink_cluster
from tests.servers.kafka import KafkaServer
from tests.servers.pubsub import PubSubServer
from tests.streams.towns import KEY, WHOLE, TownDay, promised, run, stream_rows, town_day

TOLD_AGAIN = ("segment_stats", "segment_profiles", "alerts")
"""Outputs of which a run from a cut tells a window again, the same, that had ended at the cut and might change."""
NOON = "2026-03-02T12:00:00Z"
ENDS = "replay&idle=10m&ends=8s"
SPANS = ("--span", "1d", "--shards", "2")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> TownDay:
    """A day of the town."""
    return town_day(tmp_path_factory.mktemp("day"))


def needs_prism() -> None:
    """Skip a test loudly where Prism is not there."""
    try:
        prism_binary()
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED on Prism: {error}")


def on_kafka(day: TownDay, kafka: KafkaServer) -> list[str]:
    """Send the day to topics of three partitions, a subject in one; return their addresses."""
    addresses = []
    for name, file in day.files.items():
        topic = kafka.topic(3)
        for number, lines in enumerate(_parted(file.read_bytes().splitlines(), 3)):
            kafka.send(topic, lines, partition=number)
        addresses.append(f"{name}=kafka://{kafka.servers}/{topic}?{ENDS}&group={topic}")
    return addresses


def _parted(lines: list[bytes], parts: int) -> list[list[bytes]]:
    found: list[list[bytes]] = [[] for _ in range(parts)]
    for line in lines:
        found[sum(json.loads(line)["subject"].encode()) % parts].append(line)
    return found


def assert_same(day: TownDay, out: Path, cut: str = "") -> None:
    """Compare all outputs, row by row; where a second run began from a cut, with what it tells again."""
    for output in WHOLE:
        got, wanted = stream_rows(out, output), day.rows[output]
        if output in TOLD_AGAIN:
            got -= Counter(row for row, times in got.items() if times == 2 and json.loads(row)["end"] <= cut)
        if output == "receipts":
            got, wanted = promised(got), promised(wanted)
        assert (got - wanted, wanted - got) == ({}, {}), output


def test_kafka_on_prism(day: TownDay, kafka: KafkaServer, tmp_path: Path) -> None:
    needs_prism()
    run(day.playbooks, on_kafka(day, kafka), tmp_path / "out", *SPANS, "--engine", "prism")
    assert_same(day, tmp_path / "out")


def on_pubsub(day: TownDay, emulator: PubSubServer) -> list[str]:
    """Send the day to topics; return the addresses of their subscriptions."""
    addresses = []
    for name, file in day.files.items():
        topic = emulator.topic()
        subscription = emulator.subscription(topic)
        emulator.send(topic, file.read_bytes().splitlines())
        _, project, _, short = subscription.split("/")
        addresses.append(f"{name}=pubsub://{project}/{short}?{ENDS}")
    return addresses


def in_folders(day: TownDay, folder: Path) -> list[str]:
    """Put the day's files into folders that are watched; return their addresses."""
    for name, file in day.files.items():
        (folder / name).mkdir()
        shutil.copy(file, folder / name)
    return [f"{name}={folder / name}/?watch&every=1s&{ENDS}" for name in day.files]


@pytest.mark.engines
def test_pubsub_on_prism(day: TownDay, pubsub_emulator: PubSubServer, tmp_path: Path) -> None:
    needs_prism()
    run(day.playbooks, on_pubsub(day, pubsub_emulator), tmp_path / "out", *SPANS, "--engine", "prism")
    assert_same(day, tmp_path / "out")


@pytest.mark.engines
def test_a_folder_on_prism(day: TownDay, tmp_path: Path) -> None:
    needs_prism()
    run(day.playbooks, in_folders(day, tmp_path), tmp_path / "out", *SPANS, "--engine", "prism")
    assert_same(day, tmp_path / "out")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flink]:
    """A cluster of Flink for the tests of this module."""
    with flink_cluster(tmp_path_factory.mktemp("flink"), SEGONE_PSEUDONYM_KEY=KEY) as started:
        yield started


@pytest.mark.engines
def test_kafka_on_flink(day: TownDay, kafka: KafkaServer, cluster: Flink, tmp_path: Path) -> None:
    on_flink(day, on_kafka(day, kafka), tmp_path / "out", cluster)


@pytest.mark.engines
def test_pubsub_on_flink(day: TownDay, pubsub_emulator: PubSubServer, cluster: Flink, tmp_path: Path) -> None:
    cluster.worker_pool.stop()
    cluster.worker_pool.start()  # now it knows where the emulator is
    on_flink(day, on_pubsub(day, pubsub_emulator), tmp_path / "out", cluster)


@pytest.mark.engines
def test_a_folder_on_flink(day: TownDay, cluster: Flink, tmp_path: Path) -> None:
    on_flink(day, in_folders(day, tmp_path), tmp_path / "out", cluster)


def on_flink(day: TownDay, addresses: list[str], out: Path, cluster: Flink) -> None:
    """Run the stream to its end, and see that its job is gone."""
    run(day.playbooks, addresses, out, *SPANS, "--engine", "flink", "--", *cluster.options())
    assert_same(day, out)
    assert cluster.jobs.active() == []


def test_a_stream_goes_on_from_a_cut(day: TownDay, kafka: KafkaServer, tmp_path: Path) -> None:
    """The first run ends at noon; what is published after its cut comes of the second, which has one shard more."""
    needs_prism()
    addresses, state = on_kafka(day, kafka), str(tmp_path / "state")
    cuts = ("--state-out", state, "--state-every", "6h", "--span", "1d")
    run(day.playbooks, addresses, tmp_path / "out", *cuts, "--shards", "2", until=NOON)
    run(day.playbooks, addresses, tmp_path / "out", *cuts, "--shards", "3", "--state-in", state)
    assert_same(day, tmp_path / "out", NOON)
