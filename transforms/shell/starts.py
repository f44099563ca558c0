"""From which cut a run starts: whether all of it is there, whole, and something that the run can go on from."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.versions import Versions
from transforms.blobs.envelope import LAYOUT, StateError
from transforms.decision.adopted import unfit_columns
from transforms.shell.cuts import Kept
from transforms.shell.pseudonym_key import fingerprint
from transforms.shell.stored_files import files_of
from transforms.shell.versions import load_all_offers
from transforms.streams.erasures import FOLDER, Done, done_after
from transforms.streams.manifests import (
    BlobFile,
    Manifest,
    blob_path,
    cuts_in,
    manifest_path,
    read_manifest,
)

_AGAIN = "start from another folder, or without --state-in and read all signals again"


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Attributes:
        directory: Of cuts.
        manifest: Of the cut.
        changed: Whether the run's playbook is not that of the cut: it takes over at the tick after it.
        erased: Erasures that were done after it.
    """

    directory: str
    manifest: Manifest
    changed: bool = False
    erased: tuple[Done, ...] = ()

    @property
    def tick(self) -> int:
        """The tick of the cut, milliseconds."""
        return self.manifest.tick

    def read(self, key: str, file: BlobFile) -> bytes:
        """Return a packed `Kept`.

        Raises:
            OSError: it cannot be read.
            StateError: it is torn, or of another key.
        """
        content = files_of(self.directory).read(blob_path(self.directory, file.name))
        if not file.holds(content):
            raise StateError(f"torn or changed: {len(content)} bytes, and the manifest says {file.size} others")
        if (found := Kept.read(content).key) != key:
            raise StateError(f"it is that of `{found}`")
        return content


def newest_start(directory: str, versions: Versions) -> Start:
    """Return the newest cut, when all that it names is there, whole, and fits the run.

    Args:
        directory: Of cuts.
        versions: The playbook of the run; one that was changed since the cut takes over at the tick after it.

    Raises:
        LoadErrors: there is no cut, it is torn, or nothing that the run can go on from.
    """
    try:
        ticks = cuts_in(directory, files_of(directory))
    except OSError as error:
        raise LoadErrors([LoadError(directory, None, f"it cannot be listed: {error}", hint=_AGAIN)]) from error
    if not ticks:
        hint = "name the folder of --state-out of an earlier run, or start without --state-in"
        raise LoadErrors([LoadError(directory, None, "there is no cut: no manifest-TICK.json", hint=hint)])
    path = manifest_path(directory, ticks[-1])
    try:
        manifest = read_manifest(directory, ticks[-1], files_of(directory))
    except (OSError, ValueError) as error:
        raise LoadErrors([LoadError(path, None, f"this manifest cannot be read: {error}", hint=_AGAIN)]) from error
    start = Start(directory, manifest, _is_changed(manifest, versions), _erased(directory, manifest.tick))
    errors = [*_misfits(path, start, versions), *_broken(start, versions)]
    if errors:
        raise LoadErrors(errors)
    return start


def _erased(directory: str, tick: int) -> tuple[Done, ...]:
    """Return the erasures that were done after a cut."""
    try:
        return done_after(directory, tick, files_of(directory))
    except (OSError, ValueError) as error:
        told = f"the erasures since the cut cannot be read: {error}"
        hint = "bring its files back, or start without --state-in and read all signals again"
        raise LoadErrors([LoadError(f"{directory}/{FOLDER}", None, told, hint=hint)]) from error


def _is_changed(manifest: Manifest, versions: Versions) -> bool:
    """Tell whether the cut's versions are not those that the run begins with, or another was in force at its tick."""
    mine, known = tuple(book.content_hash for book in versions.playbooks), len(manifest.versions)
    early = any(start <= manifest.tick for start in versions.starts[known - 1 :])
    return mine[:known] != manifest.versions or early


def _misfits(path: str, start: Start, versions: Versions) -> Iterator[LoadError]:
    """Tell why a run cannot go on from a cut."""
    manifest, book = start.manifest, versions.first
    if manifest.playbook != book.playbook:
        told = f"the cut is of the playbook `{manifest.playbook}`, and this is `{book.playbook}`"
        yield LoadError(path, None, told, hint=_AGAIN)
    elif start.changed:
        yield from _unlike(path, manifest, versions)
    if manifest.layout >= 2 and manifest.key not in ("", fingerprint()):
        told = "the cut was made with another key of pseudonyms: by this one nobody in it would be known"
        yield LoadError(path, None, told, hint="set SEGONE_PSEUDONYM_KEY to the key of the run that wrote it")
    if manifest.states != LAYOUT:
        told = f"its states have layout {manifest.states}, and this release reads {LAYOUT}"
        hint = f"run the release that wrote it{_named(manifest)}, or start without --state-in"
        yield LoadError(path, None, told, hint=hint)


def _named(manifest: Manifest) -> str:
    return f", {manifest.release}" if manifest.release else ""


def _unlike(path: str, manifest: Manifest, versions: Versions) -> Iterator[LoadError]:
    """Tell what a playbook that was changed has no other way to be but as it was."""
    book = versions.first
    if manifest.layout < 2:
        told = "the playbook was changed since the cut, and this cut is of the release before, which does not tell how"
        hint = "start with the playbook as it was, and change it from the first cut on that this release writes"
        yield LoadError(path, None, told, hint=hint)
        return
    if manifest.grid != book.tick:
        told = f"`tick` is {format_duration(book.tick)}, and {format_duration(manifest.grid)} in the cut"
        yield book.error(("tick",), told, hint="leave it as it was, or start without --state-in")
    if dict(manifest.feed_timeout) != dict(book.feed_timeout):
        told = "`feed_timeout` is not that of the cut: a feed that is down would stay so"
        yield book.error(("feed_timeout",), told, hint="leave it as it was, or start without --state-in")
    for level in sorted({*manifest.levels} ^ {*book.levels}):
        told = f"`{level}`: the cut has this section and the playbook has not, or the other way round"
        hint = "who is in which group is kept from the beginning: leave the section, or start without --state-in"
        yield book.error((), told, hint=hint)


def _broken(start: Start, versions: Versions) -> Iterator[LoadError]:
    """Tell which files of a cut are missing, torn, of somebody else, or cannot be taken over by a changed playbook."""
    for owner, file in sorted(start.manifest.files.items()):
        path, (stage, _, key) = blob_path(start.directory, file.name), owner.partition("/")
        try:
            kept = Kept.read(start.read(key, file))
            if start.changed and start.manifest.states == LAYOUT:
                yield from _not_taken_over(path, stage, kept, versions)
        except FileNotFoundError:
            yield LoadError(path, None, f"the state of `{owner}` is missing", hint=_AGAIN)
        except (OSError, StateError) as error:
            yield LoadError(path, None, f"the state of `{owner}`: {error}", hint=_AGAIN)


def _not_taken_over(path: str, stage: str, kept: Kept, versions: Versions) -> Iterator[LoadError]:
    if stage.startswith("track_") and kept.waiting:
        told = "signals of later ticks wait in the cut, as the playbook read them before it was changed"
        hint = "let the run over files end after its last signal, or go on with the playbook as it was"
        yield LoadError(path, None, told, hint=hint)
    if stage == "decide_offers" and kept.state is not None:
        for name in unfit_columns(load_all_offers(versions).plans[-1], kept.state):
            told = f"`{name}` of offers that wait is of another type in the playbook"
            yield LoadError(path, None, told, hint="give it another name, or go on with the playbook as it was")
