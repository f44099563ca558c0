"""The comparison of two playbooks as text in colours."""

from collections.abc import Iterator
from typing import Any

from pipelines.diff import Diff, Fate
from pipelines.differences import Difference, Said
from pipelines.report import instant
from schemas.durations import format_duration

Line = tuple[str, str]
"""A line of text and its style."""

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}

_MEANS = {
    "changed": {"segment": "keeps its members", "moment": "keeps when it last fired"},
    "removed": {"segment": "its members leave, because definition_changed"},
}
"""What a change means besides that a new or changed condition takes its level without making an offer."""


def text_of(diff: Diff) -> Iterator[Line]:
    """Yield what changed, what keeps its state, what is new and from when it is ready, which triggers come and go."""
    old, new = diff.old, diff.new
    start = "no effective_from" if new.effective_from is None else f"effective from {instant(new.effective_from)}"
    yield f"{new.playbook}: version {old.version} → {new.version}, {start}", "bold"
    if old.content_hash == new.content_hash:
        yield f"  both say the same: {new.content_hash}", ""
    for part in (_differences(diff), _state(diff), _sequences(diff), _conditions(diff), _triggers(diff)):
        yield from part


def _differences(diff: Diff) -> Iterator[Line]:
    if diff.differences:
        yield from _head("says")
    for one in diff.differences:
        sign, style = _SIGNS[one.change]
        yield f"  {sign} {'.'.join(map(str, one.path))}", style
        yield from ((f"      {side.where}  {shown(side.value)}", "") for side in _sides(one))


def _sides(one: Difference) -> list[Said]:
    return [side for side in (one.old, one.new) if side is not None]


def _state(diff: Diff) -> Iterator[Line]:
    lasting = [one for one in diff.fates if one.history]
    yield from _head("features, and values that fade")
    kept = [one.name for one in lasting if one.change == "kept"]
    yield f"  keep their history: {', '.join(kept) or 'none'}", ""
    for one in lasting:
        if one.change in ("changed", "added"):
            yield f"  + {one.name}: starts anew, {_ready(one)}", "green"
    if gone := [one.name for one in lasting if one.change == "removed"]:
        yield f"  - forgotten: {', '.join(gone)}", "red"


def _sequences(diff: Diff) -> Iterator[Line]:
    if diff.sequences:
        yield from _head("sequences in flight")
    going, lost = ([name for name, fate in diff.sequences.items() if fate == one] for one in ("kept", "forgotten"))
    if going:
        yield f"  go on: {', '.join(going)}", ""
    if lost:
        yield f"  - forgotten, what has begun will not complete: {', '.join(lost)}", "red"


def _conditions(diff: Diff) -> Iterator[Line]:
    found = [one for one in diff.fates if one.kind in ("segment", "moment") and one.change != "kept"]
    if found:
        yield from _head("conditions")
    for one in found:
        sign, style = _SIGNS[one.change]
        why = f"reads {', '.join(one.because)}" if one.because else ""
        told = [one.change, why, _MEANS.get(one.change, {}).get(one.kind, ""), _ready(one)]
        yield f"  {sign} {one.kind} {one.name}: {'; '.join(filter(None, told))}", style


def _ready(one: Fate) -> str:
    if one.ready_after is None:
        return ""
    if not one.ready_after:
        return "ready at once"
    after = f"{format_duration(one.ready_after)} after it takes over"
    return f"ready {after}" if one.ready_at is None else f"ready at {instant(one.ready_at)}, {after}"


def _triggers(diff: Diff) -> Iterator[Line]:
    if diff.triggers:
        yield from _head("triggers")
    for name, change in diff.triggers.items():
        sign, style = _SIGNS[change]
        yield f"  {sign} {name}", style


def _head(title: str) -> Iterator[Line]:
    yield from (("", ""), (title, "bold"))


def shown(value: Any) -> str:
    """Return a value of a playbook as it may stand on one line of YAML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
