"""What a run in this process is doing right now."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_BUNDLES = logging.getLogger("apache_beam.runners.portability.fn_api_runner.fn_runner.run_bundle")
_LABEL = re.compile(r"ref_AppliedPTransform_(Read|Track|Decide|Write)")
_STEPS = {
    "Read": "reading signals",
    "Track": "tracking contexts, deciding offers",
    "Decide": "deciding offers",
    "Write": "writing outputs",
}


@contextmanager
def steps_told(tell: Callable[[str], object]) -> Iterator[None]:
    """Call `tell` with what is done whenever FnApiRunner, the runner of bounded runs, starts on a part of the graph.

    Other runners tell nothing: they run elsewhere and have pages of their own.
    """
    handler = _Teller(tell)
    before = _BUNDLES.level, _BUNDLES.propagate
    _BUNDLES.addHandler(handler)
    _BUNDLES.setLevel(logging.DEBUG)
    _BUNDLES.propagate = False
    try:
        yield
    finally:
        _BUNDLES.removeHandler(handler)
        _BUNDLES.level, _BUNDLES.propagate = before


class _Teller(logging.Handler):
    """Reads which step a bundle belongs to from the runner's own log."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Running bundle") and (found := _LABEL.search(record.getMessage())):
            self._tell(_STEPS[found[1]])
