"""The hint for a name that does not exist."""

import difflib
from collections.abc import Iterable

MOST_COMPARED = 1_000
"""Among more names only these are looked at, those with the same first character before others."""


def near_miss(name: str, known: Iterable[str], most: int = 12) -> str:
    """Return `did you mean ...?` for the most similar known name, else the known names, at most so many."""
    names = sorted(set(known))
    looked_at = sorted(names, key=lambda other: other[:1] != name[:1])[:MOST_COMPARED]
    similar = difflib.get_close_matches(name[:200], looked_at, n=1, cutoff=0.6)
    if similar:
        return f"did you mean `{similar[0]}`?"
    if not names:
        return ""
    return f"known: {', '.join(names[:most])}{', …' if len(names) > most else ''}"
