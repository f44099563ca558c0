"""What a check found, in lines for people."""

from pipelines.check.invariants import EVERY
from pipelines.check.sameness import NAME, SAYS
from pipelines.check.search import Seen


def report(seen: Seen) -> str:
    """Return how much was played, how often each invariant mattered, and which never did."""
    counts = seen.counts
    lines = [f"{counts['worlds']} worlds: " + ", ".join(f"{counts[name]} {name}" for name in _TOLD)]
    said = [*((one.name, one.says) for one in EVERY), (NAME, SAYS)]
    lines += [f"{seen.met[name]:7}  {name}: {says}" for name, says in said if seen.met[name]]
    return "\n".join([*lines, *(f"never exercised: {name}" for name, _ in said if not seen.met[name])]) + "\n"


_TOLD = ("triggers", "offers", "deferrals")
