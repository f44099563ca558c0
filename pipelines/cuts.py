"""How a run begins from a cut of another one, and leaves cuts for those that follow."""

from importlib.metadata import version
from typing import Any

import apache_beam as beam

from pipelines.report import instant
from pipelines.settings import RunSettings
from pipelines.steps import Steps
from schemas.errors import LoadError, LoadErrors
from schemas.versions import Versions
from transforms.load_state import LoadState
from transforms.save_state import SaveState
from transforms.shell.cuts import BLOBS
from transforms.shell.starts import Start, newest_start
from transforms.shell.stored_files import files_of
from transforms.shell.timers import Cuts
from transforms.streams.manifests import cuts_in, read_manifest


def cuts_of(settings: RunSettings, tick: int) -> Cuts | None:
    """Return when the run is cut; None without `--state-out`.

    Raises:
        LoadErrors: `--state-every` is no multiple of the tick.
    """
    if settings.state_out is None:
        return None
    try:
        return Cuts(tick, settings.state_every if settings.streams else tick)
    except ValueError as error:
        raise LoadErrors([LoadError("--state-every", None, str(error))]) from error


def shards_before(settings: RunSettings) -> int:
    """Return the shards of the cut that a run starts from, 0 without one that can be read."""
    if settings.state_in is None:
        return 0
    files = files_of(settings.state_in)
    try:
        return read_manifest(settings.state_in, max(cuts_in(settings.state_in, files)), files).shards
    except (OSError, ValueError):
        return 0  # the start itself tells what is wrong


def seeds_of(pipeline: beam.Pipeline, steps: Steps, settings: RunSettings) -> dict[str, Any]:
    """Return what `Signals` has of the cut that a run starts from; nothing without `--state-in`.

    Raises:
        LoadErrors: it is not there, torn, or nothing that the run can go on from.
    """
    if settings.state_in is None:
        return {}
    start = start_of(settings.state_in, steps.versions, settings.until)
    seeds = pipeline | "LoadState" >> LoadState(start=start, versions=steps.versions, shards=settings.shards)
    return {"seeds": seeds, "since": start.tick}


def start_of(directory: str, versions: Versions, until: int | None) -> Start:
    """Return the newest cut in a directory; see `newest_start`.

    Raises:
        LoadErrors: as there; the run is to end before it begins.
    """
    start = newest_start(directory, versions)
    if until is not None and until <= start.tick:
        told = f"is not after the cut that the run starts from, {instant(start.tick)}"
        hint = "name a later tick, or leave it out: all that is there is taken then"
        raise LoadErrors([LoadError("--until", None, told, hint=hint)])
    return start


def take_blobs(records: dict[str, Any]) -> tuple[Any, ...]:
    """Take out of records what is for cuts, if there is anything."""
    return (records.pop(BLOBS),) if BLOBS in records else ()


def save(
    blobs: tuple[Any, ...], receipts: Any, done: tuple[Any, ...], steps: Steps, settings: RunSettings, since: int | None
) -> None:
    """Write the cuts of a run, each when all that was made up to it is out.

    Args:
        blobs: What stages give at cuts; nothing where there are none.
        receipts: Of erasures.
        done: What sinks tell is out; nothing of a bounded run.
        steps: The steps.
        settings: Of the run.
        since: The tick of the cut that the run starts from.
    """
    if settings.state_out is None or steps.cuts is None:
        return
    book, *later = steps.versions.playbooks
    state = SaveState(
        directory=settings.state_out,
        playbook=book,
        later=tuple(later),
        shards=settings.shards,
        cuts=steps.cuts,
        bounded=steps.bounded,
        backlog=steps.backlog,
        window=settings.file_window if done else 0,
        since=since,
        layout=settings.state_layout,
        release=version("segment-of-one"),
    )
    out = {"done": done | "Done" >> beam.Flatten()} if done else {}
    {"blobs": blobs | "AllBlobs" >> beam.Flatten(), "receipts": receipts, **out} | "SaveState" >> state
