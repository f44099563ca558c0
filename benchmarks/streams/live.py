"""A stream of signals as of now, warm: a producer sends them, a run makes offers of them, a consumer gets these."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from benchmarks.engines import HERE
from benchmarks.live_yardstick import SIZE, SMALLEST
from benchmarks.streams import brokers
from benchmarks.streams.brokers import Broker
from benchmarks.streams.history import cut_of_history
from benchmarks.streams.messages import beginnings
from benchmarks.streams.producer import Producing, producing
from benchmarks.streams.runs import SIGNALS_IN, Offers, Running, engine_running, now, segone, started
from benchmarks.yardstick import Size
from pipelines.engines.flink import Flink

PLAYBOOK = HERE / "streams" / "live_offers.yaml"
TICK, GRACE = 1_000, 1_000
STATE_EVERY = "30s"
LOOK = 0.1
"""Seconds between looks at how far offers are behind."""


@dataclass(frozen=True)
class Load:
    """What is sent, and what is made of it.

    Attributes:
        size: Whose signals.
        window: Seconds of the windows of the playbook.
        warm_rate: Signals a second before anything is measured.
        bounded: Seconds that the newest offer's tick may be behind the clock while a rate is sustained.
    """

    size: Size
    window: int
    warm_rate: float
    bounded: float


MAIN = Load(SIZE, 5, 2_000, 5.0)
"""Bounded by tick, grace, and three seconds."""

SMALL = Load(SMALLEST, 1, 500, 600.0)
"""Bounded by nothing: whether it runs, on however busy a machine."""


@dataclass
class Live:
    """A warm stream.

    Attributes:
        load: What is sent.
        broker: Between whose topics.
        engine: The name of the engine.
        cluster: The engine, if it outlives runs.
        running: The run.
        offers: What arrives.
        producer: What sends.
        state: The folder of cuts, if there are any.
    """

    load: Load
    broker: Broker
    engine: str
    cluster: Flink | None
    running: Running
    offers: Offers
    producer: Producing
    state: Path | None

    @property
    def bounded(self) -> float:
        """Seconds that offers may be behind while a rate is sustained: Flink, which is asked for less, has one more."""
        return self.load.bounded if self.cluster is None else self.load.bounded + 1.0

    def behind(self) -> float:
        """Return how many seconds the tick of the newest offer is behind the clock."""
        newest = self.offers.newest()
        return float("inf") if newest is None else (now() - newest) / 1000

    def waiting(self) -> int | None:
        """Return how many signals nobody has acknowledged; None where the broker does not tell."""
        return self.broker.waiting("signals-live")

    def send(self, seconds: float, rate: float) -> list[tuple[float, float]]:
        """Send for so long; return how far the offers were behind meanwhile, by the seconds passed."""
        began, found = monotonic(), list[tuple[float, float]]()
        self.producer.start(seconds, rate)
        while (passed := monotonic() - began) < seconds:
            found.append((passed, self.behind()))
            sleep(LOOK)
        self.producer.wait()
        return found

    def settle(self, rate: float, seconds: float = 120.0) -> float:
        """Send at a rate until offers are no longer behind; return after how many seconds that was.

        Raises:
            RuntimeError: they are, in the end.
        """
        began = monotonic()
        while monotonic() - began < seconds:
            if all(behind <= self.bounded for _, behind in self.send(1.0, rate)[-3:]):
                return monotonic() - began
        raise RuntimeError(f"at {rate:,.0f} signals/s offers are {self.behind():.1f} s behind for {seconds:.0f} s")

    def reach(self, tick: int, rate: float, seconds: float = 120.0) -> None:
        """Send at a rate until an offer of a tick, milliseconds, or a later one is there.

        Raises:
            RuntimeError: there is none in the end.
        """
        began = monotonic()
        while (self.offers.newest() or 0) < tick:
            if monotonic() - began > seconds:
                raise RuntimeError(f"at {rate:,.0f} signals/s no offer of the tick {tick} came in {seconds:.0f} s")
            self.send(TICK / 1000, rate)


@contextmanager
def live(
    broker: Broker, engine: str, cluster: Flink | None, folder: Path, load: Load, *, cuts: bool = False
) -> Iterator[Live]:
    """Run a stream between topics of its own until the end of the context.

    Args:
        broker: Where they are.
        engine: Its name.
        cluster: The engine, if it outlives runs.
        folder: For what it writes.
        load: What is sent.
        cuts: Whether there are cuts; it begins with one of a history then, in which everybody has been seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    broker.make("signals-live", "offers-live")
    playbook, state = folder / "playbook.yaml", folder / "state" if cuts else None
    playbook.write_text(PLAYBOOK.read_text("utf-8").replace(" 5s", f" {load.window}s"), "utf-8")
    options: list[str] = []
    if state is not None:
        cut_of_history(load.size, playbook, folder, state)
        options = ["--state-in", str(state), "--state-out", str(state), "--state-every", STATE_EVERY]
    addresses = f"{broker.scheme}signals-live", f"{broker.scheme}offers-live"
    command = segone(str(playbook), *addresses, folder / "out", cluster, options)
    with (
        started(command, folder, cluster) as running,
        Offers(broker, "offers-live") as offers,
        producing(broker, "signals-live", beginnings(load.size), folder / "sent") as producer,
    ):
        producer.send(1, 100)
        running.until(lambda: running.counts().get(SIGNALS_IN, 0) > 0)
        warm = Live(load, broker, engine, cluster, running, offers, producer, state)
        warm.send(3 * load.window, load.warm_rate)  # a surge needs two windows behind it
        warm.settle(load.warm_rate)
        yield warm


@contextmanager
def place(broker: str, engine: str) -> Iterator[tuple[Broker, Flink | None, Path]]:
    """Run a broker and an engine until the end of the context; there is a folder for what is written."""
    with tempfile.TemporaryDirectory(prefix="segone-streams-") as name:
        folder = Path(name)
        with engine_running(engine, folder / "engine") as cluster, brokers.running(broker, folder / "broker") as one:
            yield one, cluster, folder
