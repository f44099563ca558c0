"""Hypothesis strategies of playbooks that change: a random one, and what somebody makes of it for the next version."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook
from schemas.playbook_levels import LEVELS
from schemas.versions import Versions
from schemas.yaml_source import parse_yaml
from tests.reference.group_playbooks import group_playbooks
from tests.reference.playbooks import SMALL_REACHES, WHERES, playbooks
from tests.reference.records import MINUTE, Grid
from tests.reference.strategies import START
from transforms.context.grid import Grid as KernelGrid
from transforms.shell.versions import load_contexts

Draw = Callable[[st.SearchStrategy], Any]
Data = dict[str, Any]
Edit = Callable[[Draw, Data], None]


@st.composite
def versions(draw: Draw, grid: Grid, most: int = 2) -> Versions:
    """Return up to `most` further versions after a random one.

    Conditions hold, and values that fade are held up, for subjects only that have signals in their longest window:
    whether somebody else is known or forgotten when one is new is not for the reference to say.
    """
    return _succession(draw, draw(playbooks()), grid, most)


@st.composite
def group_versions(draw: Draw, grid: Grid, most: int = 2) -> Versions:
    """Return the same of playbooks about groups."""
    return _succession(draw, draw(group_playbooks()), grid, most)


def _succession(draw: Draw, text: str, grid: Grid, most: int) -> Versions:
    data = parse_yaml(text, "v1.yaml").data
    levels = [level for level in LEVELS if level in data]
    for level in levels:
        data[level]["features"]["present"] = {"count": "any", "from": "usage", "window": "28m"}
    for _ in range(draw(st.integers(0, 3))):
        _edit(draw, data, draw(st.sampled_from(levels)), DRIFTS)
    books, start = [_guarded(data, 1, None)], START
    for version in range(2, 2 + draw(st.integers(1, most))):
        start += draw(st.integers(1, 24)) * MINUTE + draw(st.sampled_from([0, 0, 30_000]))
        data = json.loads(json.dumps(data))
        for _ in range(draw(st.integers(1, 4))):
            _edit(draw, data, draw(st.sampled_from(levels)))
        books.append(_guarded(data, version, start))
    try:
        found = Versions.of([parse_playbook(text, f"v{number}.yaml") for number, text in enumerate(books, 1)])
        load_contexts(found, grid=kernel_grid(grid, found.first))
    except LoadErrors:
        assume(False)
    return found


def _edit(draw: Draw, data: Data, level: str, edits: Sequence[Edit] | None = None) -> None:
    """Change a playbook at one of its levels; edits know only one, under the name of the first."""
    view = data | {"subscriber": data[level]}
    draw(st.sampled_from(edits or EDITS))(draw, view)
    data |= {key: value for key, value in view.items() if key != "subscriber"}


def kernel_grid(grid: Grid, book: Playbook) -> KernelGrid:
    """Return the grid as the kernel has it."""
    return KernelGrid(book.tick, grid.exact_limit, grid.short_pane, grid.long_pane, grid.short_span)


def _guarded(data: Data, version: int, start: int | None) -> str:
    """Return the text of one version; JSON is YAML."""
    data = json.loads(json.dumps(data)) | {"version": version}
    for section, key in (("segments", "enter"), ("moments", "when")):
        for level in (data[level] for level in LEVELS if level in data):
            for one in (one for one in level.get(section, {}).values() if key in one):
                one[key] = f"({one[key]}) AND present > 0"
    for level in (data[level] for level in LEVELS if level in data):
        for one in (one for one in level.get("derived", {}).values() if "half_life" in one):
            one["expr"] = f"CASE WHEN present > 0 THEN {one['expr']} END"
    if start is not None:
        data["effective_from"] = instant(start)
    return json.dumps(data, indent=1)


def _features(draw: Draw, data: Data) -> None:
    """Another window, or rows."""
    features = data["subscriber"]["features"]
    one = features[draw(st.sampled_from(sorted(features.keys() - {"present"})))]
    if "window" in one and draw(st.booleans()):
        unit, least, most = draw(st.sampled_from(SMALL_REACHES))
        reach = draw(st.integers(-(-least // unit), most // unit)) * unit
        window = draw(st.integers(1, reach // unit)) * unit
        one |= {"window": f"{window}m", "offset": f"{reach - window}m"}
    elif "where" in one:
        del one["where"]
    else:
        wheres = WHERES | {"members": ["n > 1", "role IS NULL"]}
        one["where"] = draw(st.sampled_from(wheres[one["from"]]))


def _renamed(draw: Draw, data: Data) -> None:
    """A feature once more, under a name of its own."""
    features = data["subscriber"]["features"]
    features["again"] = features[draw(st.sampled_from(sorted(features)))]


def _fresh(draw: Draw, data: Data) -> None:
    """Another feature of columns that may be kept already."""
    aggregate = draw(
        st.sampled_from(["count", "sum", "max", "mean", "distinct", "last", "first", "seconds_since_last"])
    )
    window = (
        {} if aggregate == "last" and draw(st.booleans()) else {"window": draw(st.sampled_from(["3m", "12m", "24m"]))}
    )
    column = draw(st.sampled_from(["mb", "bytes"]))
    data["subscriber"]["features"]["fresh"] = {aggregate: column, "from": "usage"} | window
    limit = draw(st.sampled_from([0, 1, 2.5, 60]))
    data["subscriber"].setdefault("moments", {})["is_fresh"] = {"when": f"fresh > {limit}"}


def _conditions(draw: Draw, data: Data) -> None:
    """Another condition."""
    one, key = _condition(draw, data)
    more = draw(st.sampled_from([" OR n > 1", " AND n < 3", " OR present = 2", " AND profile.tariff = 'flex'"]))
    if one is not None:
        one[key] = f"({one[key]}){more}"


def _lengths(draw: Draw, data: Data) -> None:
    """The same condition, held, expiring or repeated otherwise."""
    one, key = _condition(draw, data)
    if one is not None:
        names = ("hold", "expire") if key == "enter" else ("repeat", "again_after")
        name = draw(st.sampled_from(names))
        one.pop(name, None)
        if name == "repeat" or draw(st.booleans()):
            one[name] = f"{draw(st.sampled_from([2, 5, 10]))}m"


def _on_start(draw: Draw, data: Data) -> None:
    """Triggers at the start of the version."""
    one, _ = _condition(draw, data)
    if one is not None:
        one["on_start"] = "trigger"


def _condition(draw: Draw, data: Data) -> tuple[Data | None, str]:
    """Return a segment or a moment, and the key of its condition."""
    level = data["subscriber"]
    found = [(one, "enter") for one in level.get("segments", {}).values()]
    found += [(one, "when") for one in level.get("moments", {}).values() if "after" not in one]
    return draw(st.sampled_from(found)) if found else (None, "")


def _sequences(draw: Draw, data: Data) -> None:
    """What a sequence waits for, or only what must hold in the end."""
    found = [one for one in data["subscriber"].get("moments", {}).values() if "after" in one]
    changes = [{"within": "4m"}, {"same": "product"}, {"when": "n < 3"}, {"again_after": "3m"}, {"on_start": "trigger"}]
    if found:
        draw(st.sampled_from(found)).update(draw(st.sampled_from(changes)))


def _removed(draw: Draw, data: Data) -> None:
    """One segment or moment less."""
    level = data["subscriber"]
    names = [(section, name) for section in ("segments", "moments") for name in level.get(section, {})]
    if names:
        section, name = draw(st.sampled_from(names))
        del level[section][name]
        for offer in data.get("offers", {}).values():
            offer["for"] = [one for one in offer["for"] if one.split(".")[1] != name]
        data["offers"] = {key: one for key, one in data.get("offers", {}).items() if one["for"]}


def _added(draw: Draw, data: Data) -> None:
    """One segment more."""
    names = sorted(data["subscriber"]["features"].keys() - {"present"})
    enter = f"{draw(st.sampled_from(names))} IS NOT NULL"
    data["subscriber"].setdefault("segments", {})[f"added_{names[0]}"] = {"enter": enter, "hold": "3m"}


def _fading(draw: Draw, data: Data) -> None:
    """A value that fades otherwise, or no longer; if there is none, one, and who is in a segment by it."""
    level = data["subscriber"]
    derived = level.setdefault("derived", {})
    fading = [name for name, one in derived.items() if "half_life" in one]
    if not fading or draw(st.integers(0, 4)) == 0:
        derived["fades"] = {"expr": draw(st.sampled_from(["n / 2.0", "n * 1.0", "present - 2.0"]))}
        level.setdefault("segments", {})["faded"] = {"enter": f"fades > {draw(st.sampled_from([0.01, 0.3, 1]))}"}
    name = draw(st.sampled_from([*fading, "fades" if "fades" in derived else fading[0]]))
    one = derived[name] = {key: said for key, said in derived[name].items() if key not in ("half_life", "refresh")}
    half_life = draw(st.sampled_from([*["1m", "3m", "10m"], *([None] if name == "fades" else [])]))
    one |= {"half_life": half_life} if half_life else {}
    one |= _refresh(draw) if half_life or "days_until" in one["expr"] else {}


def _copied(draw: Draw, data: Data) -> None:
    """A derived value once more, under a name of its own."""
    derived = data["subscriber"].get("derived", {})
    if derived:
        derived["copied"] = {**derived[draw(st.sampled_from(sorted(derived)))]}


def _dates(draw: Draw, data: Data) -> None:
    """A date that comes near at other instants, for a moment or a derived value."""
    level = data["subscriber"]
    text = f"days_until(profile.contract_end) {draw(st.sampled_from(['<', '<=', '=', '>']))} {draw(st.integers(0, 1))}"
    if draw(st.booleans()):
        level.setdefault("moments", {})["ends"] = {"when": text} | _refresh(draw)
    else:
        level.setdefault("derived", {})["left"] = {"expr": f"CASE WHEN {text} THEN 1.0 ELSE n / 2.0 END"}
        level["derived"]["left"] |= _refresh(draw)
        level.setdefault("segments", {})["near"] = {"enter": "left >= 1", "hold": "2m"}


def _refresh(draw: Draw) -> Data:
    """Return a grid, or none."""
    refresh = draw(st.sampled_from([None, "1m", "4m", "7m"]))
    return {"refresh": refresh} if refresh else {}


def _lets(draw: Draw, data: Data) -> None:
    """What names stand for."""
    data["let"] |= draw(st.sampled_from([{"little": 1}, {"busy": "n > 2"}]))


def _zones(draw: Draw, data: Data) -> None:
    """Another time zone."""
    data["time_zone"] = "America/New_York"


def _sizes(draw: Draw, data: Data) -> None:
    """How large groups may be."""
    data["max_members"] = draw(st.sampled_from([1, 2, 3]))


DRIFTS = (_fading, _copied, _dates)
EDITS = [
    _features,
    _features,
    _renamed,
    _fresh,
    _conditions,
    _conditions,
    _lengths,
    _on_start,
    _sequences,
    _sequences,
    *DRIFTS,
    *DRIFTS,
    _removed,
    _added,
    _lets,
    _zones,
    _sizes,
]


def instant(time: int) -> str:
    """Return milliseconds since the epoch as a file says it."""
    return datetime.fromtimestamp(time / 1000, UTC).isoformat()
