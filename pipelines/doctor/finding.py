"""What was looked at in an environment, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        state: `fail` if what was asked for does not work without it, `warn` if something else may not.
        told: What was found.
        hint: What to do; empty where it is well.
    """

    what: str
    state: State
    told: str
    hint: str = ""


def missing(what: str, told: str, hint: str, *, needed: bool) -> Finding:
    """Return that something is not there, as bad as it is needed."""
    return Finding(what, "fail" if needed else "warn", told, hint)


def table(findings: Sequence[Finding]) -> str:
    """Return findings as a table, what to do below each that is not well."""
    width = max(len(each.what) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.state:<4}  {each.what:<{width}}  {each.told}")
        if each.hint:
            lines.append(f"{'':<4}  {'':<{width}}  {each.hint}")
    counts = {state: sum(each.state == state for each in findings) for state in ("ok", "warn", "fail")}
    return "\n".join([*lines, "", ", ".join(f"{count} {state}" for state, count in counts.items())])
