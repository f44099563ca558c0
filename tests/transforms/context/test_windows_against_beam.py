"""Features against Beam's own windows: `SlidingWindows(size=W, period=tick)` with window end T is `[T - W, T)`."""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from apache_beam.transforms.combiners import CountCombineFn, MeanCombineFn, ToSetCombineFn
from apache_beam.transforms.window import GlobalWindows, SlidingWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal
from tests.reference.strategies import START
from transforms.compiler.load import load_plan

PLAYBOOK = """
playbook: windows
signals: [usage]
subscriber:
  features:
    sum: {{sum: mb, from: usage, window: 7m, offset: {offset}m}}
    count: {{count: any, from: usage, window: 7m, offset: {offset}m}}
    min: {{min: mb, from: usage, window: 7m, offset: {offset}m}}
    max: {{max: mb, from: usage, window: 7m, offset: {offset}m}}
    mean: {{mean: mb, from: usage, window: 7m, offset: {offset}m}}
    different: {{distinct: mb, from: usage, window: 7m, offset: {offset}m}}
  moments:
    every_tick: {{when: sum >= 0, repeat: 1m}}
"""

COMBINES = {
    "sum": sum,
    "count": CountCombineFn(),
    "min": min,
    "max": max,
    "mean": MeanCombineFn(),
    "different": ToSetCombineFn(),
}


def rows_of(seed: int) -> list[Signal]:
    """Return usage of eight subscribers within an hour, a third of it exactly on a tick."""
    draw = random.Random(seed)
    times = [draw.randrange(60) * MINUTE + draw.choice([0, draw.randrange(MINUTE), MINUTE - 1]) for _ in range(300)]
    return [
        Signal("usage", f"{index}", "net", START + time, draw.choice("abcdefgh"), {"mb": draw.randrange(12) / 4})
        for index, time in enumerate(times)
    ]


def kernel_features(rows: list[Signal], offset: int) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the features by subject and end of their window, which lies `offset` minutes before the tick."""
    kernel = Kernel(load_plan(parse_playbook(PLAYBOOK.format(offset=offset))))
    kernel.advance(rows, START + 70 * MINUTE)
    found = kernel.contexts.items()
    return {(subject, tick - offset * MINUTE): dict(context.values) for (subject, tick), context in found}


class Ended(beam.DoFn):
    """Names a window's value by subject, end of the window in ms, and aggregate."""

    def __init__(self, aggregate: str) -> None:
        self.aggregate = aggregate

    def process(self, element: tuple[str, Any], window: Any = beam.DoFn.WindowParam) -> Iterator[Any]:
        value = len(element[1]) if self.aggregate == "different" else element[1]
        yield (element[0], window.end.micros // 1000), self.aggregate, value


@pytest.mark.parametrize("offset", [0, 3])
def test_exact_windows_are_those_of_beam(offset: int) -> None:
    rows = rows_of(seed=offset)
    features = kernel_features(rows, offset)

    def same(found: list[tuple[tuple[str, int], str, float]]) -> None:
        windows: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        for where, aggregate, value in found:
            windows[where][aggregate] = value
        assert {where: values for where, values in features.items() if values["count"]} == dict(windows)

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        elements = [
            TimestampedValue((row.subject, row.payload["mb"]), Timestamp(micros=row.time * 1000)) for row in rows
        ]
        timed = pipeline | beam.Create(elements) | "Give times" >> beam.Map(lambda one: one)
        windowed = timed | "Slide" >> beam.WindowInto(SlidingWindows(size=7 * 60, period=60))
        ended = [
            windowed | f"Combine {name}" >> beam.CombinePerKey(combine) | f"End {name}" >> beam.ParDo(Ended(name))
            for name, combine in COMBINES.items()
        ]
        assert_that(ended | beam.Flatten() | "Gather" >> beam.WindowInto(GlobalWindows()), same)
