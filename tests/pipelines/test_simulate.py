"""Tests of the simulated town as a whole: what a playbook's author relies on."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fastavro
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.demo import PLAYBOOK
from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.simulate import SIGNALS, Simulated, simulate
from schemas.contracts import contract
from schemas.playbook_file import load_playbook
from tests.reference.records import ms

FORMATS = ("parquet", "avro", "jsonl", "csv")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(tmp_path_factory.mktemp("town") / "out", seed=3, subscribers=400, days=16)


def table(town: Simulated, signal: str) -> pl.DataFrame:
    return pl.read_parquet(town.files[signal])


def truth(town: Simulated, name: str) -> pl.DataFrame:
    return pl.read_parquet(town.out_dir / "truth" / f"{name}.parquet")


@pytest.mark.parametrize("file_format", FORMATS)
def test_same_arguments_same_bytes(tmp_path: Path, file_format: str) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        simulate(folder, subscribers=100, days=2, file_format=file_format)
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*.*"))
    assert len(files) == len(SIGNALS) + 4
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file


def test_another_seed_is_another_town(tmp_path: Path) -> None:
    usage = [simulate(tmp_path / str(seed), seed=seed, subscribers=100, days=1).files["usage"] for seed in (1, 2)]
    assert not pl.read_parquet(usage[0]).equals(pl.read_parquet(usage[1]))


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Simulated]:
    folder = tmp_path_factory.mktemp("towns")
    return {name: simulate(folder / name, subscribers=100, days=2, file_format=name) for name in FORMATS}


def test_formats_hold_the_same_signals(towns: dict[str, Simulated]) -> None:
    for signal in SIGNALS:
        expected = pl.read_parquet(towns["parquet"].files[signal])
        text = expected.with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
        schema = text.schema
        with towns["avro"].files[signal].open("rb") as avro:
            assert pl.DataFrame(list(fastavro.reader(avro)), schema=expected.schema).equals(expected)
        assert pl.read_ndjson(towns["jsonl"].files[signal], schema=schema).equals(text), signal
        assert pl.read_csv(towns["csv"].files[signal], schema=schema).equals(text)


def test_a_run_reads_every_format_as_it_is(towns: dict[str, Simulated], tmp_path: Path) -> None:
    signals = load_playbook(PLAYBOOK).signals
    for name, town in towns.items():
        feeds = tuple((signal, str(town.files[signal])) for signal in signals)
        settings = RunSettings(playbook=str(PLAYBOOK), signals=feeds, out=str(tmp_path / name), as_of=ms(town.end))
        assert run(settings).signals["rejected"] == 0
    decisions = {name: (tmp_path / name / "decisions.jsonl").read_bytes() for name in towns}
    assert decisions["parquet"].count(b"\n") > 10
    assert len(set(decisions.values())) == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_signals_keep_their_contract(town: Simulated, signal: str) -> None:
    signals = table(town, signal)
    assert signals.columns == contract(signal).arrow_schema().names
    assert town.counts[signal] == len(signals) > 0
    for field in contract(signal).fields:
        column = signals[field.name].to_physical() if field.name == "time" else signals[field.name]
        assert not (field.required and column.has_nulls()), field.name
        assert field.min is None or column.drop_nulls().is_empty() or column.min() >= field.min, field.name
        assert field.max is None or column.drop_nulls().is_empty() or column.max() <= field.max, field.name


@pytest.mark.parametrize("signal", SIGNALS)
def test_everything_says_that_it_is_simulated(town: Simulated, signal: str) -> None:
    signals = table(town, signal)
    assert pq.read_schema(town.files[signal]).metadata[b"simulated"] == b"true"
    assert signals["source"].unique().to_list() == ["simulated"]
    assert signals.select(pl.col("id", "subject").str.starts_with("sim-").all()).row(0) == (True, True)
    assert json.loads((town.out_dir / "simulated.json").read_text())["simulated"] is True


def test_arrival_is_a_little_disordered_within_grace(town: Simulated) -> None:
    usage = table(town, "usage")
    behind = usage.select(pl.col("time").cum_max() - pl.col("time")).to_series()
    assert timedelta(0) < behind.max() < timedelta(minutes=2)
    copies = len(usage) - usage["id"].n_unique()
    assert 0 < copies < 0.01 * len(usage)
    assert usage.unique().height == usage["id"].n_unique(), "a copy differs from its original"


def test_nothing_happens_outside_the_days(town: Simulated) -> None:
    assert town.end == datetime(2026, 3, 17, 22, tzinfo=UTC), "16 days from 2 March, in Helsinki"
    for signal in SIGNALS:
        times = table(town, signal)["time"]
        assert times.min() >= town.end - timedelta(days=16)
        assert times.max() < town.end


def days_of(town: Simulated, *apps: str) -> pl.DataFrame:
    """Return on how many working days each subscriber used one of the apps in office hours."""
    usage = table(town, "usage").filter(pl.col("app").is_in(apps))
    local = pl.col("time").dt.convert_time_zone("Europe/Helsinki")
    office = (local.dt.weekday() <= 5) & local.dt.hour().is_between(8, 16)
    return usage.filter(office).group_by("subject").agg(local.dt.date().n_unique().alias("days"))


@pytest.mark.parametrize(
    ("apps", "what", "most_days"),
    [
        (("vpn", "conference", "office"), "homeworker", 5),
        (("payment_terminal", "seller", "ads_manager"), "nanobusiness", 9),
    ],
)
def test_truth_is_what_people_do(town: Simulated, apps: tuple[str, ...], what: str, most_days: int) -> None:
    people = (
        truth(town, "subscribers")
        .filter(pl.col("homeworker_until").is_null())
        .join(days_of(town, *apps), left_on="subscriber", right_on="subject", how="left")
    )
    since = pl.col(f"{what}_from")
    always = since <= town.end - timedelta(days=16)
    assert people.filter(always)["days"].min() >= most_days
    assert people.filter(always).height > 3
    assert people.filter(since.is_null())["days"].fill_null(0).quantile(0.95) < most_days


def test_growing_companies_add_lines(town: Simulated) -> None:
    companies = truth(town, "smes")
    grown = companies["lines_last"] / companies["lines_first"]
    growing = companies["growing_from"].is_not_null()
    assert growing.any()
    assert grown.filter(growing).min() > 1
    assert grown.filter(~growing).max() < 1.2


def test_buckets_run_down_and_are_topped_up(town: Simulated) -> None:
    balance = table(town, "balance").unique("id").sort("subject", "time", "id")
    assert balance["remaining_mb"].min() == 0
    topups = table(town, "order").filter(pl.col("product") == "topup_5gb").unique("id")
    after = topups.join(balance, on=["subject", "time"])
    assert len(after) == len(topups) > 10
    assert after["remaining_mb"].is_between(4_000, 5_000).mean() > 0.9


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="name a new folder"):
        simulate(tmp_path, subscribers=100, days=1)


@pytest.mark.parametrize(("subscribers", "days"), [(99, 1), (100, 0)])
def test_too_small_a_town_is_refused(tmp_path: Path, subscribers: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least 100 subscribers and 1 day"):
        simulate(tmp_path / "out", subscribers=subscribers, days=days)


def test_an_interruption_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def interrupt(days_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "out", subscribers=100, days=2, on_day=interrupt)
    assert not (tmp_path / "out").exists()
    assert simulate(tmp_path / "out", subscribers=100, days=1).counts["usage"] > 0
