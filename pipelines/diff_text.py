"""The comparison of two playbooks as text in colours."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from pipelines.diff import Diff, Fate
from pipelines.differences import Difference, Said
from pipelines.report import instant
from schemas.durations import format_duration

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}

_MEANS = {
    "changed": {"segment": "keeps its members", "moment": "keeps when it last fired"},
    "removed": {"segment": "its members leave, because definition_changed"},
}
"""What a change means besides that a new or changed condition takes its level without making an offer."""


def text_of(diff: Diff) -> Text:
    """Return what changed, what keeps its state, what is new and from when it is ready, which triggers come and go."""
    old, new = diff.old, diff.new
    start = "no effective_from" if new.effective_from is None else f"effective from {instant(new.effective_from)}"
    lines = [Text(f"{new.playbook}: version {old.version} → {new.version}, {start}", style="bold")]
    if old.content_hash == new.content_hash:
        lines.append(Text(f"  both say the same: {new.content_hash}"))
    for part in (_differences(diff), _state(diff), _conditions(diff), _triggers(diff)):
        lines += part
    return Text("\n").join(lines)


def _differences(diff: Diff) -> Iterator[Text]:
    if diff.differences:
        yield _head("says")
    for one in diff.differences:
        sign, style = _SIGNS[one.change]
        yield Text(f"  {sign} {'.'.join(map(str, one.path))}", style=style)
        yield from (Text(f"      {side.where}  {shown(side.value)}") for side in _sides(one))


def _sides(one: Difference) -> list[Said]:
    return [side for side in (one.old, one.new) if side is not None]


def _state(diff: Diff) -> Iterator[Text]:
    lasting = [one for one in diff.fates if one.history]
    yield _head("features, and values that fade")
    kept = [one.name for one in lasting if one.change == "kept"]
    yield Text(f"  keep their history: {', '.join(kept) or 'none'}")
    for one in lasting:
        if one.change in ("changed", "added"):
            yield Text(f"  + {one.name}: starts anew, {_ready(one)}", style="green")
    if gone := [one.name for one in lasting if one.change == "removed"]:
        yield Text(f"  - forgotten: {', '.join(gone)}", style="red")


def _conditions(diff: Diff) -> Iterator[Text]:
    found = [one for one in diff.fates if one.kind in ("segment", "moment") and one.change != "kept"]
    if found:
        yield _head("conditions")
    for one in found:
        sign, style = _SIGNS[one.change]
        why = f"reads {', '.join(one.because)}" if one.because else ""
        told = [one.change, why, _MEANS.get(one.change, {}).get(one.kind, ""), _ready(one)]
        yield Text(f"  {sign} {one.kind} {one.name}: {'; '.join(filter(None, told))}", style=style)


def _ready(one: Fate) -> str:
    if one.ready_after is None:
        return ""
    if not one.ready_after:
        return "ready at once"
    after = f"{format_duration(one.ready_after)} after it takes over"
    return f"ready {after}" if one.ready_at is None else f"ready at {instant(one.ready_at)}, {after}"


def _triggers(diff: Diff) -> Iterator[Text]:
    if diff.triggers:
        yield _head("triggers")
    for name, change in diff.triggers.items():
        sign, style = _SIGNS[change]
        yield Text(f"  {sign} {name}", style=style)


def _head(title: str) -> Text:
    return Text(f"\n{title}", style="bold")


def shown(value: Any) -> str:
    """Return a value of a playbook as it may stand on one line of YAML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
