"""A burst: ten times as many signals for some seconds; the broker keeps what is too much, and the lag goes again."""

from dataclasses import dataclass
from threading import Event, Thread
from time import sleep, time

from benchmarks.streams.live import Live
from benchmarks.streams.runs import LAG

TIMES = 10
USUAL_SECONDS, SECONDS = 10.0, 6.0
MOST_MEMORY = 1.5
"""The bar: peak of memory from the burst on, of the peak before."""


@dataclass(frozen=True)
class Burst:
    """What a burst showed.

    Attributes:
        broker: Its name.
        engine: Its name.
        usual: Signals a second before and after.
        burst: Signals a second in the burst.
        seconds: Of the burst.
        behind_seconds: How far offers were behind the clock: before, at most, and in the end.
        waiting: Signals that nobody had acknowledged: before, at most, in the end; none where a broker does not tell.
        told_lag_seconds: The greatest `segone_streams_watermark_lag_seconds`.
        recovered_seconds: From the end of the burst until offers were no longer behind.
        megabytes: Peak before, and from the burst on.
    """

    broker: str
    engine: str
    usual: float
    burst: float
    seconds: float
    behind_seconds: list[float]
    waiting: list[int]
    told_lag_seconds: float
    recovered_seconds: float
    megabytes: list[float]

    @property
    def memory(self) -> float:
        """How many times the memory before."""
        return self.megabytes[1] / self.megabytes[0]


def burst(warm: Live, rate: float, seconds: float = SECONDS, usual_seconds: float = USUAL_SECONDS) -> Burst:
    """Measure at a usual rate.

    Raises:
        RuntimeError: the lag does not go.
    """
    warm.settle(rate)
    before = warm.send(usual_seconds, rate)
    watched, since = warm.running.watched, time()
    with _Looking(warm) as looking:
        during = warm.send(seconds, TIMES * rate)
        ended = time()
        warm.settle(rate, seconds=max(60 * seconds, 120))
        recovered = time() - ended
        after = warm.send(usual_seconds, rate)
    return Burst(
        broker=warm.broker.name,
        engine=warm.engine,
        usual=rate,
        burst=TIMES * rate,
        seconds=seconds,
        behind_seconds=[
            round(max(far for _, far in before), 2),
            round(max(looking.behind, *(far for _, far in during)), 2),
            round(max(far for _, far in after), 2),
        ],
        waiting=[looking.waiting[0], max(looking.waiting), looking.waiting[-1]] if looking.waiting else [],
        told_lag_seconds=looking.told,
        recovered_seconds=round(recovered, 2),
        megabytes=[round(watched.peak(until=since), 1), round(watched.peak(since=since), 1)],
    )


class _Looking:
    """Looks at the lag each half second, as a context: what the broker, the run and the offers tell of it."""

    def __init__(self, warm: Live) -> None:
        self._warm, self._stop = warm, Event()
        self.waiting, self.told, self.behind = list[int](), 0.0, 0.0
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> "_Looking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            if (waiting := self._warm.waiting()) is not None:
                self.waiting.append(waiting)
            self.told = max(self.told, self._warm.running.counts().get(LAG, 0.0))
            self.behind = max(self.behind, self._warm.behind())
            sleep(0.5)
