"""What `explain` tells of a real run with quiet hours, a cap, a pause and a holdout."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.run import run
from tests.pipelines.quiet import quiet_settings

WAITED = "2026-03-02T21:01:00.000Z  subscriber.running_out: deferred until 2026-03-03T08:00:00.000Z: quiet"
HELD = "held out by nobody (nothing is sent, to compare with), else plan by app"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("quiet")
    run(quiet_settings(directory))
    return str(directory / "out")


def _said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *arguments], terminal_width=200)
    return result.exit_code, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ("ann",),
            [
                f"  {WAITED} (it is quiet for the channel where the recipient is)",
                "    2026-03-03T08:00:00.000Z  woken (1): topup by sms, value 0.8, until 2026-03-03T20:00:00.000Z",
                "    2026-03-03T09:01:00.000Z  withdrawn topup by sms: paused",
                "  2026-03-04T12:01:00.000Z  subscriber.running_out: no offer: cap_1_per_subscriber_in_3d",
                "why no offer: cap_1_per_subscriber_in_3d",
                "    caps         blocked  at most 1 to a subscriber in 3d; filled by topup by sms on 2026-03-03",
                "    quiet        passed   it is not quiet for the channel where the recipient is",
            ],
        ),
        (
            ("ann", "--at", "2026-03-03T00:00:00Z"),
            [
                "why deferred until 2026-03-03T08:00:00.000Z: quiet",
                "    quiet        deferred  it is quiet for the channel where the recipient is; it is Monday 2026-",
            ],
        ),
        (("ann", "--at", "2026-03-03T10:00:00Z"), ["why topup by sms, value 0.8", "  topup by sms  priority 5"]),
        (("eva",), [f"  2026-03-02T12:31:00.000Z  subscriber.heavy: {HELD}", f"why {HELD}"]),
        (
            ("ann", "--why-not", "booster"),
            [
                "  never fired: subscriber.empty_soon: left_mb < low_mb AND hours_left < 6: hours_left = NULL, "
                "left_mb = 300 at 2026-03-04T12:01:00.000Z",
                "    low_mb stands for 500",
                "    hours_left is left_mb / mb_1h: left_mb = 300, mb_1h = 0",
                "    no decision tells which household subscriber/ann is in; ask that: segone explain OUT household/ID",
            ],
        ),
        (("ann", "--why-not", "booster", "--at", "2026-03-01T00:00:00Z"), [": no context was written yet"]),
        (
            ("ann", "--why-not", "topup"),
            [
                f"  {WAITED}",
                "  2026-03-03T08:00:00.000Z  subscriber.running_out: it was chosen: topup by sms",
                "      caps  blocked  at most 1 to a subscriber in 3d; filled by topup by sms on 2026-03-03 08:00",
            ],
        ),
        (("eva", "--why-not", "plan"), [f"  2026-03-02T12:31:00.000Z  subscriber.heavy: it was chosen: {HELD}"]),
    ],
)
def test_the_text(out: str, arguments: tuple[str, ...], lines: list[str]) -> None:
    code, told = _said(out, *arguments)
    assert code == 0
    assert [line for line in lines if line not in told] == []


def test_any_decision_is_explained_by_its_id(out: str) -> None:
    story = json.loads(_said(out, "ann", "--json")[1])
    first, *_, last = story["decisions"]
    assert story["explained"]["decision_id"] == last["decision_id"]
    told = json.loads(_said(out, "ann", "--json", "--decision", first["decision_id"][:8])[1])
    assert told["explained"]["decision_id"] == first["decision_id"]
    quiet = told["gates"][0]["gates"][-1]
    assert (quiet["gate"], quiet["result"], quiet["until"]) == ("quiet", "deferred", "2026-03-03T08:00:00.000Z")
    assert "why deferred until" in _said(out, "ann", "--decision", first["decision_id"])[1]


def test_unknown_names_are_told_with_what_to_do(out: str) -> None:
    decisions = json.loads(_said(out, "ann", "--json")[1])["decisions"]
    last = decisions[-1]["decision_id"]
    of_eva = json.loads(_said(out, "eva", "--json")[1])["decisions"][0]["decision_id"]
    for arguments, told in (
        (("ann", "--why-not", "topop"), "no offer `topop` in version 2 of the playbook; did you mean `topup`?"),
        (("ann", "--decision", "x" * 32), "no decision `xxx"),
        (("ann", "--decision", ""), "ids are in brackets where `segone explain` lists decisions"),
        (("ann", "--decision", f"{last[:-1]}x"), f"did you mean `{last}`?"),
        (("ann", "--decision", of_eva), "there is one about subscriber/eva: ask about that"),
        (("ann", "--decision", last, "--at", "2026-03-04T00:00:00Z"), "after --at: give a later one"),
    ):
        code, said = _said(out, *arguments)
        assert (code, told in said) == (1, True), said


def test_without_the_playbook_it_is_asked_for(out: str, tmp_path: Path) -> None:
    book, moved, other = Path(out).parent / "playbook.yaml", tmp_path / "moved.yaml", tmp_path / "other.yaml"
    shutil.copy(book, moved)
    text = book.read_text()
    other.write_text(text.replace("low_mb: 500", "low_mb: 50"))
    try:
        book.write_text(other.read_text())
        code, told = _said(out, "ann", "--why-not", "booster")
        assert (code, "is not as it was in the run; give the playbook with `--playbook FILE`" in told) == (1, True)
        book.unlink()
        assert "cannot be read from here" in _said(out, "ann", "--why-not", "booster")[1]
        code, told = _said(out, "ann", "--why-not", "topup")
        assert (code, "it was chosen" in told, "what its triggers wait for is not told" in told) == (0, True, True)
        code, told = _said(out, "ann", "--why-not", "booster", "--playbook", str(moved))
        assert (code, "never fired: subscriber.empty_soon" in told) == (0, True)
        code, told = _said(out, "ann", "--playbook", str(other))
        assert (code, "and the run was made with quiet version 2 (" in told) == (1, True)
        assert _said(out, "ann")[0] == 0
    finally:
        book.write_text(text)
