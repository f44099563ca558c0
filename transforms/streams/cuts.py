"""Which cut of a run's state is the newest: what acknowledgements wait for."""

import os
import re
from collections.abc import Callable, Iterable

SETTLED = 100
"""How long after a tick all stages have told what they make at it, milliseconds of event time."""

_MANIFEST = re.compile(r"manifest-([0-9]{1,18})\.json")

Names = Callable[[str], Iterable[str]]
"""Returns the names, or paths, of the files in a directory; none if there is no such directory."""


def local_names(directory: str) -> Iterable[str]:
    """Return the names of the files in a directory on this machine."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return ()


def newest_cut(directory: str, names: Names = local_names) -> int | None:
    """Return the tick of the newest cut, milliseconds, or None if there is none.

    Args:
        directory: Where each cut has `manifest-<tick>.json`, which is there when all of the cut is.
        names: What is in it.
    """
    found = (_MANIFEST.fullmatch(os.path.basename(name)) for name in names(directory))
    return max((int(one[1]) for one in found if one), default=None)


class Cuts:
    """The newest cut, looked up again at most once in a while."""

    def __init__(self, newest: Callable[[], int | None], clock: Callable[[], int], every: int = 1_000) -> None:
        """Take what knows it, the clock, and how often to ask, milliseconds."""
        self._newest, self._clock, self._every = newest, clock, every
        self._asked: int | None = None
        self._found: int | None = None

    def __call__(self) -> int | None:
        """Return its tick, or None."""
        now = self._clock()
        if self._asked is None or not 0 <= now - self._asked < self._every:
            self._asked, self._found = now, self._newest()
        return self._found
