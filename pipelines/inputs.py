"""The inputs of a run: which files are read, and how they become signals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipelines.settings import RunSettings
from schemas.addresses import Address
from schemas.contracts import SIGNALS, contract
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.sources import SNAPSHOTS, Source, read_sources, snapshot
from schemas.versions import Versions
from transforms.shell.versions import contracts_of


@dataclass(frozen=True)
class Input:
    """What is read in one way.

    Attributes:
        label: Its name among the others.
        source: How it becomes signals.
        patterns: Files.
        streams: What does not end.
    """

    label: str
    source: Source
    patterns: tuple[str, ...] = ()
    streams: tuple[Address, ...] = ()


def inputs_of(versions: Versions, settings: RunSettings) -> list[Input]:
    """Return the inputs of `--signals`, then those of `--seed`.

    Raises:
        LoadErrors: mistakes in sources.yaml, inputs that are not there or give what the playbook does not read,
            seeds of what has no snapshots.
    """
    known, globs, seeds = contracts_of(versions), settings.globs(), settings.seed_globs()
    signals = dict.fromkeys(name for name, _ in settings.addresses)
    every = {name: contract(name) for name in SIGNALS} | known
    only_seeds = seeds.keys() - signals.keys()
    mapped = read_sources(settings.sources, every, only_seeds, {*signals, *seeds}) if settings.sources else {}
    found = {name: Source(contract) for name, contract in known.items()} | mapped
    file = versions.last.file
    errors = [_unread("--signals", feed, found, known, file) for feed in signals]
    errors += [_unread("--seed", feed, found, known, file) or _no_snapshot(feed, found[feed]) for feed in seeds]
    if wrong := [error for error in errors if error]:
        raise LoadErrors(wrong)
    streams = {name: tuple(one for other, one in settings.streams if other == name) for name in signals}
    inputs = [Input(name, found[name], globs.get(name, ()), streams[name]) for name in signals]
    held = {name: snapshot(found[name], settings.seeded_at) for name in seeds}
    return inputs + [Input(f"seed {name}", held[name], patterns) for name, patterns in seeds.items()]


def _unread(flag: str, feed: str, found: Mapping[str, Source], known: Iterable[str], file: str) -> LoadError | None:
    """Tell that a feed is not there, or gives what the playbook does not read."""
    if feed not in found:
        return LoadError(f"{flag} {feed}", None, f"{file} does not read `{feed}`", hint=near_miss(feed, found))
    if (signal := found[feed].contract.name) not in known:
        told = f"{file} does not read `{signal}`, which it gives"
        return LoadError(f"{flag} {feed}", None, told, hint=near_miss(feed, known))
    return None


def _no_snapshot(feed: str, source: Source) -> LoadError | None:
    """Tell that a feed is of what happens, not of what holds."""
    if source.contract.name in SNAPSHOTS:
        return None
    told = f"only {', '.join(SNAPSHOTS)} can be seeded, not {source.contract.name}"
    return LoadError(f"--seed {feed}", None, told, hint=f"read its history with `--signals {feed}=`")
