"""A sample takes whole subjects, the same ones each time."""

from fractions import Fraction

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.metrics import MetricsFilter
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from transforms.sample_subjects import SampleSubjects, sampled
from transforms.shell.packed_batch import PackedBatch, ShardBatch


def _batch(*subjects: str, kind: str = "subscriber") -> pa.RecordBatch:
    schema = pa.schema(
        [("subject", pa.string()), ("time", pa.int64())], metadata={"signal": "usage", "subject_kind": kind}
    )
    return pa.record_batch([[*subjects], [*range(len(subjects))]], schema=schema)


MANY = [f"s{n}" for n in range(20_000)]
STABLE = ["s14431", "s17369", "s17576", "s19648"]  # at a share of 1/4000


def _chosen(share: Fraction, kind: str = "subscriber") -> set[str]:
    return {*sampled(_batch(*MANY, kind=kind), share)["subject"].to_pylist()}


@pytest.mark.parametrize("share", [Fraction(1, 100), Fraction(1, 3), Fraction(99, 100)])
def test_the_share_is_about_what_is_asked_for(share: Fraction) -> None:
    assert len(_chosen(share)) == pytest.approx(share * len(MANY), abs=400)


def test_a_larger_share_takes_the_same_subjects_and_more() -> None:
    assert _chosen(Fraction(1, 100)) < _chosen(Fraction(2, 100))


def test_samples_are_stable() -> None:
    """They must not change with a release: previews would no longer compare."""
    assert sorted(_chosen(Fraction(1, 4000))) == STABLE


def test_kinds_are_sampled_apart() -> None:
    assert _chosen(Fraction(1, 10)) != _chosen(Fraction(1, 10), "household")


def test_all_signals_of_a_subject_are_taken_or_none_and_the_rest_is_counted() -> None:
    taken = STABLE[0]
    batches = [(0, PackedBatch.of(_batch(taken, "s0", taken))), (1, PackedBatch.of(_batch("s0")))]
    pipeline = beam.Pipeline(FnApiRunner())
    kept = pipeline | beam.Create(batches).with_output_types(ShardBatch) | SampleSubjects(share=Fraction(1, 4000))
    subjects = kept | beam.MapTuple(lambda shard, packed: (shard, packed.open()["subject"].to_pylist()))
    assert_that(subjects, equal_to([(0, [taken, taken])]))
    counters = pipeline.run().metrics().query(MetricsFilter().with_name("not_sampled"))["counters"]
    assert sum(each.committed for each in counters) == 2


@pytest.mark.parametrize("share", [Fraction(0), Fraction(1), Fraction(3, 2)])
def test_a_sample_is_some_of_them(share: Fraction) -> None:
    with pytest.raises(ValueError, match="more than nobody and less than everybody"):
        SampleSubjects(share=share)
