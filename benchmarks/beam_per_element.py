"""The yardstick as ordinary per-element Beam Python: the baseline that columns are measured against.

Copies by a group per id, a combiner per key and window, state and a timer per subscriber, as Beam's guides teach it:

    python -m benchmarks.beam_per_element --input FILE.parquet --output OFFERS.csv
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder, VarIntCoder
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

from benchmarks.yardstick import COLUMNS, COOLDOWN_MS, SURGE_BYTES, WINDOW_MS, offer_line


class Totals(NamedTuple):
    """What one subscriber did in one window so far."""

    n: int = 0
    sum_bytes: int = 0
    max_bytes: int = 0
    sum_seconds: int = 0
    apps: frozenset[str] = frozenset()


class _Aggregate(beam.CombineFn):
    """Combine the events of a window."""

    def create_accumulator(self) -> Totals:
        return Totals()

    def add_input(self, so_far: Totals, event: dict[str, Any]) -> Totals:
        one = Totals(1, event["bytes"], event["bytes"], event["seconds"], frozenset([event["app_category"]]))
        return self.merge_accumulators([so_far, one])

    def merge_accumulators(self, parts: Iterable[Totals]) -> Totals:
        n, sums, maxima, seconds, apps = zip(*parts, strict=True)
        return Totals(sum(n), sum(sums), max(maxima), sum(seconds), frozenset().union(*apps))

    def extract_output(self, totals: Totals) -> tuple[int, int, int, int, int]:
        return (*totals[:4], len(totals.apps))


class _StampWindow(beam.DoFn):
    """Put the start of the window (milliseconds) before the totals."""

    def process(self, element: tuple[str, tuple[int, ...]], window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        yield element[0], (int(window.start.micros // 1000), *element[1])


class _Offers(beam.DoFn):
    """Keep a subscriber's windows until they are complete, then find surges outside the cooldown."""

    WAITING = BagStateSpec("waiting", FastPrimitivesCoder())
    PAST = ReadModifyWriteStateSpec("past", FastPrimitivesCoder())
    LATEST = ReadModifyWriteStateSpec("latest", VarIntCoder())
    TIMER = TimerSpec("complete", TimeDomain.WATERMARK)

    def process(
        self,
        element: tuple[str, tuple[int, ...]],
        waiting: Any = beam.DoFn.StateParam(WAITING),
        latest: Any = beam.DoFn.StateParam(LATEST),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        waiting.add(element[1])
        end = max(element[1][0] + WINDOW_MS, latest.read() or 0)
        latest.write(end)
        timer.set(end / 1000)

    @on_timer(TIMER)
    def complete(
        self,
        subscriber: str = beam.DoFn.KeyParam,
        waiting: Any = beam.DoFn.StateParam(WAITING),
        past: Any = beam.DoFn.StateParam(PAST),
    ) -> Iterator[str]:
        last_window, last_sum, last_offer = past.read() or (None, 0, None)
        for start, n, sum_bytes, max_bytes, sum_seconds, apps in sorted(waiting.read()):
            before = last_sum if last_window == start - WINDOW_MS else 0
            surge = sum_bytes > SURGE_BYTES and before > 0 and sum_bytes > 2 * before
            if surge and (last_offer is None or start - last_offer >= COOLDOWN_MS):
                last_offer = start
                yield offer_line(subscriber, start, n, sum_bytes, max_bytes, sum_seconds, apps, before)
            last_window, last_sum = start, sum_bytes
        waiting.clear()
        past.write((last_window, last_sum, last_offer))


def offers_of(events: Any) -> Any:
    """Return the offer lines of events that have their times as timestamps."""
    return (
        events
        | "Window" >> beam.WindowInto(FixedWindows(WINDOW_MS // 1000))
        | "ById" >> beam.Map(lambda event: (event["event_id"], event))
        | "Copies" >> beam.GroupByKey()
        | "First" >> beam.Map(lambda same: next(iter(same[1])))
        | "Key" >> beam.Map(lambda event: (event["subscriber_id"], event))
        | "Aggregate" >> beam.CombinePerKey(_Aggregate())
        | "StampWindow" >> beam.ParDo(_StampWindow())
        | "Global" >> beam.WindowInto(GlobalWindows())
        | "Offers" >> beam.ParDo(_Offers())
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        events = (
            pipeline
            | "Read" >> beam.io.ReadFromParquet(args.input, columns=list(COLUMNS))
            | "Stamp" >> beam.Map(lambda event: TimestampedValue(event, event["event_time"] / 1000))
        )
        offers_of(events) | "Write" >> beam.io.WriteToText(args.output, shard_name_template="")
    print(json.dumps({"engine": "ordinary Beam"}))


if __name__ == "__main__":
    main()
