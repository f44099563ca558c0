"""The files that patterns stand for, and what is in them, on any file system that Beam knows."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from schemas.errors import LoadError, LoadErrors
from schemas.sources import Source
from transforms.parsing.files import RawFile, raw_file
from transforms.parsing.unpacked import unpacked

_HIDDEN = ("_", ".")
_MAGIC = "*?["
_BRACKET = "[^[]"


def find_files(source: Source, patterns: Sequence[str]) -> list[RawFile]:
    """Return the files that the patterns match, by path.

    A pattern that matches folders and no file stands for all files in them. Below the first `*` names that begin with
    `_` or `.` are left out, as writers of data sets mark what is no data. A bracket matches itself, too, for
    files and folders that are called `calls [1]`.

    Raises:
        LoadErrors: a pattern that matches nothing, a file system that cannot be reached, an unknown format.
    """
    found: dict[str, RawFile] = {}
    errors: list[LoadError] = []
    for pattern in patterns:
        try:
            matches = [match for one in with_itself(pattern) for match in _matches(one)]
            found |= {match.path: raw_file(match.path, match.size_in_bytes, source) for match in matches}
        except (BeamIOError, ValueError) as error:
            errors.append(LoadError(pattern, None, f"cannot be listed: {error}"))
            continue
        except LoadErrors as unknown:
            errors += unknown.errors
            continue
        if not matches:
            hint = f"check the path after `--signals {source.feed}=`; names that begin with `_` or `.` are left out"
            errors.append(LoadError(pattern, None, "no such file", hint=hint))
    if errors:
        raise LoadErrors(errors)
    return [found[path] for path in sorted(found)]


def open_raw(file: RawFile) -> BinaryIO:
    """Open a file on any Beam file system, decompressed."""
    stream = cast(BinaryIO, FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED))
    return unpacked(stream, file.compression) if file.compression else stream


def with_folder(pattern: str) -> str:
    """Return the pattern with the folder that it is about: Beam lists nothing for `*.csv`, but does for `./*.csv`."""
    return pattern if "/" in _fixed(pattern) else f"./{pattern}"


def with_itself(pattern: str) -> list[str]:
    """Return the pattern, and where it has brackets also the one in which they stand for themselves."""
    whole = with_folder(pattern)
    return [whole, whole.replace("[", _BRACKET)] if "[" in pattern else [whole]


def escaped(path: str) -> str:
    """Return the pattern of one path.

    A `[` is in a set with `^`: alone in one Beam makes an expression of it that Python warns of.
    """
    return path.translate({ord("*"): "[*]", ord("?"): "[?]", ord("["): _BRACKET})


def _matches(pattern: str) -> list[FileMetadata]:
    """Return the files that a pattern matches, or those in the folders that it matches."""
    found = FileSystems.match([pattern])[0].metadata_list
    files = _visible(pattern, (match for match in found if not Path(match.path).is_dir()))
    inside = f"{pattern.rstrip('/')}/**"
    return files or _visible(inside, FileSystems.match([inside])[0].metadata_list)


def _visible(pattern: str, matches: Iterable[FileMetadata]) -> list[FileMetadata]:
    """Return the files that no name below the first `*` of the pattern hides, unless it ends in such a name itself."""
    parts = _fixed(pattern).count("/")
    if pattern.rpartition("/")[2].startswith(_HIDDEN):
        return list(matches)
    return [one for one in matches if not any(name.startswith(_HIDDEN) for name in one.path.split("/")[parts:])]


def _fixed(pattern: str) -> str:
    """Return what is before the first sign of a pattern."""
    return pattern[: min((at for sign in _MAGIC if (at := pattern.find(sign)) >= 0), default=len(pattern))]
