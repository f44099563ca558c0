"""Publishing a playbook: its next version, stamped, checked against those before it, and never changed again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.lock import locked
from pipelines.published import (
    Published,
    changed_since,
    load_versions,
    playbook_files,
    read_index,
    replace_file,
    write_index,
)
from pipelines.report import instant
from pipelines.validate import load_checked
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import check_playbook
from schemas.versions import misfits, no_start
from schemas.yaml_source import KeyPath, YamlSource, parse_yaml, read_yaml


def publish(path: str, directory: str, stamps: Mapping[str, int | str], now: int) -> Path:
    """Publish a playbook as the next version of a directory.

    The file goes in as it is, but for the keys that are stamped.

    Args:
        path: The playbook file.
        directory: Where its versions are; made if it is not there.
        stamps: New values of `version` and `effective_from`, as far as they are given.
        now: Milliseconds since the epoch; nothing may take over before.

    Returns:
        The published file.

    Raises:
        BusyError: somebody else is publishing there.
        LoadErrors: mistakes in the playbook; published files that were changed; a version that is used or lower than
            the last; a time that is missing, past, or not after the last version's; another name, tick, grace or
            `feed_timeout`.
    """
    load_checked(path)
    text, book = stamped(path, stamps)
    _follow(book, directory, now)
    Path(directory).mkdir(parents=True, exist_ok=True)
    with locked(directory):
        entries = _follow(book, directory, now)
        target = Path(directory) / f"{book.playbook}-v{book.version}.yaml"
        replace_file(target, text)
        assert book.effective_from is not None
        new = Published(book.version, target.name, book.content_hash, instant(book.effective_from))
        write_index(directory, [*entries, new])
    return target


def _follow(book: Playbook, directory: str, now: int) -> list[Published]:
    """Return what was published in a directory, once the playbook may follow it.

    Raises:
        LoadErrors: why it may not.
    """
    entries = read_index(directory)
    before = load_versions(directory).playbooks if Path(directory).is_dir() and playbook_files(directory) else ()
    if errors := [*changed_since(directory, before), *_refusals(book, before, Path(directory), now)]:
        raise LoadErrors(errors)
    return entries


def stamped(path: str, stamps: Mapping[str, int | str]) -> tuple[str, Playbook]:
    """Return a file's text and playbook with other values of some top-level keys, every other character as it is.

    Mistakes of the playbook are told with the lines of the file as it was, those of the stamps as the options'.

    Raises:
        LoadErrors: a key is not on a line of its own, or its new value is none.
    """
    source = read_yaml(path)
    data, text = {**source.data, **stamps}, _text(source, stamps)
    if not _says(text, data):
        hint = "write each on a line of its own, as `version: 8`"
        raise LoadErrors([source.error((), f"{' and '.join(stamps)} cannot be stamped into this file", hint=hint)])
    options: dict[KeyPath, str] = {(key,): f"--{key.replace('_', '-')}" for key in stamps}
    return text, check_playbook(replace(source, data=data, given=options))


def _text(source: YamlSource, stamps: Mapping[str, int | str]) -> str:
    lines = source.text.split("\n")
    for key, value in stamps.items():
        line = source.line_of((key if key in source.data else "playbook",)) - 1
        if key in source.data:
            lines[line] = re.sub(rf"^{key}:\s*\S+", f"{key}: {value}", lines[line])
        else:
            lines[line] += f"\n{key}: {value}"
    return "\n".join(lines)


def _says(text: str, data: Mapping[str, Any]) -> bool:
    try:
        return bool(parse_yaml(text, "").data == data)
    except LoadErrors:
        return False


def _refusals(book: Playbook, before: Sequence[Playbook], directory: Path, now: int) -> Iterator[LoadError]:
    """Tell why a playbook may not be published now, after the versions before it."""
    if before:
        yield from misfits(before[-1], book)
    elif book.effective_from is None:
        yield no_start(book)
    if book.effective_from is not None and book.effective_from <= now:
        told = f"`effective_from` is past: it is {instant(now)} now"
        hint = "closed ticks are never reopened; give a later time"
        yield book.error(("effective_from",), told, hint=hint)
    files: dict[KeyPath, list[str]] = {("signals",): [file for file in book.signals.values() if file]}
    files |= {("tables", name): [table.file] for name, table in book.tables.items()}
    files |= {("models", name): [model.file] for name, model in book.models.items()}
    for path, file in ((path, file) for path, those in files.items() for file in those):
        if not _same(Path(book.file).parent / file, directory / file):
            hint = f"copy it to {directory / file}; what is published is the same for ever"
            yield book.error(path, f"`{file}` does not stand beside the versions", hint=hint)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
