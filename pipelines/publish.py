"""Publishing a playbook: its next version, stamped, checked against those before it, and never changed again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

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
from schemas.playbook_file import load_playbook, parse_playbook
from schemas.versions import misfits, no_start
from schemas.yaml_source import KeyPath


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
        LoadErrors: mistakes in the playbook; published files that were changed; a version that is used or lower than
            the last; a time that is missing, past, or not after the last version's; another name, tick, grace or
            `feed_timeout`.
    """
    load_checked(path)
    book = stamped(path, stamps)
    entries = read_index(directory)
    before = load_versions(directory).playbooks if Path(directory).is_dir() and playbook_files(directory) else ()
    if errors := [*changed_since(directory, before), *_refusals(book, before, Path(directory), now)]:
        raise LoadErrors(errors)
    target = Path(directory) / f"{book.playbook}-v{book.version}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, book.text)
    assert book.effective_from is not None
    new = Published(book.version, target.name, book.content_hash, instant(book.effective_from))
    write_index(directory, [*entries, new])
    return target


def stamped(path: str, stamps: Mapping[str, int | str]) -> Playbook:
    """Return the playbook of a file with other values of some top-level keys, every other character as it is.

    Raises:
        LoadErrors: a key is not on a line of its own, or its new value is none.
    """
    book = load_playbook(path)
    lines = book.text.split("\n")
    for key, value in stamps.items():
        if key in book.said:
            line = book.line_of((key,)) - 1
            lines[line] = re.sub(rf"^{key}:\s*\S+", f"{key}: {value}", lines[line])
        else:
            lines.insert(book.line_of(("playbook",)), f"{key}: {value}")
    made = parse_playbook("\n".join(lines), path)
    if made.said != {**book.said, **stamps}:
        hint = "write each on a line of its own, as `version: 8`"
        raise LoadErrors([book.error((), f"{' and '.join(stamps)} cannot be stamped into this file", hint=hint)])
    return made


def _refusals(book: Playbook, before: Sequence[Playbook], directory: Path, now: int) -> Iterator[LoadError]:
    """Tell why a playbook may not be published now, after the versions before it."""
    if before:
        yield from misfits(before[-1], book)
    elif book.effective_from is None:
        yield no_start(book)
    if book.effective_from is not None and book.effective_from <= now:
        told = f"`effective_from` is past: it is {instant(now)} now"
        hint = "closed ticks are never reopened; give a later time, or `--effective-from`"
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
