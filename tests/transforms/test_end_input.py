"""All shards of a bounded run end at one tick."""

from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from transforms.end_input import EndInput
from transforms.shell.end_of_input import split_end
from transforms.shell.packed_batch import PackedBatch, ShardBatch


def _ends(*times: int, **options: Any) -> None:
    """Check what two shards are told: `tick` after signals at `times`."""
    tick = options.pop("tick")
    schema = pa.schema([("time", pa.int64())], metadata={"signal": "usage"})
    batches = [(0, PackedBatch.of(pa.record_batch([[time]], schema=schema))) for time in times]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        signals = pipeline | beam.Create(batches).with_output_types(ShardBatch)
        told = (
            signals
            | EndInput(tick=60_000, shards=2, **options)
            | beam.MapTuple(lambda shard, end: (shard, split_end([end.open()])))
        )
        assert_that(told, equal_to([(shard, ([], tick)) for shard in range(2)]))


@pytest.mark.parametrize(
    ("times", "tick"),
    [((5,), 60_000), ((59_999, 7), 60_000), ((60_000,), 120_000), ((-1,), 0), ((), 0)],
    ids=["one", "the greatest", "on a tick", "before 1970", "no signals"],
)
def test_the_end_is_the_first_tick_after_the_greatest_time(times: tuple[int, ...], tick: int) -> None:
    _ends(*times, tick=tick)


@pytest.mark.parametrize("times", [(5,), (500_000,), ()])
def test_an_end_may_be_given(times: tuple[int, ...]) -> None:
    _ends(*times, until=120_000, tick=120_000)


@pytest.mark.parametrize("times", [(5,), (180_000,), ()])
def test_the_end_is_after_the_cut_that_a_run_starts_from(times: tuple[int, ...]) -> None:
    _ends(*times, since=180_000, tick=240_000)


def test_an_end_must_be_a_tick() -> None:
    with pytest.raises(ValueError, match="not a tick of the playbook"):
        EndInput(tick=60_000, shards=2, until=61_000)
