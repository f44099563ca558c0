"""`segone` as its users call it, told by its environment where to die: `python -m tests.crashes.launcher run …`.

A death is written down just before it comes, with how many cuts this process had confirmed and what it had counted.
"""

import os
import signal
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

import transforms.save_state
from pipelines.cli import main
from pipelines.engines.children import Child
from pipelines.stream import counted
from tests.crashes.points import Place, install, watch
from transforms.streams.watermark import Watermark

ORDERS, NOTES = "SEGONE_TEST_DEATH", "SEGONE_TEST_NOTES"
"""Environment variables: a `Death` as JSON, nothing for a life that ends by itself; the folder of what is noted."""

DEATH, WATERMARK, COUNTS = "death.json", "watermark", "counts.json"
"""Files in that folder."""


class Death(msgspec.Struct, frozen=True):
    """When and how a process dies.

    Attributes:
        point: A name of `POINTS`.
        cuts: So many cuts it confirms before.
        times: The point is then reached for this time.
        victim: `self`, the launcher with its workers; `prism`; or `both`.
    """

    point: str
    cuts: int = 0
    times: int = 1
    victim: str = "self"


class Executioner:
    """Counts cuts and points, and kills when it is time."""

    def __init__(self, death: Death | None, notes: Path) -> None:
        """Take what is ordered and where to note it."""
        self._death, self._notes = death, notes
        self._lock = Lock()
        self._cuts = self._times = 0
        self._prisms: list[int] = []

    def install(self) -> None:
        """Wrap what is to be watched."""
        watch(Place(transforms.save_state._Write, "manifest"), self._confirmed)
        watch(Place(Watermark, "advance"), self._told)
        watch(Place(Child, "start"), self._started)
        if self._death is not None:
            install(self._death.point, self._reached)

    def _confirmed(self, _: Any, __: Any) -> None:
        self._cuts += 1

    def _told(self, _: Any, watermark: int | None) -> None:
        if watermark is not None:
            whole(self._notes / WATERMARK, str(watermark).encode())

    def _started(self, arguments: Any, _: Any) -> None:
        if arguments[0].name == "prism":
            self._prisms.append(arguments[0].pid)

    def _reached(self, point: str) -> None:
        death = self._death
        with self._lock:
            if death is None or self._cuts < death.cuts:
                return
            self._times += 1
            if self._times != death.times:
                return
            note(self._notes, {"point": point, "victim": death.victim, "cuts": self._cuts})
            for pid in self._prisms if death.victim != "self" else []:
                os.kill(pid, signal.SIGKILL)
            if death.victim != "prism":
                os.kill(os.getpid(), signal.SIGKILL)


def note(notes: Path, death: dict[str, Any]) -> None:
    """Write down a death, and what was counted before it."""
    whole(notes / COUNTS, msgspec.json.encode({f"{space}/{name}": n for (space, name), n in counted().items()}))
    whole(notes / DEATH, msgspec.json.encode(death))


def whole(path: Path, content: bytes) -> None:
    """Write a file that whoever reads it finds whole."""
    hidden = path.with_name(f"{path.name}.{os.getpid()}")
    hidden.write_bytes(content)
    os.rename(hidden, path)


def run() -> None:
    """Install what is ordered, then be `segone`."""
    notes, orders = Path(os.environ[NOTES]), os.environ.get(ORDERS)
    Executioner(None if not orders else msgspec.json.decode(orders, type=Death), notes).install()
    try:
        main()
    finally:
        whole(notes / COUNTS, msgspec.json.encode({f"{space}/{name}": n for (space, name), n in counted().items()}))


if __name__ == "__main__":
    run()
