"""`segone check`: what it tells of sound playbooks, and of one that breaks an invariant."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.check.search import search
from pipelines.cli import app
from pipelines.stories.play import play_all
from schemas.playbook_file import load_playbook
from tests.pipelines.check.everything import TEXT
from tests.pipelines.check.faults import FAULTS

REPOSITORY = Path(__file__).parents[3]
SMALL = """
playbook: small
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 1m}}
  moments: {burst: {when: n >= 1}}
offers:
  more: {for: subscriber.burst, family: data, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1h,
         cooldown: 1h}
"""


def told(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.stdout


@pytest.mark.parametrize("name", ["fibre_town", "consumer", "copenhagen"])
def test_examples_pass(name: str) -> None:
    seen = search(load_playbook(REPOSITORY / "examples" / name / "playbook.yaml"), 1, 0)
    assert seen.broken is None
    assert seen.counts["triggers"] > 0


def test_it_tells_what_it_saw_and_what_it_never_met(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    code, text = told(str(tmp_path / "small.yaml"), "--cases", "2")
    assert code == 0
    assert text.startswith("2 worlds: ")
    assert "  cooldown: nothing is offered again too soon\n" in text
    assert "never exercised: quiet hours\n" in text
    assert (code, text) == told(str(tmp_path / "small.yaml"), "--cases", "2")


def test_what_breaks_is_a_small_story_that_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.yaml").write_text(SMALL, "utf-8")
    story = tmp_path / "stories" / "broken.yaml"
    story.parent.mkdir()
    with monkeypatch.context() as patch:
        FAULTS["cooldowns are ignored"](patch)
        code, text = told(str(tmp_path / "small.yaml"), "--out", str(story))
        assert code == 1
        assert text.startswith("broken: cooldown: ")
        assert text.endswith(f"\n{story} tells it\n")
        assert "# broken: cooldown: " in told(str(tmp_path / "small.yaml"))[1]
        assert play_all(story).failed == 0
    assert play_all(story).failed == 1
    assert story.read_text("utf-8").count("- {usage: ") == 2


def test_mistakes_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(TEXT.replace("tick: 10m", "tick: soon"), "utf-8")
    assert told(str(tmp_path / "broken.yaml"))[0] == 1
    assert told(str(tmp_path / "small.yaml"), "--cases", "0")[0] == 2
