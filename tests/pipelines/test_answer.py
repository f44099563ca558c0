"""The town answers a run, and the next run takes the answers in."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.answer import answer
from pipelines.demo import PLAYBOOK
from pipelines.failures import NoOutputsError
from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.simulate import Simulated, simulate
from pipelines.simulation.answers import CHANNELS, Channel
from schemas.contracts import contract
from schemas.playbook_file import load_playbook
from tests.reference.records import ms
from transforms.shell.pseudonym_key import KEY_VARIABLE

BUSY = {"app": Channel(0.4, "logged_out", 5_000, 0.5)}


def decided(town: Simulated, out: Path, *answers: tuple[str, str]) -> pl.DataFrame:
    signals = tuple((name, str(town.files[name])) for name in load_playbook(PLAYBOOK).signals)
    run(RunSettings(playbook=str(PLAYBOOK), signals=(*signals, *answers), out=str(out), as_of=ms(town.end)))
    return pl.read_parquet(out / "decisions.parquet").sort("tick")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame, pl.DataFrame]:
    folder = tmp_path_factory.mktemp("answered")
    town = simulate(folder / "town", seed=2, subscribers=300, days=16)
    truth = town.out_dir / "truth" / "acceptance.parquet"
    often = pl.read_parquet(truth).with_columns(p_accept=pl.lit(0.1), p_reject=pl.lit(0.85))
    often.write_parquet(truth)  # there are few days: let more of it happen
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "k" * 16)
        before = decided(town, folder / "before")
        patch.setitem(CHANNELS, "app", BUSY["app"])
        told = answer(folder / "before", town.out_dir, folder / "answers")
        assert "Nothing in it is real." in told
        assert "topup_5gb" in told
        files = [(name, str(folder / "answers" / f"{name}.parquet")) for name in ("contact", "outcome")]
        return folder, before, decided(town, folder / "after", *files)


def signals(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / "answers" / f"{name}.parquet")


def test_the_next_run_takes_all_of_them(played: tuple[Path, pl.DataFrame, pl.DataFrame]) -> None:
    folder, before, _ = played
    counts = [json.loads((folder / name / "run.json").read_text())["signals"] for name in ("before", "after")]
    assert counts[1]["rejected"] == 0
    assert counts[1]["in"] - counts[0]["in"] == sum(len(signals(folder, name)) for name in ("contact", "outcome"))
    end = datetime.fromisoformat(json.loads((folder / "town" / "simulated.json").read_text())["end"])
    pushed = (pl.col("action") == "offer") & (pl.col("channel") != "inbound")
    made = before.filter(pushed & (pl.col("tick") < end - timedelta(minutes=1)))
    assert set(made["decision_id"]) <= set(signals(folder, "contact")["decision_id"])
    for name in ("contact", "outcome"):
        assert signals(folder, name).columns == contract(name).arrow_schema().names


def test_what_failed_is_released(played: tuple[Path, pl.DataFrame, pl.DataFrame]) -> None:
    folder, before, after = played
    failed = before.join(signals(folder, "contact").filter(state="failed"), on="decision_id", how="semi")
    stopped = before.filter(pl.col("reason") == "cooldown").select("decision_id")
    made = after.filter(pl.col("action") == "offer").join(stopped, on="decision_id")
    again = made.join(failed, on=["subject", "offer"]).filter(pl.col("tick") > pl.col("tick_right"))
    assert len(again) > 0, "what was in a cooldown is offered now: the contact before it had failed"


def test_what_was_rejected_rests_for_longer(played: tuple[Path, pl.DataFrame, pl.DataFrame]) -> None:
    folder, before, after = played
    said = signals(folder, "outcome").filter(result="rejected").select("decision_id", "time")
    rejected = before.join(said, on="decision_id").select("subject", "offer", "time")
    rests = after.filter(pl.col("reason") == "cooldown_after_rejection").select("decision_id", "subject", "tick")
    offered = before.filter(pl.col("action") == "offer").select("decision_id", "offer")
    longer = rests.join(offered, on="decision_id").join(rejected, on=["subject", "offer"])
    assert len(longer.filter(pl.col("time") < pl.col("tick"))) > 2, "what was offered is not, since it was rejected"


def test_the_same_offers_get_the_same_answers(
    played: tuple[Path, pl.DataFrame, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, *_ = played
    monkeypatch.setitem(CHANNELS, "app", BUSY["app"])
    before = {name: signals(folder, name) for name in ("contact", "outcome")}
    answer(folder / "before", folder / "town", folder / "answers")
    for name, expected in before.items():
        assert signals(folder, name).equals(expected)
    answer(folder / "after", folder / "town", folder / "later", file_format="jsonl")
    later = pl.read_ndjson(folder / "later" / "outcome.jsonl").select("id", "result")
    both = later.join(before["outcome"], on="id")
    assert len(both) > 10
    assert (both["result"] == both["result_right"]).all()


def test_what_is_no_town_and_what_is_no_run(played: tuple[Path, pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    folder, *_ = played
    with pytest.raises(FileNotFoundError, match="no simulated town"):
        answer(folder / "before", tmp_path, tmp_path / "out")
    with pytest.raises(NoOutputsError):
        answer(tmp_path / "nowhere", folder / "town", tmp_path / "out")
    with pytest.raises(FileExistsError, match="name a new folder"):
        answer(folder / "before", folder / "town", folder / "before")
    assert not list(tmp_path.iterdir())
