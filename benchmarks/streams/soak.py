"""A soak: many minutes at half the sustainable rate, with cuts; memory and cuts must stay as large as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import time

from benchmarks.streams.live import Live
from pipelines.engines.flink import Flink

MINUTES = 20.0
MOST_GROWTH = 0.05
"""The bar: how much the last third may be above the middle third, as a share."""


@dataclass(frozen=True)
class Soak:
    """What a soak showed, a value for each third of it.

    Attributes:
        broker: Its name.
        engine: Its name.
        signals_per_second: What was sent.
        minutes: For how long.
        cuts: Whether with `--state-out`.
        megabytes: Mean of all processes.
        programs: Mean of each program.
        checkpoint_bytes: Mean size of what the run can go on from: cuts, or Flink's checkpoints; none without either.
        behind_seconds: How far the tick of the newest offer was behind the clock, at most.
    """

    broker: str
    engine: str
    signals_per_second: float
    minutes: float
    cuts: bool
    megabytes: list[float]
    programs: dict[str, list[float]]
    checkpoint_bytes: list[float]
    behind_seconds: list[float]

    @property
    def growth(self) -> float:
        """By what share the last third has more memory than the middle one."""
        return self.megabytes[2] / self.megabytes[1] - 1

    @property
    def checkpoint_growth(self) -> float:
        """By what share the last third has larger checkpoints than the middle one."""
        middle, last = self.checkpoint_bytes[1:] if self.checkpoint_bytes else (1.0, 1.0)
        return last / max(middle, 1.0) - 1


def soak(warm: Live, rate: float, minutes: float = MINUTES) -> Soak:
    """Measure at a rate."""
    warm.settle(rate)
    began = time()
    with _Sizes(_size_of(warm.cluster, warm.state)) as sizes:
        behind = warm.send(60 * minutes, rate)
    third = 20 * minutes
    starts = [began + number * third for number in range(3)]
    watched = warm.running.watched
    names = watched.programs()
    return Soak(
        broker=warm.broker.name,
        engine=warm.engine,
        signals_per_second=rate,
        minutes=minutes,
        cuts=warm.state is not None,
        megabytes=[round(watched.mean(start, start + third), 1) for start in starts],
        programs={name: [round(watched.mean(start, start + third, name), 1) for start in starts] for name in names},
        checkpoint_bytes=[sizes.mean(start, start + third) for start in starts] if sizes.of else [],
        behind_seconds=[
            max((far for at, far in behind if number * third <= at < (number + 1) * third), default=0.0)
            for number in range(3)
        ],
    )


def _size_of(cluster: Flink | None, state: Path | None) -> Callable[[], float | None] | None:
    """Return what tells the size of the newest checkpoint."""
    if cluster is not None:
        return lambda: max((cluster.jobs.checkpoint_bytes(job) or 0 for job in cluster.jobs.active()), default=None)
    if state is None:
        return None
    return lambda: _bytes_of(state)


def _bytes_of(folder: Path) -> float | None:
    """Return the bytes of all files in a folder of cuts; None while there are none."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:  # an older cut gives way meanwhile
            continue
    return float(sum(sizes)) if sizes else None


class _Sizes:
    """Asks for a size each second, as a context."""

    def __init__(self, of: Callable[[], float | None] | None) -> None:
        self.of, self._stop, self._found = of, Event(), list[tuple[float, float]]()
        self._thread = Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "_Sizes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def mean(self, since: float, until: float) -> float:
        """Return the mean size in a time."""
        found = [size for at, size in self._found if since <= at <= until]
        return round(sum(found) / max(len(found), 1))

    def _ask(self) -> None:
        while self.of is not None and not self._stop.wait(1):
            if (size := self.of()) is not None:
                self._found.append((time(), size))
