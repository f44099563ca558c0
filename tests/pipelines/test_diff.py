"""`segone diff`: what changes, what keeps its state, what is ready when."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.diff import Diff, diff
from pipelines.diff_text import text_of

OLD = """\
playbook: town
version: 6
let: {low_mb: 500}
signals: [usage, balance]
subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance}
    mb_2h:   {sum: mb, from: usage, window: 2h}
    days:    {distinct: local_date, from: usage, window: 28d}
  derived:
    rate: {expr: mb_2h / 2.0}
  segments:
    heavy:  {enter: rate > 100}
    steady: {enter: days > 20}
  moments:
    running_out: {when: left_mb < low_mb}
    heavy_hour:  {when: heavy AND mb_2h > 900}
offers:
  topup: {for: subscriber.running_out, family: data, owner: us, value: 4, p_accept: 0.2, send: app, valid_for: 6h}
  stay:  {for: subscriber.steady.exited, family: data, owner: us, value: 4, p_accept: 0.2, send: app, valid_for: 6h}
policy:
  caps: [{per: subscriber, max: 1, in: day}, {per: subscriber, max: 2, in: 7d}]
"""

EDITS = {
    "version: 6": "version: 7\neffective_from: 2026-12-01T00:00:00+02:00",
    "low_mb: 500": "low_mb: 300",
    "    mb_2h:   {sum: mb, from: usage, window: 2h}": "    mb_2h:   {sum: mb, from: usage, window: 3h}",
    "    steady: {enter: days > 20}\n": "    calls: {enter: left_mb IS NULL AND mb_2h > 0}\n",
    "subscriber.steady.exited": "subscriber.heavy",
    "{per: subscriber, max: 1, in: day}, {per: subscriber, max: 2, in: 7d}": "{per: subscriber, max: 2, in: 7d}",
}


def _diff(directory: Path, edits: dict[str, str], old: str = OLD) -> Diff:
    new = old
    for before, after in edits.items():
        assert before in new
        new = new.replace(before, after)
    for name, text in (("old.yaml", old), ("new.yaml", new)):
        (directory / name).write_text(text, "utf-8")
    return diff(str(directory / "old.yaml"), str(directory / "new.yaml"))


def _text(found: Diff) -> str:
    return "\n".join(line for line, _ in text_of(found))


def test_what_the_files_say_is_told_with_its_lines(tmp_path: Path) -> None:
    found = {
        ".".join(map(str, one.path)): (
            one.change,
            *(side and (int(side.where.rpartition(":")[2]), side.value) for side in (one.old, one.new)),
        )
        for one in _diff(tmp_path, EDITS).differences
    }
    assert found == {
        "version": ("changed", (2, 6), (2, 7)),
        "effective_from": ("added", None, (3, "2026-12-01T00:00:00+02:00")),
        "let.low_mb": ("changed", (3, 500), (4, 300)),
        "subscriber.features.mb_2h.window": ("changed", (8, "2h"), (9, "3h")),
        "subscriber.segments.calls": ("added", None, (15, {"enter": "left_mb IS NULL AND mb_2h > 0"})),
        "subscriber.segments.steady": ("removed", (14, {"enter": "days > 20"}), None),
        "offers.stay.for": ("changed", (20, "subscriber.steady.exited"), (21, "subscriber.heavy")),
        "policy.caps": ("removed", (22, {"per": "subscriber", "max": 1, "in": "day"}), None),
    }


def test_what_becomes_of_each_definition(tmp_path: Path) -> None:
    """A `let` changes what reads it; a feature what reads it, through derived values and segments too."""
    fates = {
        one.name.removeprefix("subscriber."): (one.change, one.because, one.ready_after)
        for one in _diff(tmp_path, EDITS).fates
    }
    hours = 3_600_000
    assert fates == {
        "left_mb": ("kept", (), 0),
        "mb_2h": ("changed", (), 3 * hours),
        "days": ("kept", (), 0),
        "rate": ("changed", ("mb_2h",), 3 * hours),
        "heavy": ("changed", ("rate",), 3 * hours),
        "calls": ("added", ("mb_2h",), 3 * hours),
        "steady": ("removed", (), None),
        "running_out": ("changed", (), 0),
        "heavy_hour": ("changed", ("heavy", "mb_2h"), 3 * hours),
    }


def test_triggers_come_and_go_with_the_offers_that_name_them(tmp_path: Path) -> None:
    assert _diff(tmp_path, EDITS).triggers == {"subscriber.heavy": "added", "subscriber.steady.exited": "removed"}


@pytest.mark.parametrize(
    ("edits", "kept"),
    [
        ({"{enter: rate > 100}": "{enter: rate > 100, hold: 1d}"}, ["heavy", "heavy_hour"]),
        ({"{enter: rate > 100}": "{enter: rate>100, describe: Uses much}"}, ["heavy", "heavy_hour"]),
        ({"{enter: rate > 100}": "{enter: rate > 100, exit: rate < 50}"}, []),
        ({"{enter: rate > 100}": "{enter: rate > 100, expire: 1d}"}, []),
        ({"{expr: mb_2h / 2.0}": "{expr: mb_2h / 2.0, bounds: [0, 9]}"}, []),
    ],
)
def test_a_condition_is_what_it_says_and_not_how_long_it_holds(
    tmp_path: Path, edits: dict[str, str], kept: list[str]
) -> None:
    fates = [one for one in _diff(tmp_path, edits).fates if one.change == "kept" and one.kind in ("segment", "moment")]
    names = {one.name.removeprefix("subscriber.") for one in fates}
    assert names == {"steady", "running_out", *kept}


def test_a_segment_reads_those_that_go_before_it_in_its_set(tmp_path: Path) -> None:
    edits = {
        "rate > 100}": "rate > 100, exclusive: use, priority: 2}",
        "days > 20}": "days > 20, exclusive: use, priority: 1}",
    }
    fates = {fate.name: fate for fate in _diff(tmp_path, edits).fates if fate.kind == "segment"}
    assert (fates["subscriber.steady"].change, fates["subscriber.heavy"].change) == ("kept", "changed")


def test_a_feature_under_another_name_keeps_its_history(tmp_path: Path) -> None:
    new = {"days:    {": "dates:   {", "days > 20": "dates > 20"}
    found = _diff(tmp_path, new)
    assert {one.name: one.change for one in found.fates}["subscriber.dates"] == "kept"
    assert "forgotten" not in _text(found)


@pytest.mark.parametrize(
    ("edits", "change"),
    [
        ({"rate: {": "speed: {", "rate > 100": "speed > 100"}, "kept"),
        ({"mb_2h / 2.0": "mb_2h  /  2.0"}, "kept"),
        ({"half_life: 1d": "half_life: 2d"}, "changed"),
        ({"sum: mb, from: usage, window: 2h": "sum: mb, from: usage, window: 3h"}, "changed"),
    ],
)
def test_what_fades_has_a_history(tmp_path: Path, edits: dict[str, str], change: str) -> None:
    old = OLD.replace("{expr: mb_2h / 2.0}", "{expr: mb_2h / 2.0, half_life: 1d}")
    found = _diff(tmp_path, edits, old)
    assert {one.change for one in found.fates if one.kind == "derived" and one.change != "removed"} == {change}
    (name,) = (one.name for one in found.fates if one.kind == "derived" and one.change == change)
    assert (f"+ {name}: starts anew" in _text(found)) == (change == "changed")


def test_a_long_window_is_ready_when_the_pane_of_its_tail_is(tmp_path: Path) -> None:
    edits = {"version: 6": "effective_from: 2026-12-01T00:02:00Z", "window: 2h": "window: 3h"}
    fates = {one.name: one for one in _diff(tmp_path, edits).fates}
    assert fates["subscriber.mb_2h"].record()["ready_at"] == "2026-12-01T03:05:00.000Z"


@pytest.mark.parametrize(
    ("edits", "fate"),
    [
        ({}, "kept"),
        ({"again_after: 1h": "again_after: 2h"}, "kept"),
        ({"within: 2h": "within: 3h"}, "forgotten"),
        ({"lost:": "lost_again:"}, "forgotten"),
        (
            {"    lost: {after: {usage: TRUE}, without: {balance: TRUE}, within: 2h, again_after: 1h}\n": ""},
            "forgotten",
        ),
    ],
)
def test_what_becomes_of_sequences_in_flight(tmp_path: Path, edits: dict[str, str], fate: str) -> None:
    moments = "  moments:\n    lost: {after: {usage: TRUE}, without: {balance: TRUE}, within: 2h, again_after: 1h}\n"
    found = _diff(tmp_path, edits, OLD.replace("  moments:\n", moments))
    assert found.sequences == {"subscriber.lost": fate}
    told = {
        "kept": "  go on: subscriber.lost",
        "forgotten": "  - forgotten, what has begun will not complete: subscriber.lost",
    }
    assert f"sequences in flight\n{told[fate]}" in _text(found)
    assert found.record()["sequences"] == {"subscriber.lost": fate}


def test_text_for_people(tmp_path: Path) -> None:
    told = _text(_diff(tmp_path, EDITS))
    assert told.splitlines()[0] == "town: version 6 → 7, effective from 2026-11-30T22:00:00.000Z"
    for line in (
        "  ~ subscriber.features.mb_2h.window",
        f"      {tmp_path}/new.yaml:9  3h",
        "  keep their history: subscriber.days, subscriber.left_mb",
        "  + subscriber.mb_2h: starts anew, ready at 2026-12-01T01:00:00.000Z, 3h after it takes over",
        "  ~ segment subscriber.heavy: changed; reads rate; keeps its members; ready at 2026-12-01T01:00:00.000Z, 3h "
        "after it takes over",
        "  - segment subscriber.steady: removed; its members leave, because definition_changed",
        "  + subscriber.heavy",
        "  - subscriber.steady.exited",
    ):
        assert line in told.splitlines(), told


def test_the_same_is_told_as_the_same(tmp_path: Path) -> None:
    found = _diff(tmp_path, {})
    assert (found.differences, found.triggers, {one.change for one in found.fates}) == ([], {}, {"kept"})
    assert "both say the same" in _text(found)


def test_the_command(tmp_path: Path) -> None:
    _diff(tmp_path, EDITS)
    files = [str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]
    shown = CliRunner().invoke(app, ["diff", *files])
    assert (shown.exit_code, shown.stdout.splitlines()[0][:20]) == (0, "town: version 6 → 7,")
    record = json.loads(CliRunner().invoke(app, ["diff", *files, "--json"]).stdout)
    assert record.keys() == {"old", "new", "differences", "definitions", "triggers", "sequences"}
    assert record["new"]["effective_from"] == "2026-11-30T22:00:00.000Z"
    wrong = CliRunner().invoke(app, ["diff", files[0], "nowhere.yaml"])
    assert (wrong.exit_code, "nowhere.yaml: cannot be read" in wrong.stderr) == (1, True)


HOMES = """
household:
  features:
    lines: {distinct: subscriber, from: usage, window: 1h}
    most:  {max: mb_2h, from: members}
  segments:
    busy:  {enter: lines > 2}
    heavy: {enter: most > 900}
