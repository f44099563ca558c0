"""Stories as Beam streams whose watermark the story moves, on the runner that streams within this process."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from pipelines.runner_options import beam_arguments
from pipelines.steps import Signals, Steps
from pipelines.stories.signals import of_group, of_subscriber, salted, take
from pipelines.stories.story import OUTPUTS, Arrival, Expect, Story, Watermark
from pipelines.stories.told import Told, by_expect
from pipelines.stories.wakes import awake
from transforms.decision.notices import is_notice
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.timers import STAGES, Backlog

_HEARD: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
"""What streams told, by file of the story and output: the runner works in this process."""


def play_stream(story: Story) -> Iterator[tuple[Told, Sequence[Expect]]]:
    """Play a story as a stream on one shard."""
    file, woken = story.source.file, awake(story)
    for output in OUTPUTS:
        _HEARD[file, output].clear()
    steps = Steps(
        versions=story.versions,
        bounded=False,
        shards=1,
        backlog=Backlog(until=story.until, span=story.playbook.tick, last=story.until),
        described=False,
        decide_from=story.decide_from,
    )
    with salted(), beam.Pipeline(options=PipelineOptions(beam_arguments("BundleBasedDirectRunner", []))) as pipeline:
        signals = pipeline | "Signals" >> _stream(story, woken.ticks)
        subscribers = signals | "Subscribers" >> beam.Filter(_of_subscribers)
        groups = signals | "AboutGroups" >> beam.Filter(_of_groups)
        controls = signals | "Controls" >> beam.Filter(_of_everybody)
        taken = Signals(
            subscribers=(subscribers,), groups=(groups,), watched=(subscribers, groups), controls=(controls,)
        )
        heard = steps.records(taken)
        for output in OUTPUTS:
            heard[output] | f"Hear {output}" >> beam.Map(_hear, (file, output))
    rows = {output: _HEARD[file, output] for output in OUTPUTS}
    yield from by_expect(story, rows, woken.counts)


def _stream(story: Story, woken: Sequence[int]) -> TestStream:
    """Return what is taken of the story's signals and watermarks as a stream of (shard, packed batch).

    The watermark goes from one tick at which a stage wakes to the next: this runner holds it for no timer, so what one
    stage makes at a tick would otherwise come to the next stage after later ticks; and it costs the same however far.
    """
    stream, now = TestStream(), min((signal.time for signal in story.signals), default=0)
    for event in story.events:
        if isinstance(event, Arrival):
            taken = take(story, event.signals)
            elements = [(0, PackedBatch.of(one)) for one in taken.batches]
            elements += [(0, PackedBatch.of(one, "tick")) for one in taken.controls]
            stream.add_elements(TimestampedValue(one, _timestamp(one[1].earliest)) for one in elements)
        elif isinstance(event, Watermark):
            due = (*(tick for tick in woken if tick <= event.time), event.time)
            steps = {time + later for time in due for later in range(len(STAGES) + 1)}  # each wakes a little later
            for watermark in sorted(time for time in steps if time > now):
                stream.advance_watermark_to(_timestamp(watermark))
            now = max(now, *steps)
    return stream.advance_watermark_to_infinity()


def _of_groups(element: ShardBatch) -> bool:
    return of_group(element[1].open())


def _of_everybody(element: ShardBatch) -> bool:
    return is_notice(element[1].open())


def _of_subscribers(element: ShardBatch) -> bool:
    return of_subscriber(element[1].open())


def _timestamp(time: int) -> Timestamp:
    return Timestamp(micros=time * 1000)


def _hear(batch: pa.RecordBatch, where: tuple[str, str]) -> None:
    _HEARD[where] += batch.to_pylist()
