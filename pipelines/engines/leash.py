"""A program beside ours that ends our servers if we end without doing so, however that happened.

It reads `+PID` and `-PID` lines; when the other end of its input is gone, it kills the process groups that are left.
"""

import os
import signal
import sys


def main() -> None:
    """Read until the end, then kill."""
    held: set[int] = set()
    for line in sys.stdin:
        change, pid = line[0], int(line[1:])
        if change == "+":
            held.add(pid)
        else:
            held.discard(pid)
    for pid in held:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    main()
