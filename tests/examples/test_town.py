"""The town's playbook finds who is there, in a town that it was not written on."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.demo import PLAYBOOK, demo


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    told = demo(folder, seed=11, subscribers=600)
    assert "Nothing in it is real." in told
    assert "precision" in told
    return folder


@pytest.mark.parametrize(
    ("segment", "what"),
    [("home_worker", "homeworker"), ("home_seller", "nanobusiness"), ("churn_risk", "leaving")],
)
def test_segments_are_the_truth(out: Path, segment: str, what: str) -> None:
    entered = pl.read_parquet(out / "run" / "transitions.parquet").filter(
        (pl.col("name") == segment) & (pl.col("event") == "entered")
    )
    people = pl.read_parquet(out / "signals" / "truth" / "subscribers.parquet")
    found = set(entered["subject"])
    true = set(people.filter(pl.col(f"{what}_from").is_not_null())["subscriber"])
    assert len(found & true) >= 0.9 * len(found)
    assert len(found & true) >= 0.9 * len(true)
    assert len(true) > 5


def test_offers_say_that_they_are_simulated(out: Path) -> None:
    assert pl.read_parquet(out / "run" / "decisions.parquet")["mode"].unique().to_list() == ["simulated"]


def test_a_second_demo_replaces_the_first(tmp_path: Path) -> None:
    first, second = (demo(tmp_path, subscribers=100, days=2) for _ in range(2))
    assert first == second


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "signals").mkdir()
    (tmp_path / "signals" / "mine.parquet").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        demo(tmp_path, subscribers=100, days=2)


def test_the_playbook_is_there() -> None:
    assert PLAYBOOK.is_file()
