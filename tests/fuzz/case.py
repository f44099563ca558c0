"""A file of a fuzzer's making, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

NAMES = ("id", "time", "subject", "mb", "kind", "peer")
MAPS: tuple[Mapping[str, str], ...] = (
    {"id": "id", "time": "time", "subject": "subject", "mb": "mb", "peer": "peer"},
    {"id": "id", "time": "FROM_ISO(time)", "subject": "subject", "mb": "CAST(mb AS DOUBLE)"},
    {"id": "CAST(id AS BIGINT)", "time": "time", "subject": "subject", "mb": "mb * 2 / 3"},
    {"id": "id", "time": "FROM_EPOCH_S(time)", "subject": "subject || 'x'", "mb": "COALESCE(mb, 1.5)"},
    {"id": "id", "time": "time", "subject": "CASE WHEN peer = 'x' THEN subject END", "kind": "NULLIF(kind, '-')"},
)


@dataclass(frozen=True)
class Case:
    """A file.

    Attributes:
        name: With the ending that tells its format.
        data: Its bytes.
        config: Of its source.
        sure: Ids of records that must be read, whatever else is wrong.
    """

    name: str
    data: bytes
    config: Mapping[str, Any] = field(default_factory=dict)
    sure: frozenset[str] = frozenset()


def config(rng: Random) -> dict[str, Any]:
    """Return what sources.yaml may say."""
    chosen: dict[str, Any] = {}
    if rng.random() < 0.5:
        chosen["map"] = dict(rng.choice(MAPS))
    if rng.random() < 0.1:
        chosen["columns"] = {rng.choice(NAMES): rng.choice(("string", "long", "double", "boolean"))}
    return chosen


def damaged(rng: Random, data: bytes) -> tuple[bytes, int]:
    """Return data with some of its bytes cut off, changed, doubled or left out, and where the first of them is."""
    if not data:
        return data, 0
    at = rng.randrange(len(data))
    size = min(rng.choice((1, 1, 2, 8, 100)), len(data) - at)
    junk = rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size))
    change = rng.randrange(5)
    if change == 0:
        return data[:at], at
    if change == 1:
        return data[:at] + data[at + size :], at
    if change == 2:
        return data[:at] + junk + data[at:], at
    if change == 3:
        return data[: at + size] + data[at:], at + size
    return data[:at] + junk + data[at + size :], at


def rows(rng: Random, count: int) -> list[dict[str, Any]]:
    """Return records that are sound."""
    return [
        {
            "id": f"e{i}",
            "time": rng.randrange(2 * 10**12),
            "subject": f"s{rng.randrange(5)}",
            "mb": rng.randrange(99) / 4,
        }
        for i in range(count)
    ]
