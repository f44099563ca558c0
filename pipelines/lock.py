"""A folder held by one process at a time; whoever dies, however, holds nothing any more."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.failures import BusyError

LOCK = ".segone.lock"


@contextmanager
def locked(directory: str | Path) -> Iterator[None]:
    """Hold a folder of this machine, or of one that its file system shares locks with; nothing is left at the end.

    Raises:
        BusyError: another process holds it.
        OSError: nothing can be written there, or locked.
    """
    path = Path(directory) / LOCK
    descriptor = _held(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _held(path: Path) -> int:
    """Return the descriptor of the locked file at `path`: of the one that is there, not one removed meanwhile."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            told = f"{path.parent}: another `segone` is writing there"
            raise BusyError(f"{told}; wait until it has ended, or name another folder") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
