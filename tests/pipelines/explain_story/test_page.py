"""A page is whole in itself, the same each time, and shows what data hold as text."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.explain_story.page import page_of
from pipelines.explain_story.picture import MOST, lanes_of, timeline
from pipelines.explained import Story
from tests.pipelines.explain_story.rows import NOON, decision, sent

HOSTILE = "</pre><script>alert(1)</script>&$x$\x1b]0;"
MORNING, NIGHT = "2026-03-03T08:00:00.000Z", "2026-03-02T21:00:00.000Z"


def _happened(name: str, event: str, tick: str) -> dict[str, Any]:
    kind = "moment" if event == "fired" else "segment"
    return {"name": name, "kind": kind, "event": event, "tick": tick, "reason": None, "late": False, "evidence": {}}


def _story() -> Story:
    transitions = [
        _happened(HOSTILE, "entered", NOON),
        _happened("running_out", "fired", NIGHT),
        _happened("gone", "entered", NOON),
        _happened("gone", "exited", NIGHT),
    ]
    woken = sent("topup", MORNING, trigger_tick=NIGHT, n=1)
    decisions = [
        decision(tick=NIGHT, action="deferred", reason="quiet", until=MORNING),
        woken,
        woken | {"tick": "2026-03-03T09:00:00.000Z", "action": "withdrawn", "reason": "paused"},
        sent(HOSTILE, MORNING, trigger=HOSTILE),
    ]
    context = {"tick": MORNING, "context": {"page": HOSTILE}}
    return Story(f"subscriber/{HOSTILE}", context, {HOSTILE: NOON}, transitions, decisions, explained=decisions[3])


class _Reader(HTMLParser):
    """Collects elements and attributes."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")}
        assert not any(name.startswith("on") for name, _ in attrs)


def test_what_data_hold_is_text() -> None:
    reader = _Reader()
    page = page_of(_story())
    reader.feed(page)
    assert reader.tags & {"script", "iframe", "img", "link", "object", "a"} == set()
    assert all(link.startswith("#") for link in reader.links)
    assert "\x1b" not in page
    assert page.count("&lt;script&gt;") > 4


def test_it_is_the_same_each_time() -> None:
    assert page_of(_story()) == page_of(_story())


def test_there_is_a_lane_for_each_segment_moment_trigger_and_contact() -> None:
    lanes = lanes_of(_story())
    assert [lane.kind for lane in lanes] == ["segments"] * 2 + ["moments"] + ["decisions"] * 2 + ["contacts"] * 2
    spans = {(lane.kind, lane.name): [(mark.start, mark.end) for mark in lane.marks] for lane in lanes}
    ((_, until),) = spans["contacts", "topup by app"]
    assert until is not None
    assert until.isoformat() == "2026-03-03T09:00:00+00:00"  # withdrawn, long before it would have lapsed
    assert ">running_out</text>" in timeline(_story())


def test_of_many_lanes_the_last_are_drawn() -> None:
    happened = [_happened(f"m{n:02}", "fired", f"2026-03-02T{n:02}:00:00.000Z") for n in range(MOST + 5)]
    names = [lane.name for lane in lanes_of(Story("subscriber/ann", None, {}, happened, []))]
    assert names == [*(f"m{n:02}" for n in range(5, MOST + 5)), "… and 5 more"]


def test_without_anything_there_is_no_picture() -> None:
    story = Story("subscriber/ann", None, {}, [], [])
    assert timeline(story) == ""
    assert "no decisions" in page_of(story)


def test_the_command_writes_it(small_out: Path, tmp_path: Path) -> None:
    file = tmp_path / "ann.html"
    result = CliRunner().invoke(app, ["explain", str(small_out), "ann", "--html", str(file)])
    assert (result.exit_code, result.stdout) == (0, "")
    page = file.read_text("utf-8")
    assert "<svg" in page
    assert "so not before 2026-03-03 09:01" in page


def test_without_matplotlib_it_is_said_what_to_install(
    small_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pipelines.explain_story.page", "pipelines.explain_story.picture"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = CliRunner().invoke(app, ["explain", str(small_out), "ann", "--html", str(tmp_path / "ann.html")])
    assert result.exit_code == 1
    assert "pip install 'segment-of-one[pages]'" in result.stderr
