"""Files that people name, or a playbook does: regular ones only, read up to a bound."""

import errno
import os
import stat
from pathlib import Path


def read_file(path: str | Path, most: int) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        OSError: it cannot be read, is no regular file (a directory, a pipe), or is larger; `strerror` says it.
    """
    return _read(path, most, 0)


def read_beside(file: str | Path, name: str, most: int) -> bytes:
    """Read a file that another one names: within the folder of that one, or of what it links to; links are followed.

    Args:
        file: The file that names it.
        name: Its path from there.
        most: How many bytes it may have.

    Raises:
        OSError: as `read_file`; or it is not within the folder.
    """
    folders = Path(file).parent.resolve(), Path(file).resolve().parent
    try:
        found = (folders[0] / name).resolve()
    except (RuntimeError, ValueError) as error:  # a circle of links before Python 3.13, a name with NUL
        raise OSError(errno.EINVAL, "no file can have such a name") from error
    if not any(map(found.is_relative_to, folders)):
        raise OSError(errno.EACCES, "it is not within the folder of the file that names it")
    return _read(found, most, os.O_NOFOLLOW)


def _read(path: str | Path, most: int, flags: int) -> bytes:
    """Read without waiting for the other end of a pipe."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        with open(handle, "rb", closefd=False) as stream:
            content = stream.read(most + 1)
    finally:
        os.close(handle)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return content
