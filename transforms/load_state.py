"""Load what stateful stages knew at the newest cut: seeds, from which they go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa
from apache_beam.pvalue import PBegin
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from schemas.errors import LoadError, LoadErrors
from schemas.versions import Versions
from transforms.blobs.envelope import LAYOUT, StateError
from transforms.keep_parts import STAGE as KEEP_PARTS
from transforms.shell.arrow_coder import from_ipc
from transforms.shell.cuts import Kept
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.timers import STAGES
from transforms.streams.manifests import BLOBS, BlobFile, Manifest, cuts_in, path_of, read_manifest

_AGAIN = "start from another folder, or without --state-in and read all signals again"

Owned = tuple[str, str, int, int, int]
"""A key of a stage as text, and what its `BlobFile` says."""


def newest_state(directory: str, versions: Versions, shards: int) -> Manifest:
    """Return the manifest of the newest cut, when all that it names is there, whole, and fits the run.

    Args:
        directory: Of cuts.
        versions: The playbook of the run.
        shards: Its number of shards.

    Raises:
        LoadErrors: there is no cut, it is torn, or of another release, playbook or number of shards.
    """
    ticks = cuts_in(directory)
    if not ticks:
        hint = "name the folder of --state-out of an earlier run, or start without --state-in"
        raise LoadErrors([LoadError(directory, None, "there is no cut: no manifest-TICK.json", hint=hint)])
    path = str(path_of(directory, ticks[-1]))
    try:
        manifest = read_manifest(directory, ticks[-1])
    except (OSError, ValueError) as error:
        raise LoadErrors([LoadError(path, None, f"this manifest cannot be read: {error}", hint=_AGAIN)]) from error
    errors = [*_misfits(path, manifest, versions, shards), *_broken(directory, manifest)]
    if errors:
        raise LoadErrors(errors)
    return manifest


def _misfits(path: str, manifest: Manifest, versions: Versions, shards: int) -> Iterator[LoadError]:
    """Tell why a run cannot go on from a cut."""
    mine = tuple(book.content_hash for book in versions.playbooks)
    if manifest.playbook != versions.first.playbook:
        told = f"the cut is of the playbook `{manifest.playbook}`, and this is `{versions.first.playbook}`"
        yield LoadError(path, None, told, hint=_AGAIN)
    elif mine[: len(manifest.versions)] != manifest.versions:
        hint = "give what changes a file of its own, with a higher `version` and `effective_from`, beside the old ones"
        yield LoadError(path, None, "the playbook was changed since the cut", hint=hint)
    elif any(start <= manifest.tick for start in versions.starts[len(manifest.versions) - 1 :]):
        hint = "let the new version take over later"
        yield LoadError(path, None, "a version that the cut knows nothing of takes over before it", hint=hint)
    if manifest.shards != shards:
        yield LoadError(
            path,
            None,
            f"the cut has {manifest.shards} shards, and this run {shards}",
            hint=f"--shards {manifest.shards} goes on from it; another number needs a run from the beginning",
        )
    if manifest.states != LAYOUT:
        told = f"its states have layout {manifest.states}, and this release reads {LAYOUT}"
        yield LoadError(path, None, told, hint="run the release that wrote it, or start without --state-in")


def _broken(directory: str, manifest: Manifest) -> Iterator[LoadError]:
    """Tell which files of a cut are missing, torn, or of somebody else."""
    for owner, file in sorted(manifest.files.items()):
        path = Path(directory) / BLOBS / file.name
        try:
            _read(directory, owner.partition("/")[2], file)
        except FileNotFoundError:
            yield LoadError(str(path), None, f"the state of `{owner}` is missing", hint=_AGAIN)
        except (OSError, StateError) as error:
            yield LoadError(str(path), None, f"the state of `{owner}`: {error}", hint=_AGAIN)


def _read(directory: str, key: str, file: BlobFile) -> bytes:
    """Return a packed `Kept`.

    Raises:
        OSError: it cannot be read.
        StateError: it is torn, or of another key.
    """
    content = (Path(directory) / BLOBS / file.name).read_bytes()
    if not file.holds(content):
        raise StateError(f"torn or changed: {len(content)} bytes, and the manifest says {file.size} others")
    if (found := Kept.read(content).key) != key:
        raise StateError(f"it is that of `{found}`")
    return content


class _Seed(beam.DoFn):
    """Reads the files of a stage."""

    def __init__(self, directory: str, tick: int, sharded: bool) -> None:
        self._directory, self._tick, self._sharded = directory, tick, sharded

    def process(self, element: Owned) -> Iterator[ShardBatch]:
        key, name, tick, size, checksum = element
        kept = _read(self._directory, key, BlobFile(name, tick, size, checksum))
        yield int(key) if self._sharded else 0, PackedBatch.seed(self._tick, kept)


class _Parts(beam.DoFn):
    """Reads the parts of segments."""

    def __init__(self, directory: str, tick: int) -> None:
        self._directory, self._time = directory, Timestamp(micros=1000 * (tick + len(STAGES)))

    def process(self, element: Owned) -> Iterator[Any]:
        key, name, tick, size, checksum = element
        for batch in Kept.read(_read(self._directory, key, BlobFile(name, tick, size, checksum))).waiting:
            yield TimestampedValue(from_ipc(batch), self._time)


@dataclass(eq=False, kw_only=True)
class LoadState(beam.PTransform):
    """Give each stage what it knew at a cut.

    In: the pipeline. Out: by the name of a stage, `shell.timers.STAGES`, (shard, packed seed), to be flattened with the
    stage's input, without event time: they hold the watermark until they are read; `describe_segments`, parts to be
    flattened with those that `DescribeSegments` and `KeepParts` take. A stage that gets seeds must be there.

    Attributes:
        directory: Of cuts.
        manifest: Of the cut: what `newest_state` found.
    """

    directory: str
    manifest: Manifest

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pbegin: PBegin) -> Mapping[str, Any]:
        """Read the files of each stage."""
        made, tick = {}, self.manifest.tick
        for stage in STAGES:
            seed = beam.ParDo(_Seed(self.directory, tick, stage != STAGES[0])).with_output_types(ShardBatch)
            made[stage] = self._files(pbegin, stage) | f"Seed {stage}" >> seed
        parts = beam.ParDo(_Parts(self.directory, tick)).with_output_types(pa.RecordBatch)
        made[KEEP_PARTS] = self._files(pbegin, KEEP_PARTS) | f"Seed {KEEP_PARTS}" >> parts
        return made

    def _files(self, pbegin: PBegin, stage: str) -> beam.PCollection[Owned]:
        owned = ((owner.partition("/"), file) for owner, file in sorted(self.manifest.files.items()))
        mine = [(key, *msgspec.structs.astuple(file)) for (of, _, key), file in owned if of == stage]
        return pbegin | f"Files {stage}" >> beam.Create(mine, reshuffle=False).with_output_types(Owned)
