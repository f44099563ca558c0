"""The names that a shard of contexts knows, by which an erasure that is told by a hash finds whom it is of."""

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from schemas.playbook_levels import GROUPS
from transforms.compiler.features import SUBSCRIBER
from transforms.context.advance_levels import Levels
from transforms.context.erasure.tombstones import Tombstone, salted
from transforms.context.groups import membership, people

Named = tuple[str, pl.Series]
"""A kind of subjects, and names of some."""


def names_of(kinds: Sequence[str], levels: Levels) -> Iterator[Named]:
    """Yield the names that a shard knows, level by level."""
    for kind, resident in zip(kinds, levels.residents, strict=True):
        memory = resident.memory()
        yield kind, memory.subjects["subject"]
        stays, there = memory.groups.get(membership.KEPT), memory.groups.get(people.KEPT)
        if stays is not None:
            yield from ((group, stays.filter(pl.col("group_kind") == group)["group"]) for group in GROUPS)
        if there is not None:
            yield from ((group, there[group]) for group in (SUBSCRIBER, *GROUPS))


def found_among(named: Iterator[Named], wanted: Collection[tuple[str, str]], salt: bytes) -> dict[tuple[str, str], str]:
    """Return the name of each kind and salted hash that are wanted, as far as it is among some names."""
    kinds = {kind for kind, _ in wanted}
    names = {(kind, name) for kind, some in named if kind in kinds for name in some.drop_nulls().unique().to_list()}
    hashed = (((kind, salted(salt, kind, name)), name) for kind, name in names)
    return {who: name for who, name in hashed if who in wanted}


def keep_out(kinds: Sequence[str], levels: Levels, until: dict[tuple[str, str], int], salt: bytes) -> None:
    """Leave a tombstone for each of those who are to be erased later and are not known yet: nothing of them comes in.

    Args:
        kinds: Of the levels.
        levels: Changed in place.
        until: By kind and salted hash the first tick at which signals are taken in again.
        salt: Of the hashes.
    """
    known = found_among(names_of(kinds, levels), until.keys(), salt)
    for n, kind in enumerate(kinds):
        mine = [kind, *(GROUPS if kind == SUBSCRIBER else ())]
        new = [Tombstone(*who, "", tick) for who, tick in until.items() if who[0] in mine and who not in known]
        levels.tombstones[n] = sorted([*levels.tombstones[n], *new])
