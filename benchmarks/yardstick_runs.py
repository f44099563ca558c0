"""The yardstick through the real pipeline, on a file and as a stream; `usage_offers.py` is its command."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from time import time
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue

from benchmarks.yardstick import COLUMNS, WINDOW_MS, offer_line
from pipelines.inputs import inputs_of
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.durations import DAY
from schemas.playbook import Playbook
from schemas.playbook_file import load_playbook
from schemas.versions import Versions
from transforms.compiler.load import load_plan
from transforms.decide_offers import DecideOffers
from transforms.parse_signals import ParseSignals
from transforms.parsing.raw import raw_block
from transforms.shell.timers import Backlog
from transforms.track_contexts import TrackContexts

HERE = Path(__file__).parent
PLAYBOOK = str(HERE / "usage_offers.yaml")
HOUSEHOLDS = str(HERE / "usage_households.yaml")
SOURCES = str(HERE / "usage_offers.sources.yaml")
FEATURES = ("n", "sum_bytes", "max_bytes", "sum_seconds", "n_apps", "prev_bytes")
GRACE_MS = 120_000


class Arrival(NamedTuple):
    """Some rows of the file, in the order of arrival, and what is known when they have come."""

    first: int
    stop: int
    earliest: int
    watermark: int


def offer_lines(decisions: pa.Table) -> list[str]:
    """Return the result rows of the decisions that made an offer."""
    made = pl.DataFrame(decisions).filter(pl.col("action") == "offer")
    frame = made.select("subject", "tick", "context").unnest("context")
    frame = frame.with_columns(pl.col("tick").dt.epoch("ms") - WINDOW_MS)
    return [offer_line(*row) for row in frame.select("subject", "tick", *FEATURES).iter_rows()]


def settings(path: str, out: str, shards: int, households: str | None = None) -> RunSettings:
    """Return the settings of a run over one file, and over who is in which household if that is given."""
    signals = (("usage", path), *([("membership", households)] if households else []))
    playbook = HOUSEHOLDS if households else PLAYBOOK
    return RunSettings(
        playbook=playbook, sources=SOURCES, signals=signals, out=out, shards=shards, formats=("parquet",)
    )


def batch(settings: RunSettings) -> list[str]:
    """Run the bounded pipeline on the file; return the result rows."""
    run(settings)
    return offer_lines(pq.read_table(f"{settings.out}/decisions.parquet"))


def arrivals(path: str, step: int) -> Iterator[Arrival]:
    """Cut a file into slices, each of which advances the watermark by less than `step` milliseconds."""
    times = pq.read_table(path, columns=["event_time"])["event_time"].to_numpy()
    reached = np.maximum.accumulate(times)
    cuts = np.flatnonzero(np.diff(reached // step)) + 1
    for first, stop in pairwise([0, *cuts.tolist(), len(times)]):
        yield Arrival(first, stop, int(times[first:stop].min()), int(reached[stop - 1]) - GRACE_MS)


@lru_cache(maxsize=1)
def _row_group(path: str, group: int) -> pa.RecordBatch:
    return pq.ParquetFile(path).read_row_group(group, columns=list(COLUMNS)).combine_chunks().to_batches()[0]


class Arrive(beam.DoFn):
    """Reads the rows of an arrival, a block from each row group."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, arrival: Arrival) -> Iterator[pa.RecordBatch]:
        """Yield them."""
        file = pq.ParquetFile(self._path).metadata
        ends = np.cumsum([0, *(file.row_group(group).num_rows for group in range(file.num_row_groups))]).tolist()
        for group, (start, end) in enumerate(pairwise(ends)):
            first, stop = max(arrival.first, start), min(arrival.stop, end)
            if first < stop:
                rows = _row_group(self._path, group).slice(first - start, stop - first)
                block = raw_block(rows.columns, rows.schema.names, np.arange(first, stop), "row")
                metadata = {**block.schema.metadata, b"signal": b"usage", b"file": self._path.encode()}
                yield block.replace_schema_metadata(metadata)


class _Append(beam.DoFn):
    """Appends the result rows of decisions to a file of this machine."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, decisions: pa.RecordBatch) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in offer_lines(pa.Table.from_batches([decisions])))


def parser(playbook: Playbook, settings: RunSettings) -> ParseSignals:
    """Return what parses the blocks of `Arrive`."""
    plan, source = load_plan(playbook), inputs_of(Versions((playbook,)), settings)[0].source
    return ParseSignals(
        sources={"usage": source},
        payloads={"usage": plan.signals["usage"].columns},
        kinds=frozenset({plan.level}),
        earliest=0,
        as_of=2**53,
        max_ahead=DAY,
        tick=playbook.tick,
        shards=settings.shards,
    )


def stream(settings: RunSettings, path: str, output: str, span: int) -> None:
    """Play the file as an unbounded stream with disorder, its watermark 120 s behind.

    Args:
        settings: Of the run.
        path: The file.
        output: Where the result rows go.
        span: All of it is history, caught up with in spans of so many milliseconds; the tick takes each by itself.
    """
    backlog = Backlog(until=int(time() * 1000) // span * span, span=span)
    playbook: Playbook = load_playbook(settings.playbook)
    events = TestStream()
    for arrival in arrivals(path, span * 4 // 5):
        events = events.add_elements([TimestampedValue(arrival, arrival.earliest / 1000)])
        events = events.advance_watermark_to(arrival.watermark / 1000)
    with beam.Pipeline(runner=BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"])) as pipeline:
        parsed = (
            pipeline
            | events.advance_watermark_to_infinity()
            | beam.ParDo(Arrive(path))
            | "Parse" >> parser(playbook, settings)
        )
        tracked = parsed.signals | "TrackContexts" >> TrackContexts(
            playbook=playbook, bounded=False, shards=settings.shards, backlog=backlog
        )
        decided = tracked["triggers"] | "DecideOffers" >> DecideOffers(
            playbook=playbook, bounded=False, backlog=backlog
        )
        decided["decisions"] | "Append" >> beam.ParDo(_Append(output))
