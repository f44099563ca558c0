"""How a process of many threads keeps little of the memory that it has freed."""

import ctypes
import os

_M_ARENA_MAX = -8  # of glibc's malloc.h


def keep_little_memory() -> None:
    """Have Arrow take its memory from the system's allocator, and that from one arena where it is glibc's.

    Call it before pyarrow is imported. Workers get the same from `MALLOC_ARENA_MAX=1` and
    `ARROW_DEFAULT_MEMORY_POOL=system` in their environment. Measured on the streaming yardstick: a peak of 490 MB
    without, 360 MB with.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
