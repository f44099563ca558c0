"""`segone estimate`, from the outputs of a run and the files of outcomes to what it says."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from tests.pipelines.exploring import PLAYBOOK, SIZE, explored

MORE = "{for: subscriber.running_out, family: data, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h}"
PASS_FIRST = PLAYBOOK.replace("value: 2,", "value: 20,")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exploring")
    explored(directory)
    return directory


def _estimated(folder: Path, text: str, *options: str, outcomes: str = "*d.jsonl") -> tuple[int, str, str]:
    """Run the command; `first.jsonl` and `second.jsonl` are the outcomes."""
    (folder / "b.yaml").write_text(text)
    files = [f"--outcomes={folder / 'first.jsonl'}", f"--outcomes={folder / outcomes}"]
    done = CliRunner().invoke(app, ["estimate", str(folder / "b.yaml"), str(folder / "out"), *files, *options])
    return done.exit_code, done.stdout, done.stderr


def test_what_the_other_offer_would_have_earned(folder: Path) -> None:
    code, told, error = _estimated(folder, PASS_FIRST, "--json")
    assert (code, error) == (0, "")
    found = json.loads(told)
    made = pl.read_parquet(folder / "out" / "decisions.parquet").filter(action="offer")
    passes = made.filter(offer="pass")
    assert found["decisions"] == {
        "same": len(passes),
        "nothing": 0,
        "other": len(made) - len(passes),
        "sent": SIZE,
        "beyond": 0,
        "refused": 0,
        "unsent": 0,
        "reported": SIZE,
    }
    assert {one["path"] for one in found["differences"]} == {"offers.pass.value"}
    earned = {name: one["value"] for name, one in found["earned"].items()}
    topups = len(made) - len(passes)
    assert earned["a"] == pytest.approx((topups * 3.5 - len(passes) * 0.25) / SIZE)
    assert earned["b_snips"] == pytest.approx(-0.25), "worth what A says: each costs so much, and none was accepted"
    assert earned["b_ips"] == pytest.approx(-0.25 * (1 / passes["propensity"]).sum() / SIZE)
    assert earned["gain"] == pytest.approx(earned["b_snips"] - earned["a"])
    assert set(passes["propensity"]) == {0.25, 1.0}, "who may have no topup has but one arm"


def test_the_text(folder: Path) -> None:
    code, told, _ = _estimated(folder, PASS_FIRST)
    assert code == 0
    for line in (
        r"A  .*a\.yaml: exploring version 1",
        r"B  .*b\.yaml: exploring version 1",
        "one difference in what they say",
        rf" +sent by A +{SIZE}",
        r" +B, SNIPS +-0\.2500 +0\.0000 +-0\.2500 +-0\.2500",
    ):
        assert re.search(f"^{line}$", told, re.MULTILINE), told


def test_what_a_never_chooses_is_left_out_and_nothing_is_known(folder: Path) -> None:
    fond = PLAYBOOK.replace(
        "value: 9, p_accept: 0.01,", "value: 9, p_accept: CASE WHEN left_mb < 50 THEN 1 ELSE 0 END,"
    )
    code, told, _ = _estimated(folder, fond, "--json")
    assert code == 0
    assert json.loads(told)["decisions"]["beyond"] == SIZE // 6
    code, _, error = _estimated(folder, fond.replace("< 50", "< 500"))
    assert code == 1
    assert "nothing to go by" in error
    assert "say `policy.explore` in the playbook of A" in error


def test_what_sends_nothing_earns_nothing(folder: Path) -> None:
    code, told, _ = _estimated(
        folder, PLAYBOOK.replace("p_accept: 0.5", "p_accept: 0").replace("value: 9,", "value: 9, cost: 1,"), "--json"
    )
    found = json.loads(told)
    assert (code, found["decisions"]["nothing"], found["earned"]["b_snips"]["value"]) == (0, SIZE, 0.0)


def test_eligibility_is_recomputed_where_it_is_another(folder: Path) -> None:
    less = PLAYBOOK.replace("left_mb > 10", "left_mb > 200")
    found = json.loads(_estimated(folder, less, "--json")[1])
    other = pl.read_parquet(folder / "out" / "decisions.parquet").filter(action="offer", offer="topup")
    assert found["decisions"]["other"] == len(other)
    without = PLAYBOOK[: PLAYBOOK.index("  topup:")] + PLAYBOOK[PLAYBOOK.index("  pass:") :]
    gone = json.loads(_estimated(folder, without, "--json")[1])
    assert gone["decisions"] == found["decisions"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("policy:", "policy: {max_decision_age: 1h, explore: {data: 50%}}\n_", "`policy.max_decision_age` added"),
        ("low_mb: 500", "low_mb: 400", "`let.low_mb` changed"),
        ("valid_for: 6h, eligible", "valid_for: 5h, eligible", "`offers.topup.valid_for` changed"),
        ("  plan:  {", f"  more:  {MORE}\n  plan:  {{", "`offers.more` added"),
    ],
)
def test_what_no_log_tells_is_refused(folder: Path, old: str, new: str, told: str) -> None:
    text = PLAYBOOK.replace(old, new).split("\n_")[0]
    code, _, error = _estimated(folder, text)
    assert code == 1
    assert told in error
    assert re.search(r"b\.yaml:\d+: ", error)
    assert "`segone backtest`" in error


def test_mistakes_are_told(folder: Path, tmp_path: Path) -> None:
    code, _, error = _estimated(folder, PASS_FIRST, outcomes="nothing.jsonl")
    assert (code, "nothing.jsonl: there is no such file" in error) == (1, True)
    (folder / "broken.parquet").write_text("no parquet")
    code, _, error = _estimated(folder, PASS_FIRST, outcomes="broken.parquet")
    assert (code, "broken.parquet: cannot be read" in error) == (1, True)
    (folder / "bare.csv").write_text("id,source,time,subject,result\n")
    code, told, _ = _estimated(folder, PASS_FIRST, outcomes="bare.csv")
    assert (code, "of these with an outcome" in told) == (0, True)
    (folder / "b.yaml").write_text(PASS_FIRST)
    asked = [str(folder / "b.yaml"), str(folder / "out"), f"--outcomes={folder / 'bare.csv'}"]
    done = CliRunner().invoke(app, ["estimate", *asked])
    assert (done.exit_code, "no outcome is about a decision that" in done.stderr) == (1, True)
    (tmp_path / "other.yaml").write_text(PASS_FIRST)
    code, _, error = _estimated(folder, PASS_FIRST, f"--playbook={tmp_path / 'other.yaml'}")
    assert (code, "give the file as it was" in error) == (1, True)
