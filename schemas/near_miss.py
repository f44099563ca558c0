"""The hint for a name that does not exist."""

import difflib
from collections.abc import Iterable


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return `did you mean ...?` for the most similar known name, else the known names, at most twelve."""
    names = sorted(set(known))
    similar = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if similar:
        return f"did you mean `{similar[0]}`?"
    if not names:
        return ""
    return f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}"
