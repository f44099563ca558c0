"""The playbook of a run: found where the run found it, or given; never another one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.failures import Failure
from pipelines.published import playbook_files
from pipelines.staging import REPORT
from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import load_playbook
from schemas.visible import visible


class OtherPlaybookError(Failure):
    """The playbook that was given is not that of the run."""


@dataclass(frozen=True)
class Books:
    """The versions of the playbook of a run that could be read.

    Attributes:
        by_hash: Those that the run was made with.
        told: What `run.json` says of all versions, the first first.
        missing: Why some, or all, could not be read; empty if none is missing.
    """

    by_hash: Mapping[str, Playbook]
    told: Sequence[Mapping[str, Any]] = ()
    missing: str = ""

    def at(self, until: str) -> Playbook | None:
        """Return the version that was in force at the end, or at an instant; None if it could not be read."""
        held = [one for one in self.told if (one["effective_from"] or "") <= until] or [*self.told[:1]]
        return self.by_hash.get(held[-1]["hash"]) if held else None


def books_of(out: str, given: str | None) -> Books:
    """Return the playbook of a run.

    Args:
        out: The directory of the run's outputs, whose `run.json` tells files, hashes and what was `--set`.
        given: Where it is now, a file or a directory of versions; None if it is where the run found it.

    Raises:
        LoadErrors: what was given cannot be read.
        OtherPlaybookError: what was given holds nothing that the run was made with.
    """
    report = json.loads((Path(out) / REPORT).read_text("utf-8"))
    told, lets = report.get("playbooks", []), report.get("settings", {}).get("--set", [])
    values = dict(pair.split("=", 1) for pair in lets)
    if given is not None:
        return _given(given, told, values)
    found, missing = {}, []
    for one in told:
        try:
            book = load_playbook(one["file"], values)
        except LoadErrors:
            missing.append(f"{one['file']} cannot be read from here")
            continue
        if book.content_hash == one["hash"]:
            found[one["hash"]] = book
        else:
            missing.append(f"{one['file']} is not as it was in the run")
    return Books(found, told, "; ".join(map(visible, missing)) or ("" if told else f"{REPORT} names no playbook"))


def _given(given: str, told: Sequence[Mapping[str, Any]], lets: Mapping[str, str]) -> Books:
    files = playbook_files(given) if Path(given).is_dir() else [Path(given)]
    books = [load_playbook(file, lets) for file in files]
    wanted = {one["hash"] for one in told}
    found = {book.content_hash: book for book in books if book.content_hash in wanted}
    if not found:
        names = [f"{one['name']} version {one['version']} ({one['hash']})" for one in told]
        others = [f"{one.playbook} version {one.version} ({one.content_hash})" for one in books]
        holds, made = (" and ".join(each) or "nothing" for each in (others, names))
        what = f"{given} holds {holds}, and the run was made with {made}"
        raise OtherPlaybookError(f"{visible(what)}: give the file as it was, with `--playbook`")
    left = [f"version {one['version']} is not in {given}" for one in told if one["hash"] not in found]
    return Books(found, told, "; ".join(map(visible, left)))
