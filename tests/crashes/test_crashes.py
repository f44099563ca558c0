"""Whatever is killed at whatever point, who drops repeated ids sees the run that nobody killed."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.engines.places import prism_binary
from schemas.errors import LoadErrors
from tests.crashes.days import SUBSCRIBERS, Day, day
from tests.crashes.feeds import Broker, OnKafka, OnPubSub
from tests.crashes.launcher import Death
from tests.crashes.play import Disturb, Seen, play, table
from tests.crashes.points import POINTS
from tests.servers.kafka import KafkaServer
from tests.servers.pubsub import PubSubServer

OPTIONS = ("--span", "30m", "--state-every", "30m", "--shards", "2")

TABLE = Path(os.environ.get("SEGONE_CRASHES", "out/crashes.md"))
"""Where the table of what was seen is written."""

OUTAGE = 10.0
"""Seconds."""

AFTER_A_CUT = 1
"""Cuts that each life confirms before it dies, but for those that die while they start."""

ON_KAFKA = {
    "bundles": (
        Death("after a pull"),  # before the first cut: all begins anew
        Death("before a checkpoint", AFTER_A_CUT, times=3),
        Death("mid bundle", AFTER_A_CUT),
        Death("after a state write", AFTER_A_CUT),
        Death("after a decision", AFTER_A_CUT),
        Death("start: the cut was found"),
        Death("after a pull", AFTER_A_CUT),
    ),
    "sinks": (
        Death("before publishing", AFTER_A_CUT),
        Death("mid publishing", AFTER_A_CUT),
        Death("after publishing", AFTER_A_CUT),
        Death("before a file has its name", AFTER_A_CUT),
        Death("after a file has its name", AFTER_A_CUT),
        Death("before an ack", AFTER_A_CUT),
        Death("after an ack", AFTER_A_CUT),
    ),
    "snapshots": (
        Death("snapshot: before a blob"),
        Death("snapshot: a blob without its name", AFTER_A_CUT),
        Death("snapshot: after a blob", AFTER_A_CUT, times=3),
        Death("start: a shard took its state"),
        Death("snapshot: a manifest without its name", AFTER_A_CUT),
        Death("snapshot: after a manifest", AFTER_A_CUT),
        Death("snapshot: old files half removed", AFTER_A_CUT),
    ),
    "engine": (
        Death("after a pull", AFTER_A_CUT, victim="prism"),
        Death("after a state write", AFTER_A_CUT, victim="prism"),
        Death("after publishing", AFTER_A_CUT, victim="both"),
        Death("snapshot: after a blob", AFTER_A_CUT, victim="prism"),
    ),
}
"""By the name of a case, how its lives end."""

ON_PUBSUB = (
    Death("after a pull", AFTER_A_CUT),
    Death("after publishing", AFTER_A_CUT),
    Death("before an ack", AFTER_A_CUT),
    Death("after an ack", AFTER_A_CUT),
    Death("start: a shard took its state"),
    Death("snapshot: a manifest without its name", AFTER_A_CUT),
)


@pytest.fixture(scope="module", autouse=True)
def _needs_prism() -> None:
    """Skip loudly where Prism is not there."""
    try:
        prism_binary()
    except LoadErrors as error:
        pytest.skip(f"NOT TESTED on Prism: {error}")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Nine hours."""
    return day(tmp_path_factory.mktemp("long"))


@pytest.fixture(scope="module")
def record() -> Callable[[Seen], None]:
    """Keep what is seen; write the table of all, after each case, so that what fails is in it too."""
    every: list[Seen] = []

    def keep(seen: Seen) -> None:
        every.append(seen)
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(table(every), "utf-8")

    return keep


def _case(
    name: str, of: Day, broker: Broker, folder: Path, deaths: Sequence[Death] = (), disturb: Disturb | None = None
) -> Seen:
    return play(name, of, broker, folder / "case", deaths, OPTIONS, disturb or {})


@pytest.mark.crashes
@pytest.mark.parametrize("case", ON_KAFKA)
def test_kills_from_kafka(
    case: str, long: Day, kafka: KafkaServer, tmp_path: Path, record: Callable[[Seen], None]
) -> None:
    seen = _case(f"Kafka, {case}", long, OnKafka(kafka, long.signals), tmp_path, ON_KAFKA[case])
    record(seen)
    assert seen.is_exact(), seen


@pytest.mark.crashes
def test_kills_from_pubsub(
    long: Day, pubsub_emulator: PubSubServer, tmp_path: Path, record: Callable[[Seen], None]
) -> None:
    seen = _case("Pub/Sub", long, OnPubSub(pubsub_emulator, long.signals), tmp_path, ON_PUBSUB)
    record(seen)
    assert seen.is_exact(), seen


@pytest.mark.crashes
def test_an_outage_of_pubsub(
    long: Day, pubsub_emulator: PubSubServer, tmp_path: Path, record: Callable[[Seen], None]
) -> None:
    def outage() -> None:
        pubsub_emulator.pause()
        time.sleep(OUTAGE)  # the outage itself, not a wait for something
        pubsub_emulator.resume()

    broker = OnPubSub(pubsub_emulator, long.signals)
    seen = _case("Pub/Sub, outage of 10 s", long, broker, tmp_path, disturb={12: outage})
    record(seen)
    assert seen.is_exact(), seen


@pytest.mark.crashes
def test_a_restart_of_kafka(long: Day, own_kafka: KafkaServer, tmp_path: Path, record: Callable[[Seen], None]) -> None:
    def restart() -> None:
        own_kafka.broker.child.kill()
        own_kafka.broker.child.start()
        own_kafka.broker.wait(300)

    broker = OnKafka(own_kafka, long.signals)
    seen = _case("Kafka, broker killed and started", long, broker, tmp_path, disturb={12: restart})
    record(seen)
    assert seen.is_exact(), seen


@pytest.mark.crashes
def test_every_point_is_played() -> None:
    played = {death.point for deaths in (*ON_KAFKA.values(), ON_PUBSUB) for death in deaths}
    assert played == {*POINTS}
    assert sum(map(len, ON_KAFKA.values())) + len(ON_PUBSUB) >= 25


def test_a_kill_after_a_cut_and_one_during_the_next(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServer
) -> None:
    short = day(tmp_path_factory.mktemp("short"), "2026-03-02T03:00:00Z")
    assert short.rows["rejected"].total() == SUBSCRIBERS
    deaths = Death("after publishing", AFTER_A_CUT), Death("snapshot: a manifest without its name", AFTER_A_CUT)
    seen = _case("short", short, OnKafka(kafka, short.signals), tmp_path, deaths)
    assert len(seen.deaths) == len(deaths)
    assert seen.is_exact(), seen
