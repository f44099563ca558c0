"""A pipeline over files that runs to its end, and what it counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from pipelines.offers_pipeline import build
from pipelines.settings import RunSettings
from schemas.versions import Versions


@dataclass(frozen=True)
class Counted:
    """What a run counted.

    Attributes:
        counts: By namespace and name, summed over all steps.
        end: The last tick, milliseconds; None: it was not told.
    """

    counts: Mapping[str, Counter[str]]
    end: int | None


Job = Callable[[], Counted]


def pipeline_job(options: Sequence[str], fill: Callable[[beam.Pipeline], object]) -> Job:
    """Return what runs a pipeline; it is filled at once, so that mistakes are told before anything runs.

    Args:
        options: Of Beam.
        fill: Puts steps into it.
    """
    pipeline = beam.Pipeline(options=PipelineOptions([*options]))
    fill(pipeline)

    def run() -> Counted:
        result = pipeline.run()
        result.wait_until_finish()
        return _counted(result)

    return run


def whole_job(books: Versions, settings: RunSettings, options: Sequence[str]) -> Job:
    """Return what runs over all signals at once.

    Raises:
        LoadErrors: as `build`.
    """
    return pipeline_job(options, lambda pipeline: build(pipeline, books, settings))


def _counted(result: PipelineResult) -> Counted:
    found = result.metrics().query()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found["counters"]:
        counts[one.key.metric.namespace][one.key.metric.name] += one.committed
    ends = [one.committed.max for one in found["distributions"] if one.key.metric.name == "end_tick"]
    return Counted(counts, max(ends, default=None))
