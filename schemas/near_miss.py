"""The hint for a name that does not exist."""

import difflib
from collections.abc import Iterable


def near_miss(name: str, known: Iterable[str], most: int = 12) -> str:
    """Return `did you mean ...?` for the most similar known name, else the known names, at most so many."""
    names = sorted(set(known))
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if similar:
        return f"did you mean `{similar[0]}`?"
    if not names:
        return ""
    return f"known: {', '.join(names[:most])}{', …' if len(names) > most else ''}"
