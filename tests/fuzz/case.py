"""A file of a fuzzer's making, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

NAMES = ("id", "time", "subject", "mb", "kind", "peer")
MAPS: tuple[Mapping[str, str], ...] = (
    {"id": "id", "time": "time", "subject": "subject", "mb": "mb", "peer": "peer"},
    {"id": "id", "time": "FROM_ISO(time)", "subject": "subject", "mb": "CAST(mb AS DOUBLE)"},
    {"id": "CAST(id AS BIGINT)", "time": "time", "subject": "subject", "mb": "mb * 2 / 3"},
    {"id": "id", "time": "FROM_EPOCH_S(time)", "subject": "subject || 'x'", "mb": "COALESCE(mb + 0, 1.5)"},
    {"id": "id", "time": "time", "subject": "CASE WHEN peer = 'x' THEN subject END", "kind": "NULLIF(kind, '-')"},
)
_LATEST_SECOND = 2 * 10**9


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

    @property
    def told(self) -> frozenset[str]:
        """The ids that are sure to come out as they are: not where sources.yaml makes others, or gives types."""
        return frozenset() if "without_id" in self.config or "columns" in self.config else self.sure


def config(rng: Random) -> dict[str, Any]:
    """Return what sources.yaml may say."""
    chosen: dict[str, Any] = {}
    if rng.random() < 0.5:
        chosen["map"] = dict(rng.choice(MAPS))
    elif rng.random() < 0.1:
        chosen["without_id"] = "content"
    if rng.random() < 0.1:
        chosen["columns"] = {rng.choice(NAMES): rng.choice(("string", "long", "double", "boolean"))}
    if rng.random() < 0.3:
        others = {"delimiter": ";", "header": list(NAMES), "null_values": ["", "-"], "pseudonymise": ("subject",)}
        name = rng.choice(sorted(others))
        chosen[name] = others[name]
    return chosen


def rows(rng: Random, count: int, config: Mapping[str, Any], first: int = 0) -> list[dict[str, Any]]:
    """Return records that are sound for a source, with ids from `first` on."""
    return [
        {
            "id": str(i),
            "time": _time(config, rng.randrange(_LATEST_SECOND)),
            "subject": f"s{rng.randrange(5)}",
            "mb": _volume(config, rng.randrange(99) / 4),
            "kind": rng.choice(("data", "-")),
            "peer": "x",
        }
        for i in range(first, first + count)
    ]


def _volume(config: Mapping[str, Any], mb: float) -> Any:
    """Return a number as a source tells it: what a map casts is text."""
    return str(mb) if config.get("map", {}).get("mb", "").startswith("CAST") else mb


def _time(config: Mapping[str, Any], second: int) -> Any:
    """Return a second as a source tells it."""
    told = config.get("map", {}).get("time", "time")
    if told == "FROM_ISO(time)":
        return datetime.fromtimestamp(second, UTC).isoformat()
    return second if told == "FROM_EPOCH_S(time)" else second * 1000


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
