"""Folders of stories: what is printed, and what a command exits with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.stories.play import play_all
from pipelines.stories.story import ENGINES
from tests.examples.commands import REPOSITORY
from tests.pipelines.stories.conftest import WriteStory

TOWN = REPOSITORY / "examples" / "fibre_town" / "stories"


def test_what_is_different_is_told_with_its_line(write_story: WriteStory, tmp_path: Path) -> None:
    path = write_story("by app", "by sms", name="wrong")
    write_story()
    played = play_all(tmp_path)
    assert played.failed == 1
    assert played.text().splitlines() == [
        "passed  burst on core",
        "FAILED  wrong on core",
        f"  {path}:12: expected: 10:01 anna gets day_pass by sms",
        f"  {path}:11: found:    10:01 anna gets day_pass by app",
        f"not a story: {tmp_path / 'playbook.yaml'}",
        "1 passed, 1 failed",
    ]


def test_a_story_on_every_engine(write_story: WriteStory) -> None:
    asked: list[str] = []
    assert play_all(write_story(), ENGINES, asked.append).failed == 0
    assert asked == ["burst on core", "burst on bounded", "burst on stream"]


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_tells_a_difference(write_story: WriteStory, name: str) -> None:
    assert play_all(write_story("[10:01 anna has burst]", "[]"), [name]).failed == 1


def test_a_story_may_leave_out_an_engine(write_story: WriteStory) -> None:
    path = write_story("story: Anna", "engines: [core]\nstory: Anna")
    played = play_all(path, ["core", "stream"])
    assert [(name, wrong) for _, name, wrong in played.results] == [("core", ())]
    assert played.skipped == (f"not for stream: {path}",)


def test_a_broken_story_does_not_stop_the_others(write_story: WriteStory, tmp_path: Path) -> None:
    write_story("mb: 100", "md: 100", name="broken")
    write_story(name="right")
    write_story("playbook: playbook.yaml", "playbook: nowhere.yaml", name="without")
    (tmp_path / "garbage.yaml").write_bytes(b"events: [\xff")
    (tmp_path / "number.yaml").write_text("5")
    (tmp_path / "folder.yaml").mkdir()
    played = play_all(tmp_path)
    assert [(name, engine, bool(wrong)) for name, engine, wrong in played.results] == [
        ("broken", "", True),
        ("garbage", "", True),
        ("right", "core", False),
        ("without", "", True),
    ]
    assert "broken.yaml:5: " in played.results[0][2][0]
    assert "FAILED  garbage" in played.text().splitlines()
    assert f"not a story: {tmp_path / 'number.yaml'}" in played.skipped


CONTRACT = """\
playbook:
  signals: [usage, consent]
  subscriber:
    features:
      n: {count: any, from: usage, window: 5m}
      mb: {sum: mb, from: usage, window: 5m}
      asked: {count: state, from: consent, window: 5m}
    segments: {s: {enter: n >= 1 OR asked >= 1 OR mb < 0}}
events:
  - signals:
      - {usage: null, at: 10:00, mb: 1}
      - {usage: "", at: 10:00, mb: 1}
      - {usage: a, at: 10:00, id: "", mb: 1}
      - {usage: a, at: 10:00, id: null, mb: 1}
      - {usage: a, at: 10:00, subject_kind: household, mb: 1}
      - {usage: a, at: 10:00, subject_kind: nobody, mb: 1}
      - {usage: a, at: 10:00, mb: -1}
      - {usage: a, at: 10:00, mb: 1e12}
      - {consent: a, at: 10:00, purpose: care, state: dreamt}
      - {consent: a, at: 10:00, purpose: care}
      - {usage: a, at: 2026-01-09 10:00, mb: 1}
      - {usage: b, at: 10:00, mb: 1}
      - {usage: b, at: 10:30, mb: 1}
  - watermark: 10:02
  - watermark: 10:02:30
  - expect:
      transitions: [10:01 b enters s]
      counts: {rejected: 11, applied: 1, pending: 1}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_checks_the_contract(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT)
    assert play_all(path, [engine]).results == (("contract", engine, ()),)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_looks_at_counts(write_story: WriteStory, engine: str) -> None:
    ((_, _, wrong),) = play_all(write_story("{applied: 2}", "{applied: 3}"), [engine]).results
    assert [line.partition(": ")[2] for line in wrong] == ["expected applied: 3, found 2"]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_expect_speaks_of_the_ticks_since_the_one_before(write_story: WriteStory, engine: str) -> None:
    path = write_story()
    early = "  - watermark: 10:00:30\n  - expect: {transitions: [10:01 anna has burst], offers: []}\n"
    path.write_text(path.read_text().replace("  - watermark: 11:00\n", f"{early}  - watermark: 11:00\n"))
    ((_, _, wrong),) = play_all(path, [engine]).results
    assert [line.partition(": ")[2] for line in wrong] == ["expected: 10:01 anna has burst"]


def test_the_command(write_story: WriteStory) -> None:
    right, wrong = write_story(), write_story("by app", "by sms", name="wrong")
    runner = CliRunner()
    assert runner.invoke(app, ["test", str(right)]).exit_code == 0
    failed = runner.invoke(app, ["test", str(wrong)])
    assert (failed.exit_code, failed.stdout.splitlines()[-1]) == (1, "0 passed, 1 failed")
    assert runner.invoke(app, ["test", str(right), "--engines", "spark"]).exit_code == 2


@pytest.mark.parametrize("path", sorted(TOWN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_stories_of_the_town(path: Path) -> None:
    assert play_all(path, ENGINES).failed == 0
