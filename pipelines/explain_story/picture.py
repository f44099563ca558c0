"""The timeline of a story as an SVG picture: the same bytes for the same story."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

import matplotlib.style
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipelines.explain_story.tale import by, tales
from pipelines.explain_story.values import instant_of
from pipelines.explained import Story
from schemas.visible import shortened, visible_values

LOOKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "offer": ("#009e73", "o"),
        "holdout": ("#cc79a7", "s"),
        "deferred": ("#56b4e9", ">"),
        "outranked": ("#e69f00", "v"),
        "no_offer": ("#777777", "X"),
        "withdrawn": ("#d55e00", "D"),
    }
)
"""Colour and marker of each action; colours that the colour-blind can tell apart."""

MOST = 12
"""So many lanes of a kind are drawn, those in which something happened last."""

_BAR, _MOMENT, _BAND = "#4c72b0", "#1b3a6b", "#f3f3f3"
_PLAIN = {"svg.hashsalt": "segone", "svg.fonttype": "none", "font.size": 9, "date.epoch": "1970-01-01T00:00:00"}


@dataclass(frozen=True)
class Mark:
    """One thing in a lane: a bar from `start` to `end`, or a point where there is no end."""

    start: datetime
    end: datetime | None
    colour: str
    marker: str = "o"


@dataclass(frozen=True)
class Lane:
    """One line of the picture."""

    kind: str
    name: str
    marks: Sequence[Mark]


def timeline(story: Story) -> str:
    """Return the picture as an `svg` element; empty where nothing ever happened."""
    lanes = lanes_of(story)
    if not lanes:
        return ""
    with matplotlib.style.context("default"), rc_context(_PLAIN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = figure_of(lanes)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def lanes_of(story: Story) -> list[Lane]:
    """Return the lanes: segments, moments, triggers with their decisions, channels with what went out by them."""
    shown = Story(**visible_values(vars(story)))
    return [*_segments(shown), *_moments(shown), *_decisions(shown), *_contacts(shown)]


def _end(story: Story) -> datetime:
    ticks = [row["tick"] for row in (*story.transitions, *story.decisions)]
    return instant_of(max([*ticks, story.context["tick"]] if story.context else ticks))


def _segments(story: Story) -> list[Lane]:
    bars: dict[str, list[Mark]] = {}
    since: dict[str, datetime] = {}
    for row in story.transitions:
        now, name = instant_of(row["tick"]), row["name"]
        if row["event"] == "entered":
            since[name] = now
        elif row["event"] == "exited":
            bars.setdefault(name, []).append(Mark(since.pop(name, now), now, _BAR))
    for name, start in since.items():
        bars.setdefault(name, []).append(Mark(start, max(_end(story), start), _BAR))
    return _lanes("segments", bars)


def _moments(story: Story) -> list[Lane]:
    points: dict[str, list[Mark]] = {}
    for row in story.transitions:
        if row["event"] == "fired":
            points.setdefault(row["name"], []).append(Mark(instant_of(row["tick"]), None, _MOMENT, "|"))
    return _lanes("moments", points)


def _decisions(story: Story) -> list[Lane]:
    points: dict[str, list[Mark]] = {}
    for tale in tales(story.decisions):
        marks = points.setdefault(tale[0]["trigger"], [])
        ticks = [instant_of(row["tick"]) for row in tale]
        if tale[0]["action"] == "deferred":
            end = _end(story) if tale[-1]["action"] == "deferred" else ticks[-1]
            marks.append(Mark(ticks[0], end, LOOKS["deferred"][0]))
        marks += [Mark(tick, None, *LOOKS[row["action"]]) for tick, row in zip(ticks, tale, strict=True)]
    return _lanes("decisions", points)


def _contacts(story: Story) -> list[Lane]:
    """Return what went out, each until it lapsed or was withdrawn."""
    gone = {row["decision_id"]: row["tick"] for row in story.decisions if row["action"] == "withdrawn"}
    bars: dict[str, list[Mark]] = {}
    for row in story.decisions:
        if row["action"] == "offer":
            until = min(instant_of(one) for one in (row["valid_until"], gone.get(row["decision_id"])) if one)
            name = f"{row['offer']} {by(row)}"
            bars.setdefault(name, []).append(Mark(instant_of(row["tick"]), until, LOOKS["offer"][0]))
    return _lanes("contacts", bars)


def _lanes(kind: str, marks: Mapping[str, Sequence[Mark]]) -> list[Lane]:
    latest = sorted(marks, key=lambda name: max(mark.start for mark in marks[name]))[-MOST:]
    found = [Lane(kind, shortened(name, 40), each) for name, each in marks.items() if name in latest]
    left = len(marks) - len(found)
    return [*found, *([Lane(kind, f"… and {left:,} more", ())] if left else [])]


def figure_of(lanes: Sequence[Lane]) -> Figure:
    """Return the picture of some lanes."""
    figure = Figure(figsize=(11, 1.3 + 0.28 * len(lanes)), layout="constrained")
    axes = figure.add_subplot()
    for place, lane in enumerate(lanes):
        for mark in lane.marks:
            _draw(axes, place, mark)
    _name(axes, lanes)
    _scale(axes, [end for lane in lanes for mark in lane.marks for end in (mark.start, mark.end or mark.start)])
    used = {mark.colour for lane in lanes if lane.kind == "decisions" for mark in lane.marks}
    keys = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=action.replace("_", " "))
        for action, (colour, marker) in LOOKS.items()
        if colour in used
    ]
    if keys:
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _draw(axes: Axes, place: int, mark: Mark) -> None:
    start = float(date2num(mark.start))
    if mark.end is None:
        axes.plot([start], [place], marker=mark.marker, color=mark.colour, linestyle="", markersize=7, zorder=3)
        return
    axes.hlines(place, start, float(date2num(mark.end)), color=mark.colour, linewidth=5, alpha=0.55)
    axes.plot([start], [place], marker="|", color=mark.colour, markersize=9, zorder=2)  # seen however short the bar is


def _name(axes: Axes, lanes: Sequence[Lane]) -> None:
    """Name the lanes at the left, their kinds at the right, and tell the kinds apart."""
    axes.set_yticks(range(len(lanes)), [lane.name for lane in lanes], parse_math=False)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    for number, (kind, first, last) in enumerate(_kinds(lanes)):
        if number % 2 == 0:
            axes.axhspan(first - 0.5, last + 0.5, color=_BAND, zorder=0)
        place = (first + last) / 2
        axes.annotate(kind, (1.005, place), xycoords=("axes fraction", "data"), va="center", fontweight="bold")
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _kinds(lanes: Sequence[Lane]) -> Iterator[tuple[str, int, int]]:
    for kind in dict.fromkeys(lane.kind for lane in lanes):
        places = [place for place, lane in enumerate(lanes) if lane.kind == kind]
        yield kind, places[0], places[-1]


def _scale(axes: Axes, instants: Sequence[datetime]) -> None:
    first, last = min(instants), max(instants)
    room = max((last - first) * 0.03, timedelta(minutes=30))
    axes.set_xlim(float(date2num(first - room)), float(date2num(last + room)))
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(axis="x", color="#dddddd", linewidth=0.6, zorder=1)
    axes.set_xlabel("UTC")
