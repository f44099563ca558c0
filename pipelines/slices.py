"""A bounded run in slices: signals are read once, then consecutive runs go over them, each from the cut of the last."""

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import structlog

from pipelines.bounded_job import Counted, Job, pipeline_job
from pipelines.cuts import start_of
from pipelines.inputs import inputs_of
from pipelines.joined_outputs import join
from pipelines.offers_pipeline import add_steps, outputs_of, parse_files, steps_of
from pipelines.report import instant
from pipelines.settings import RunSettings
from pipelines.steps import Slice, Steps
from schemas.versions import Versions
from transforms.read_spilled import ReadSpilled
from transforms.save_state import KEPT, check_directory
from transforms.shell.end_of_input import last_tick
from transforms.shell.erased_ahead import wait_where_erased
from transforms.shell.slicing import Slicing, Spilled
from transforms.shell.stored_files import files_of
from transforms.shell.versions import load_all_offers
from transforms.spill_signals import SpillSignals, index_of
from transforms.streams.copied_cuts import copy_newest
from transforms.write_outputs import WriteOutputs

AT_THE_END = {("signals", "pending"), ("decisions", "pending"), ("decisions", "waiting")}
"""What slices count that holds as of their end: of all slices the last says it."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Parsed:
    """What is read back, as `ParseSignals` gives it."""

    signals: Any
    groups: Any
    controls: Any


def sliced_job(books: Versions, settings: RunSettings, options: Sequence[str], folder: Path) -> Job:
    """Return what runs over signals slice by slice, with the outputs of a run over all of them at once.

    Args:
        books: What to track and offer.
        settings: With `slice`; `as_of` and `shards` included.
        options: Of Beam.
        folder: An empty one for what waits.

    Raises:
        LoadErrors: as `offers_pipeline.build`.
    """
    slices = _Slices(books, settings, options, folder)
    spill = pipeline_job(options, slices.spill)
    return lambda: slices.run(spill)


class _Slices:
    """The steps of a sliced run."""

    def __init__(self, books: Versions, settings: RunSettings, options: Sequence[str], folder: Path) -> None:
        self._books, self._settings, self._options = books, settings, options
        self._outs, self._spill, self._state = (folder / name for name in ("outputs", "spill", "state"))
        for each in (self._outs, self._spill):
            each.mkdir()
        self._steps = steps_of(books, settings)
        self._outputs = outputs_of(load_all_offers(books, settings.mode).plans[0], ("parquet",))
        kept = settings.state_in
        closed = None if kept is None else start_of(kept, books, settings.until).tick
        if settings.state_out is not None:
            check_directory(settings.state_out, closed)
        assert settings.slice is not None, "only a run with --slice is sliced"
        self._slicing = Slicing(books.first.tick, settings.slice, closed, settings.until)

    def spill(self, pipeline: beam.Pipeline) -> None:
        """Put into a pipeline what reads all signals and lets them wait for their slices."""
        settings, steps = self._settings, self._steps
        parsed, rejected = parse_files(pipeline, inputs_of(self._books, settings), steps.contexts, settings)
        tags = ["signals", *(["groups"] if steps.grouped else [])]
        tags += [] if steps.contexts.controls is None else ["controls"]
        waiting = {f"{tag} {number}": getattr(one, tag) for number, one in enumerate(parsed) for tag in tags}
        waiting | "SpillSignals" >> SpillSignals(directory=str(self._spill), slicing=self._slicing)
        records = {"rejected": rejected | "AllRejected" >> beam.Flatten()}
        only = {"rejected": self._outputs["rejected"]}
        records | "WriteOutputs" >> WriteOutputs(directory=self._out("read"), outputs=only)

    def run(self, spill: Job) -> Counted:
        """Read all, run over each slice, and put the outputs together."""
        counted = [spill()]
        files = wait_where_erased(str(self._spill), index_of(str(self._spill)))
        greatest = max((file.latest for file in files), default=None)
        slicing, until = self._slicing, self._settings.until
        until = last_tick(slicing.tick, greatest, slicing.closed) if until is None else until
        numbers = sorted({file.slice for file in files}) or [0]
        after = None
        for number in numbers:
            last = number == numbers[-1]
            end = until if last else self._slicing.end(number)
            mine = [file for file in files if file.slice == number]
            counted.append(self._one(mine, Slice(after, None if last else end), end, self._out(str(len(counted)))))
            after = end
        offers = load_all_offers(self._books, self._settings.mode).plans[0]
        parts = [Path(self._out(name)) for name in ("read", *map(str, range(1, len(counted))))]
        join(parts, self._settings.out, outputs_of(offers, self._settings.formats))
        if self._settings.state_out is not None:
            target = self._settings.state_out
            copy_newest(str(self._state), target, KEPT, files_of(target))
        return _summed(counted)

    def _one(self, files: Sequence[Spilled], part: Slice, end: int, out: str) -> Counted:
        """Run over one slice, up to its last tick."""
        _log.info("slice starts", until=instant(end), files=len(files))
        state_in = self._settings.state_in if part.after is None else str(self._state)
        state_out = None if part.upto is None and self._settings.state_out is None else str(self._state)
        asked = replace(self._settings, out=out, until=end, formats=("parquet",))
        settings = replace(asked, state_in=state_in, state_out=state_out)
        counted = pipeline_job(self._options, lambda pipeline: self._fill(pipeline, files, part, settings))()
        for file in files:
            (self._spill / file.name).unlink()
        gc.collect()  # graphs and results of Beam are cycles, which hold what went through them
        return counted

    def _fill(self, pipeline: beam.Pipeline, files: Sequence[Spilled], part: Slice, settings: RunSettings) -> None:
        steps: Steps = replace(steps_of(self._books, settings), slice=part)
        read = pipeline | "ReadSpilled" >> ReadSpilled(directory=str(self._spill), files=files)
        add_steps(pipeline, steps, [_Parsed(**read)], [], settings)

    def _out(self, name: str) -> str:
        """Return the folder of some outputs, made if it is not there."""
        path = self._outs / name
        path.mkdir(exist_ok=True)
        return str(path)


def _summed(counted: Iterable[Counted]) -> Counted:
    """Return what all slices counted."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    end = None
    for one in counted:
        end = one.end
        for namespace, names in one.counts.items():
            for name, count in names.items():
                before = 0 if (namespace, name) in AT_THE_END else counts[namespace][name]
                counts[namespace][name] = before + count
    for namespace, name in AT_THE_END:
        counts[namespace][name] = one.counts.get(namespace, Counter())[name]
    return Counted(counts, end)
