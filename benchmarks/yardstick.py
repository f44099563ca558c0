"""The yardstick workload: its data, its constants, its answers; see shared/workload for where it comes from."""

import hashlib
from pathlib import Path
from typing import NamedTuple

WINDOW_MS = 300_000
SURGE_BYTES = 40_000_000
COOLDOWN_MS = 1_800_000
START_MS = 1_767_592_800_000  # 2026-01-05T06:00:00Z
COLUMNS = ("event_id", "subscriber_id", "event_time", "bytes", "seconds", "app_category")


class Size(NamedTuple):
    """One size of the workload, with its exact answer."""

    name: str
    events: int
    subscribers: int
    offers: int
    checksum: str


LEAST = Size("least", 2_000, 100, 11, "06f3b02886f805dc")
"""What shows that something runs."""

SIZES = (
    Size("tiny", 20_000, 1_000, 191, "28c08c388e335aab"),
    Size("small", 200_000, 10_000, 1_900, "439c164d533f0261"),
    Size("half", 1_000_000, 50_000, 8_684, "fc82855b0254335e"),
    Size("main", 2_000_000, 100_000, 16_860, "55d8aaf6a1f1f1f3"),
)


def offer_line(subscriber: str, *numbers: int) -> str:
    """Return a result row: subscriber, window start, n, sum, max, seconds, apps, sum of the window before."""
    return ",".join([subscriber, *map(str, numbers)])


def checksum(path: str | Path) -> tuple[int, str]:
    """Return the number of result rows and the first 16 hex digits of the SHA-256 of the sorted rows."""
    rows = [line.split(",") for line in Path(path).read_text().splitlines()]
    ordered = sorted((row[0], *map(int, row[1:])) for row in rows)
    text = "".join(",".join(map(str, row)) + "\n" for row in ordered)
    return len(ordered), hashlib.sha256(text.encode()).hexdigest()[:16]
