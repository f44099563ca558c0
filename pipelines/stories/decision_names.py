"""Decisions of a story by what they answer, as `10:01 anna, burst`: reports need ids, which nobody knows by heart."""

import re

import polars as pl

from pipelines.stories.times import parse_time
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from transforms.decision.ids import decision_ids

_NAMED = re.compile(
    r"(?P<time>[0-9-]*[ T]?[0-9]{2}:[0-9]{2}\S*) (?:(?P<kind>household|sme)/)?(?P<subject>.+), (?P<what>[\w.]+)"
    r"(?:, woken (?P<woken>[0-9]+))?"
)


def decision_id(text: str, day: str, playbook: Playbook) -> str:
    """Return the id of the decision that a text names; what names none is returned as it is.

    Args:
        text: `10:01 anna, burst`, of its first wake-up `10:01 anna, burst, woken 1`. The time is the trigger's tick.
        day: The day of a time without a date.
        playbook: Whose triggers they are.

    Raises:
        ValueError: the time is none, or there is no such trigger.
    """
    found = _NAMED.fullmatch(text)
    if found is None:
        return text
    kind, what = found["kind"] or "subscriber", found["what"]
    level = playbook.levels.get(kind)
    known = [*level.moments, *level.segments] if level else []
    if what.removesuffix(".exited") not in known:
        raise ValueError(f"`{text}`: {kind} has no segment or moment `{what}`; {near_miss(what, known)}".rstrip("; "))
    row = (kind, found["subject"], f"{kind}.{what}", parse_time(found["time"], day), int(found["woken"] or 0))
    columns = ("subject_kind", "subject", "trigger", "own_tick", "n")
    return str(decision_ids(playbook.playbook, pl.DataFrame([row], columns, orient="row"))[0])
