"""Rows about who is erased in an earlier slice: they wait there already, as in one call over all."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.playbook_levels import GROUPS
from transforms.arrays.dtypes import Bools, Ints
from transforms.compiler.features import MEMBERSHIP
from transforms.context.erasure.requests import ERASURE
from transforms.parsing.parser import TIMES, Tag
from transforms.parsing.stored import stored
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.slicing import Spilled, read_spilled, write_spilled

FirstErased = Mapping[str, Mapping[str, int]]
"""By the kind of subjects, and by subject, the first slice in which it is erased."""


def wait_where_erased(directory: str, files: Sequence[Spilled]) -> list[Spilled]:
    """Let rows about subjects that are erased wait from the slice of their first erasure on.

    A receipt tells how many rows of whom waited when they were erased, and a run over a whole history has all rows that
    came later waiting then. Where nobody is erased no file is read.

    Args:
        directory: Of the spill, whose files are changed.
        files: All of them.

    Returns:
        The files as they are now.
    """
    erased = _first_erased(directory, files)
    if not erased:
        return [*files]
    first = min(number for of_kind in erased.values() for number in of_kind.values())
    found: list[Spilled] = []
    for file in files:
        if file.slice <= first or file.tag == "controls":
            found.append(file)
        else:
            found += _parted(directory, file, erased)
    return sorted(found)


def _first_erased(directory: str, files: Sequence[Spilled]) -> FirstErased:
    found: dict[str, dict[str, int]] = {}
    for file in sorted(files):
        for _, packed in read_spilled(directory, file.name) if file.erases else ():
            batch = packed.open()
            if batch.schema.metadata[b"signal"] == ERASURE.encode():
                mine = found.setdefault(batch.schema.metadata[b"subject_kind"].decode(), {})
                mine.update(dict.fromkeys(set(batch["subject"].to_pylist()) - mine.keys(), file.slice))
    return found


def _parted(directory: str, file: Spilled, erased: FirstErased) -> Iterator[Spilled]:
    """Yield a file as it is, or the files into which its rows go."""
    every = [*read_spilled(directory, file.name)]
    parts: dict[int, list[ShardBatch]] = defaultdict(list)
    for shard, packed in every:
        for number, part in _by_slice(packed, file, erased):
            parts[number].append((shard, part))
    if [*parts] == [file.slice]:
        yield file
        return
    for number, mine in parts.items():
        yield write_spilled(directory, number, file.tag, mine)
    Path(directory, file.name).unlink()


def _by_slice(packed: PackedBatch, file: Spilled, erased: FirstErased) -> Iterator[tuple[int, PackedBatch]]:
    batch, tag = packed.open(), file.tag
    if batch.schema.metadata[b"signal"] == ERASURE.encode():
        yield file.slice, packed
        return
    numbers = np.full(batch.num_rows, file.slice)
    for kind, subjects in _subjects(batch):
        if kind in erased:
            numbers = np.minimum(numbers, _slices(subjects, erased[kind]))
    if (numbers == file.slice).all():
        yield file.slice, packed
        return
    for number in np.unique(numbers).tolist():
        yield number, _only(batch, numbers == number, tag)


def _only(batch: pa.RecordBatch, mine: Bools, tag: Tag) -> PackedBatch:
    return PackedBatch.of(batch.filter(pa.array(mine)), TIMES[tag])


def _slices(subjects: pa.Array, erased: Mapping[str, int]) -> Ints:
    """Return the slice in which each is erased first; the greatest number for who never is."""
    never = np.iinfo(np.int64).max
    which = pc.index_in(stored(subjects), pa.array([*erased], pa.string())).fill_null(len(erased)).to_numpy()
    return np.array([*erased.values(), never], np.int64)[which]


def _subjects(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """Yield whom rows are about, by kind: a membership is about its group, too."""
    metadata = batch.schema.metadata
    yield metadata[b"subject_kind"].decode(), batch["subject"]
    if metadata[b"signal"] == MEMBERSHIP.encode() and "group" in batch.schema.names:
        groups, nobody = stored(batch["group"]), pa.scalar(None, pa.string())
        for kind in GROUPS:
            yield kind, pc.if_else(pc.equal(stored(batch["group_kind"]), kind), groups, nobody)
