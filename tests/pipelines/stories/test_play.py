"""Folders of stories: what is printed, and what a command exits with."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.stories.play import play_all
from pipelines.stories.story import ENGINES
from schemas.errors import LoadErrors
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


def test_mistakes_of_all_stories_are_told_at_once(write_story: WriteStory, tmp_path: Path) -> None:
    write_story("mb: 100", "md: 100", name="one")
    write_story("mb: 99", "md: 99", name="two")
    with pytest.raises(LoadErrors) as told:
        play_all(tmp_path)
    assert [(Path(error.file).stem, error.line) for error in told.value.errors] == [("one", 5), ("two", 6)]


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
