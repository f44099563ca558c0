"""How a process spends little on memory: it keeps little of what it has freed, and seldom looks for what to free."""

import atexit
import ctypes
import gc
import os

_MALLOC_OPTIONS = {
    -8: 1,  # M_ARENA_MAX: memory freed by one thread is there for all
    -3: 8 << 20,  # M_MMAP_THRESHOLD: a large array goes back as soon as it is freed
    -1: 128 << 20,  # M_TRIM_THRESHOLD: the rest is kept at hand for the next
}
"""By the numbers of glibc's malloc.h."""
IN_THE_ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "NUMPY_MADVISE_HUGEPAGE": "0"}
"""What Arrow and numpy read when they are imported."""
_NEW_OBJECTS = 100_000  # Python's own is 700 to 2,000


def keep_little_memory() -> None:
    """Have Arrow take its memory from the system's allocator, and tell that, where it is glibc's, to give it back.

    And have numpy ask for no huge pages, see docs/decisions/0062. Call it before pyarrow and numpy are imported.
    Workers get the same from their environment, see docs/operations.md. Measured on the yardstick's 2 M signals: as a
    stream a peak of 490 MB with Arrow's own allocator and 360 MB with the system's and one arena; in batch 840 MB
    without the thresholds and 770 MB with them.
    """
    for name, setting in IN_THE_ENVIRONMENT.items():
        os.environ.setdefault(name, setting)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _MALLOC_OPTIONS.items():
            mallopt(option, value)


def collect_rarely() -> None:
    """Have Python look for unreachable cycles once in 100,000 new objects, and at its end not at all.

    Call it before the large imports, whose objects all stay. Columns are freed when their last reference goes, with no
    collector; cycles are small here (frames, exceptions, Beam's graph) and are still found. Measured on the
    yardstick's 2 M signals: 1.3 s less while it runs and 0.9 s less at its end, with the same peak.
    """
    gc.set_threshold(_NEW_OBJECTS, 20, 100)
    atexit.register(gc.freeze)
