"""What the project must show."""

from typing import NamedTuple


class Bar(NamedTuple):
    """One thing that must be shown."""

    what: str
    wanted: str
    found: str
    met: bool
