"""The town's playbook finds who is there, in a town that it was not written on."""

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.demo import PLAYBOOK, demo
from pipelines.simulation.recognised import recognised


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    told = demo(folder, seed=12, subscribers=800)
    assert "Nothing in it is real." in told
    assert "precision" in told
    return folder


@pytest.mark.parametrize(
    ("segment", "at_least"),
    [
        (("household", "homeworker"), 20),
        (("household", "nanobusiness"), 5),
        (("sme", "growing"), 1),
        (("subscriber", "churn_risk"), 20),
        (("subscriber", "travelling"), 20),
    ],
)
def test_segments_are_the_truth(out: Path, segment: tuple[str, str], at_least: int) -> None:
    end = datetime.fromisoformat(json.loads((out / "signals" / "simulated.json").read_text("utf-8"))["end"])
    (found,) = recognised(out / "signals" / "truth", out / "run", [segment], end).values()
    assert found.true >= at_least
    assert found.precision is not None
    assert found.precision >= 0.9
    assert found.recall is not None
    assert found.recall >= 0.9


def test_offers_say_that_they_are_simulated(out: Path) -> None:
    assert pl.read_parquet(out / "run" / "decisions.parquet")["mode"].unique().to_list() == ["simulated"]


def test_a_second_demo_replaces_the_first(tmp_path: Path) -> None:
    first, second = (demo(tmp_path, subscribers=100, days=2) for _ in range(2))
    assert first == second


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "signals").mkdir()
    (tmp_path / "signals" / "mine.parquet").touch()
    with pytest.raises(FileExistsError, match="name a new folder for the simulated town"):
        demo(tmp_path, subscribers=100, days=2)


def test_the_playbook_is_there() -> None:
    assert PLAYBOOK.is_file()
