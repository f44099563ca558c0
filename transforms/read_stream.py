"""Reads what does not end, brokers and folders, as typed signal batches by shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.unbounded_source import ReadFromUnboundedSource
from apache_beam.pvalue import PBegin

from transforms.parsing.parser import Parsing
from transforms.shell.parted_elements import parted
from transforms.shell.pseudonym_key import pseudonym_key
from transforms.shell.stream_source import StreamSource
from transforms.streams.reading import Input

MAX_READ_SECONDS = 0.5
"""For how long one bundle reads where there is more: each is a checkpoint."""


@dataclass(eq=False, kw_only=True)
class ReadStream(beam.PTransform):
    """Reads addresses that do not end, and maps, casts, checks and shards their signals.

    In: the pipeline. Out: `signals`, `groups`, `controls` and `rejected` as `ParseSignals` gives them; `operations`,
    a row an hour and feed of which much is rejected, as `schemas.records.OPERATION`. Counts as `ParseSignals` does, and
    what pullers reject; gauge `streams/watermark_lag_seconds`; counter `streams/left_out` of the partitions that the
    watermark stopped waiting for. Elements have the timestamp max(earliest time, watermark told before them),
    in the global window. All is read in one place, which holds the watermark of all partitions (see
    `transforms.streams.watermark`); it is at the end of time once all addresses have ended. Messages are acknowledged
    when the engine finalizes the bundle, and with `cuts` not before a cut covers them.

    Attributes:
        inputs: What is read; their labels differ.
        payloads: Signal type to the payload fields that the playbook needs.
        kinds: Kinds of subjects that the playbook has a section for.
        earliest: Milliseconds; a signal's time may not be before it.
        as_of: Milliseconds; what publish time is to a broker, where it does not tell.
        max_ahead: Milliseconds that a signal's time may be after it was published.
        tick: That of the playbook, milliseconds.
        controls: Columns of the notices of `control` signals; None: nobody is told of these.
        names: What these may name, by scope.
        shards: Number of shards.
        grace: Milliseconds that the watermark stays behind event times.
        cuts: Directory in which cuts of the state are written; None: there are none.

    Raises:
        LoadErrors: the key of the pseudonyms is needed and not set.
    """

    inputs: Sequence[Input]
    payloads: Mapping[str, Sequence[str]]
    kinds: frozenset[str]
    earliest: int
    as_of: int
    max_ahead: int
    tick: int
    controls: pa.Schema | None = None
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    shards: int
    grace: int
    cuts: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked before anything is read."""
        super().__init__()
        labels = [one.label for one in self.inputs]
        if not labels or len({*labels}) < len(labels):
            raise ValueError(f"inputs must have labels of their own, and be some, not {labels}")
        if self.shards < 1:
            raise ValueError(f"shards must be at least 1, not {self.shards}")
        pseudonym_key({one.label: one.source for one in self.inputs})

    def source(self) -> StreamSource:
        """Return what reads."""
        parsings = {one.label: self._parsing(one) for one in self.inputs}
        return StreamSource(
            inputs=tuple(self.inputs), parsings=parsings, grace=self.grace, tick=self.tick, cuts=self.cuts
        )

    def expand(self, pbegin: PBegin) -> Any:
        """Read all, and part what was read."""
        read = ReadFromUnboundedSource(self.source(), poll_interval=0, max_read_time_seconds=MAX_READ_SECONDS)
        return parted(pbegin | "Read" >> read)

    def _parsing(self, one: Input) -> Parsing:
        """Return what the signals of an input are to become."""
        return Parsing(
            sources={one.source.contract.name: one.source},
            payloads=self.payloads,
            kinds=self.kinds,
            earliest=self.earliest,
            as_of=self.as_of,
            max_ahead=self.max_ahead,
            tick=self.tick,
            controls=self.controls,
            names=self.names,
            shards=self.shards,
        )
