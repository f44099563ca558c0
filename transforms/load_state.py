"""Load what stateful stages knew at the newest cut: seeds, from which they go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa
from apache_beam.pvalue import PBegin, TaggedOutput
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.versions import Versions
from transforms.keep_parts import STAGE as KEEP_PARTS
from transforms.shell.arrow_coder import from_ipc
from transforms.shell.cuts import Kept
from transforms.shell.erased_again import asked_again, without_strangers
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.pseudonym_key import key_in_environment
from transforms.shell.resharding import KINDS_OF, SHARDED, as_of_cut, sources_of
from transforms.shell.starts import Start
from transforms.shell.tallied import TalliedCounter
from transforms.shell.timers import STAGES
from transforms.streams.manifests import BlobFile

Owned = tuple[str, str, int, int, int]
"""A key of a stage as text, and what its `BlobFile` says."""

Sources = tuple[int, list[Owned]]
"""A shard, and the files in which what it starts from is."""


def _read(start: Start, owned: Owned) -> bytes:
    key, name, tick, size, checksum = owned
    return start.read(key, BlobFile(name, tick, size, checksum))


class _Seed(beam.DoFn):
    """Reads the files of a stage whose keys are no shards."""

    def __init__(self, start: Start) -> None:
        self._start = start

    def process(self, element: Owned) -> Iterator[ShardBatch]:
        yield 0, PackedBatch.seed(self._start.tick, _read(self._start, element))


class _SeedShard(beam.DoFn):
    """Reads what a shard of a stage starts from."""

    def __init__(self, load: "LoadState", stage: str) -> None:
        self._start, self._stage, self._shards = load.start, stage, load.shards
        self._kinds, self._as_of = [*load.versions.first.levels], load.made_anew
        turns = [load.versions.next_start(load.start.tick)]
        turns += [load.start.tick + load.versions.first.tick] if load.start.changed else []
        self._until = {
            (one.subject_kind, one.token): one.tick + load.versions.last.erased_for for one in load.start.erased
        }
        self._turn = min((tick for tick in turns if tick is not None), default=None)

    def process(self, element: Sources) -> Iterator[ShardBatch]:
        shard, files = element
        kept: Kept | None
        every, tick = [Kept.read(_read(self._start, file)) for file in files], self._start.tick
        if self._as_of:
            kept = as_of_cut(self._stage, self._kinds, every, shard, self._shards, tick)
        else:
            (kept,) = every
        if kept is not None:
            kept = without_strangers(self._stage, kept, self._kinds, self._until, key_in_environment())
            wake = min((at for at in (kept.wake, self._turn) if at is not None), default=None)
            yield shard, PackedBatch.seed(tick, msgspec.structs.replace(kept, wake=wake).packed())


class _EraseAgain(beam.DoFn):
    """Looks in all files for those who were erased after the cut; each that it finds is a signal that was read."""

    READ = TalliedCounter("signals", "in")

    def __init__(self, load: "LoadState") -> None:
        self._start, self._shards = load.start, load.shards
        self._kinds, self._tick = [*load.versions.first.levels], load.versions.first.tick

    def process(self, element: list[tuple[str, Owned]]) -> Iterator[Any]:
        kept = ((stage, Kept.read(_read(self._start, owned))) for stage, owned in element)
        known = (one for one in kept if one[1].state is not None)
        salt = key_in_environment()
        for signals in asked_again(known, self._start.erased, self._kinds, self._shards, self._tick, salt):
            self.READ.inc()
            yield from (TaggedOutput(stage, signal) for stage, signal in signals)


class _Parts(beam.DoFn):
    """Reads the parts of segments."""

    def __init__(self, start: Start) -> None:
        self._start, self._time = start, Timestamp(micros=1000 * (start.tick + len(STAGES)))

    def process(self, element: Owned) -> Iterator[Any]:
        for batch in Kept.read(_read(self._start, element)).waiting:
            yield TimestampedValue(from_ipc(batch), self._time)


@dataclass(eq=False, kw_only=True)
class LoadState(beam.PTransform):
    """Give each stage what it knew at a cut.

    In: the pipeline. Out: by the name of a stage, `shell.timers.STAGES`, (shard, packed seed), to be flattened with the
    stage's input, without event time: they hold the watermark until they are read; `describe_segments`, parts to be
    flattened with those that `DescribeSegments` and `KeepParts` take. A stage that gets seeds must be there. With
    another number of shards than the cut's, or a playbook that was changed since, a shard starts as of the tick of the
    cut: as if it had acted there. What was erased after
    the cut is erased again at the same tick.

    Attributes:
        start: What `newest_start` found.
        versions: The playbook of the run.
        shards: Its number of shards.
    """

    start: Start
    versions: Versions
    shards: int

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def made_anew(self) -> bool:
        """Whether no shard starts from what one kept as it is."""
        return bool(self.start.changed or self.start.erased) or self.start.manifest.shards != self.shards

    def expand(self, pbegin: PBegin) -> Mapping[str, Any]:
        """Read the files of each stage."""
        made: dict[str, Any] = {}
        for stage in SHARDED:
            seed = beam.ParDo(_SeedShard(self, stage)).with_output_types(ShardBatch)
            files = beam.Create(self._sources(stage), reshuffle=False).with_output_types(Sources)
            made[stage] = pbegin | f"Files {stage}" >> files | f"Seed {stage}" >> seed
        if self.start.erased:
            made |= self._erased(pbegin, made)
        for stage in (stage for stage in STAGES if stage not in SHARDED):
            seed = beam.ParDo(_Seed(self.start)).with_output_types(ShardBatch)
            made[stage] = self._files(pbegin, stage) | f"Seed {stage}" >> seed
        parts = beam.ParDo(_Parts(self.start)).with_output_types(pa.RecordBatch)
        made[KEEP_PARTS] = self._files(pbegin, KEEP_PARTS) | f"Seed {KEEP_PARTS}" >> parts
        return made

    def _erased(self, pbegin: PBegin, made: Mapping[str, Any]) -> dict[str, Any]:
        """Return what stages take with the erasures that were done after the cut."""
        files = [(stage, owned) for stage in SHARDED for owned in self._owned(stage)]
        erase = beam.ParDo(_EraseAgain(self)).with_outputs(*KINDS_OF)
        again = pbegin | "AllFiles" >> beam.Create([files], reshuffle=False) | "EraseAgain" >> erase
        return {stage: (made[stage], again[stage]) | f"Erased {stage}" >> beam.Flatten() for stage in KINDS_OF}

    def _files(self, pbegin: PBegin, stage: str) -> beam.PCollection[Owned]:
        files = beam.Create(self._owned(stage), reshuffle=False)
        return pbegin | f"Files {stage}" >> files.with_output_types(Owned)

    def _owned(self, stage: str) -> list[Owned]:
        owned = ((owner.partition("/"), file) for owner, file in sorted(self.start.manifest.files.items()))
        return [(key, *msgspec.structs.astuple(file)) for (of, _, key), file in owned if of == stage]

    def _sources(self, stage: str) -> list[Sources]:
        """Return of each shard where its subjects are; where nobody is, what is the same in all is in any."""
        before, every = self.start.manifest.shards, self._owned(stage)
        found = []
        for shard in range(self.shards):
            mine = {str(one) for one in sources_of(shard, self.shards, before)}
            files = [one for one in every if one[0] in mine] or (
                every if before != self.shards or self.start.erased else []
            )
            found += [(shard, files)] if files else []
        return found