"""


def test_a_level_may_come_and_go(tmp_path: Path) -> None:
    member = "signals: [usage, balance, membership]"
    edits = {"signals: [usage, balance]": member, "offers:": f"{HOMES.lstrip()}offers:"}
    fates = {one.name: one.change for one in _diff(tmp_path, edits).fates if one.name.startswith("household.")}
    assert fates == dict.fromkeys(("household.lines", "household.most", "household.busy", "household.heavy"), "added")


@pytest.mark.parametrize(
    ("edits", "ready"),
    [({"sum: mb, from: usage, window: 2h": "sum: mb, from: usage, window: 3h"}, 3), ({"max: mb_2h": "min: mb_2h"}, 0)],
)
def test_a_group_waits_for_what_is_new_of_its_members(tmp_path: Path, edits: dict[str, str], ready: int) -> None:
    old = OLD.replace("[usage, balance]", "[usage, balance, membership]").replace("offers:", f"{HOMES.lstrip()}offers:")
    fates = {one.name: one for one in _diff(tmp_path, edits, old).fates}
    for one in (fates["household.most"], fates["household.heavy"]):
        assert (one.change, one.ready_after) == ("changed", ready * 3_600_000)


def test_what_groups_read_of_members_changes_with_them(tmp_path: Path) -> None:
    old = OLD.replace("[usage, balance]", "[usage, balance, membership]").replace("offers:", f"{HOMES.lstrip()}offers:")
    new = old.replace("from: usage, window: 2h", "from: usage, window: 3h")
    for name, text in (("old.yaml", old), ("new.yaml", new)):
        (tmp_path / name).write_text(text, "utf-8")
    fates = {one.name: one for one in diff(str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")).fates}
    assert [fates[f"household.{name}"].change for name in ("lines", "busy", "most", "heavy")] == [
        "kept", "kept", "changed", "changed",
    ]  # fmt: skip
    assert fates["household.heavy"].because == ("most",)
