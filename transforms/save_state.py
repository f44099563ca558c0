"""Save what stateful stages know at cuts: files, and a manifest of each cut once all that belongs to it is out."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
import pyarrow as pa
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Timestamp

from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from schemas.versions import Versions
from transforms.blobs.envelope import LAYOUT
from transforms.compiler.features import SUBSCRIBER
from transforms.shell.cuts import Blob
from transforms.shell.pseudonym_key import fingerprint
from transforms.shell.stored_files import files_of
from transforms.shell.timers import STAGES, Backlog, Cuts
from transforms.streams.erasures import Done, write_done
from transforms.streams.manifests import (
    LAYOUT as MANIFESTS,
)
from transforms.streams.manifests import (
    BlobFile,
    Manifest,
    blob_name,
    blob_path,
    cuts_in,
    manifest_path,
    remove_old,
)
from transforms.streams.told_of_cuts import Known, Told

KEPT = 3
"""So many manifests stay, with the files that they name."""

_BEHIND = len(STAGES) + 1
"""Milliseconds after a tick at which all stages, and what keeps the parts of segments, have closed it."""

STAGE_OF = dict.fromkeys(GROUPS, "track_groups") | {SUBSCRIBER: "track_subscribers"}
"""Which stage gives the receipt of a subject of each kind whatever is known of it."""

Entry = tuple[int, bytes]
"""One key, for all; a packed `Told`."""


class _WriteBlobs(beam.DoFn):
    """Writes each blob to a file of its own."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def process(self, element: Blob) -> Iterator[Entry]:
        stage, key, tick, content = element
        name = blob_name(stage, key, tick, content)
        files_of(self._directory).write(blob_path(self._directory, name), content)
        file = BlobFile(name, tick, len(content), zlib.crc32(content))
        yield 0, Told(tick, f"{stage}/{key}", file).packed()


