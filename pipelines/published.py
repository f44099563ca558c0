"""A directory of published versions of a playbook, and the index that says what was published."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from pipelines.folders import LocalFolder
from pipelines.validate import load_checked
from schemas.errors import LoadError, LoadErrors
from schemas.files import read_file
from schemas.playbook import Playbook
from schemas.playbook_file import load_playbook
from schemas.versions import Versions

INDEX = "versions.json"
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Published:
    """One published version, as the index tells it; when it takes over is RFC 3339."""

    version: int
    file: str
    hash: str
    effective_from: str | None


def load_versions(path: str | Path, lets: Mapping[str, str] | None = None) -> Versions:
    """Return the versions of a directory, or a playbook file as the only one.

    Args:
        path: A playbook file, or a directory with one for each version.
        lets: New texts for names under `let`, in every version.

    Raises:
        LoadErrors: all mistakes in the files, versions that do not follow one another, files that are not as they
            were published.
    """
    if not Path(path).is_dir():
        return Versions((load_checked(path, lets)[0],))
    files = playbook_files(path)
    if not files:
        hint = "give a playbook file, or a directory that `segone publish` made"
        raise LoadErrors([LoadError(str(path), None, "holds no playbook, no `*.yaml`", hint=hint)])
    books: list[Playbook] = []
    errors: list[LoadError] = []
    for file in files:
        try:
            books.append(load_checked(file, lets)[0])
        except LoadErrors as wrong:
            errors += wrong.errors
    if (Path(path) / INDEX).exists():
        errors += changed_since(path, [load_playbook(book.file) for book in books] if lets else books)
    if errors:
        raise LoadErrors(errors)
    return Versions.of(books)


def playbook_files(directory: str | Path) -> list[Path]:
    """Return the playbook files of a directory of versions."""
    return sorted(path for path in Path(directory).iterdir() if path.suffix in (".yaml", ".yml"))


def read_index(directory: str | Path) -> list[Published]:
    """Return what was published into a directory, the first first; nothing if there is no index yet.

    Raises:
        LoadErrors: the index is not one.
    """
    path = Path(directory) / INDEX
    try:
        return [Published(**entry) for entry in json.loads(read_file(path, MAX_BYTES))["versions"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        hint = "restore it: it is the only record of what was published"
        raise LoadErrors([LoadError(str(path), None, "is not an index of versions", hint=hint)]) from error


def changed_since(directory: str | Path, playbooks: Sequence[Playbook]) -> list[LoadError]:
    """Tell which files of a directory are not those that were published."""
    found = {Path(book.file).name: book for book in playbooks}
    entries = {entry.file: entry for entry in read_index(directory)}
    errors = []
    for name, entry in entries.items():
        if not (Path(directory) / name).exists():
            told = f"is gone, and version {entry.version} was published in it"
            errors.append(LoadError(str(Path(directory) / name), None, told, hint="restore it"))
        elif name in found and found[name].content_hash != entry.hash:
            hint = f"restore it (its hash was {entry.hash}), and publish the change as a version of its own"
            errors.append(LoadError(found[name].file, None, "was changed after it was published", hint=hint))
    for name in sorted(found.keys() - entries.keys()):
        hint = "take it out, and publish it with `segone publish`"
        errors.append(LoadError(found[name].file, None, f"was not published: {INDEX} does not list it", hint=hint))
    return errors


def write_index(directory: str | Path, entries: Sequence[Published]) -> None:
    """Replace the index at once."""
    text = json.dumps({"versions": [asdict(entry) for entry in entries]}, indent=2) + "\n"
    replace_file(Path(directory) / INDEX, text)


def replace_file(path: Path, text: str) -> None:
    """Write a file so that readers see all of it or what was there before."""
    folder, partial = LocalFolder(str(path.parent)), f".{path.name}.{token_hex(4)}.partial"
    try:
        folder.write(partial, text)
        folder.move(str(path.with_name(partial)), path.name)
    except OSError:
        path.with_name(partial).unlink(missing_ok=True)
        raise