class _WriteErased(beam.DoFn):
    """Writes erasures that were done to a file beside the cuts."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def process(self, batch: pa.RecordBatch) -> None:
        rows = batch.set_column(batch.schema.names.index("tick"), "tick", batch["tick"].cast(pa.int64())).to_pylist()
        own = [row for row in rows if row["stage"] == STAGE_OF[row["subject_kind"]]]
        done = [Done(row["tick"], row["subject_kind"], row["subject"], row["source"], row["id"]) for row in own]
        write_done(self._directory, done, files_of(self._directory))


class _Out(beam.DoFn):
    """Tells by when something is out; what has no time is of no cut."""

    def process(self, element: Any, stamp: Timestamp = beam.DoFn.TimestampParam) -> Iterator[Entry]:
        if stamp.micros > 0:
            yield 0, Told(-(-stamp.micros // 1000)).packed()


class _Confirm(beam.DoFn):
    """Writes the manifest of a cut when the watermark is behind all that belongs to it."""

    KNOWN = ReadModifyWriteStateSpec("known", BytesCoder())
    TIMER = TimerSpec("save_state", TimeDomain.WATERMARK)

    def __init__(self, save: "SaveState") -> None:
        self._cuts, self._backlog, self._window, self._since = save.cuts, save.backlog, save.window, save.since
        self._write = _Write(save)

    def process(
        self,
        element: Entry,
        known: Any = beam.DoFn.StateParam(KNOWN),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> None:
        told, now = Told.read(element[1]), self._read(known)
        cut = self._cuts.at(told.tick, self._backlog)
        new = cut > now.written and cut not in now.due
        if told.file is None and not new:
            return
        now.take(told)
        if new:
            now.due = sorted([*now.due, cut])
        if now.due:
            timer.set(self._time_of(now.due[0]))
        known.write(now.packed())

    @on_timer(TIMER)
    def confirm(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        known: Any = beam.DoFn.StateParam(KNOWN),
        timer: Any = beam.DoFn.TimerParam(TIMER),
    ) -> Iterator[int]:
        now = self._read(known)
        if not now.due or fired < self._time_of(now.due[0]):
            return
        tick = now.due[0]
        self._write.manifest(tick, now.close(tick))
        known.write(now.packed())
        if now.due:
            timer.set(self._time_of(now.due[0]))
        yield tick

    def _read(self, known: Any) -> Known:
        packed = known.read()
        since = -1 if self._since is None else self._since
        return Known(written=since) if packed is None else Known.read(packed)

    def _time_of(self, tick: int) -> Timestamp:
        """Return when all of a tick is out: what gathers rows in windows gives them after the end of the tick's."""
        window = max(self._window, self._cuts.tick)
        return Timestamp(micros=1000 * ((tick // window + 1) * window + _BEHIND))


class _ConfirmEnd(beam.DoFn):
    """Writes the one manifest of a bounded run."""

    def __init__(self, save: "SaveState") -> None:
        self._write = _Write(save)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[int]:
        known = Known()
        for packed in element[1]:
            known.take(Told.read(packed))
        tick = max((file.tick for files in known.files.values() for file in files), default=-1)
        if tick >= 0:
            self._write.manifest(tick, known.close(tick))
            yield tick


class _Write:
    """Writes manifests."""

    def __init__(self, save: "SaveState") -> None:
        versions = Versions((save.playbook, *save.later))
        self._directory = save.directory
        self._like = Manifest(
            tick=0,
            playbook=save.playbook.playbook,
            versions=tuple(book.content_hash for book in versions.playbooks),
            shards=save.shards,
            every=0 if save.bounded else save.cuts.every,
            states=LAYOUT,
            files={},
            layout=save.layout,
            grid=save.playbook.tick,
            levels=(*save.playbook.levels,),
            feed_timeout=dict(save.playbook.feed_timeout),
            key=fingerprint(),
            release=save.release,
        )

    def manifest(self, tick: int, files: Mapping[str, BlobFile]) -> None:
        """Write the manifest of a cut, then remove what nobody needs any more."""
        manifest = msgspec.structs.replace(self._like, tick=tick, files=files)
        store = files_of(self._directory)
        store.write(manifest_path(self._directory, tick), manifest.encoded())
        remove_old(self._directory, KEPT, store)


def check_directory(directory: str, since: int | None) -> None:
    """Check that the cuts of a run that starts from one at a tick can go into a directory.

    Raises:
        LoadErrors: another run left cuts there, or it cannot be listed.
    """
    try:
        found = max(cuts_in(directory, files_of(directory)), default=None)
    except (OSError, ValueError) as error:
        hint = "name a folder, or an address that the workers can write to, as gs://bucket/state"
        raise LoadErrors([LoadError("--state-out", None, f"`{directory}`: {error}", hint=hint)]) from error
    if found is not None and found != since:
        told = f"there is a cut at {found} already, and this run does not start from it"
        hint = f"start from it with `--state-in {directory}`, or name an empty folder"
        raise LoadErrors([LoadError(directory, None, told, hint=hint)])


@dataclass(eq=False, kw_only=True)
class SaveState(beam.PTransform):
    """Write the blobs of cuts to files, and a manifest of each cut that names the newest file of each stage and key.

    In: by name, `blobs`, what stages give at cuts (`shell.cuts.Blob`), in the global window; and, where sinks tell of
    what is out, `done`: elements with the timestamps of what they tell of, in any windows; and `receipts` of erasures,
    as `schemas.records.RECEIPT`, which are remembered beside the cuts for whoever starts from an older one. Out: the
    ticks of cuts with a manifest. A manifest is written when the watermark of blobs and `done` has passed the tick, the
    milliseconds of all stages, and the window in which something behind gathers rows of that tick: then all that was
    made up to it is out. A cut at which no blob is given and before which nothing is out has none.

    Attributes:
        directory: A folder that the workers share, or an address in an object store.
        playbook: Of the run.
        later: The versions of it that take over, in their order.
        shards: Number of shards.
        cuts: When there are cuts; the same as of the stages.
        bounded: Whether the input ends; then there is one cut, at its end.
        backlog: History that an unbounded run catches up with; the same as of the stages.
        window: The longest window in which something behind gathers rows, milliseconds; receipts wait for a tick.
        since: The tick of the cut that the run starts from; none is written up to it.
        layout: Of the manifests, one of `manifests.LAYOUTS`: that of the release before lets one go back to it.
        release: Of Segment of One, that manifests name.

    Raises:
        LoadErrors: another run left cuts in the directory, or it cannot be looked at.
    """

    directory: str
    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    shards: int
    cuts: Cuts
    bounded: bool
    backlog: Backlog | None = None
    window: int = 0
    since: int | None = None
    layout: int = MANIFESTS
    release: str = ""

    def __post_init__(self) -> None:
        """Check the directory before anything is read."""
        super().__init__()
        check_directory(self.directory, self.since)

    def expand(self, told: Mapping[str, Any]) -> beam.PCollection[int]:
        """Write blobs, then manifests."""
        written = beam.ParDo(_WriteBlobs(self.directory)).with_output_types(Entry)
        entries = [told["blobs"] | "WriteBlobs" >> written]
        if "done" in told:
            out = beam.ParDo(_Out()).with_output_types(Entry)
            entries.append(told["done"] | "InAll" >> beam.WindowInto(GlobalWindows()) | "Out" >> out)
        if "receipts" in told:
            _ = told["receipts"] | "WriteErased" >> beam.ParDo(_WriteErased(self.directory))
        every = entries | "Entries" >> beam.Flatten()
        if self.bounded:
            return every | "Gather" >> beam.GroupByKey() | "ConfirmEnd" >> beam.ParDo(_ConfirmEnd(self))
        return every | "Confirm" >> beam.ParDo(_Confirm(self)).with_output_types(int)
