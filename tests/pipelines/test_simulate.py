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
from pipelines.simulation.place import ABOUT, TRUTH
from schemas.contracts import contract
from schemas.playbook_file import load_playbook
from tests.reference.records import ms
from transforms.shell.pseudonym_key import KEY_VARIABLE

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
    assert len(files) == len(SIGNALS) + len(TRUTH) + 1
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
            instants = {name: pl.Datetime("ms", "UTC") for name in ("time", "valid_until") if name in expected.columns}
            found = pl.DataFrame(list(fastavro.reader(avro)), schema=expected.schema | instants)
            assert found.cast(expected.schema).equals(expected)
        assert pl.read_ndjson(towns["jsonl"].files[signal], schema=schema).equals(text), signal
        assert pl.read_csv(towns["csv"].files[signal], schema=schema).equals(text)


def test_a_run_reads_every_format_as_it_is(
    towns: dict[str, Simulated], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
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
    assert signals["id"].str.starts_with("sim-").all()
    assert (signals["subject"].str.starts_with("sim-") | (signals["subject"] == "*")).all()
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


def entry(town: Simulated, signal: str, subject: str) -> pl.DataFrame:
    return table(town, signal).filter(pl.col("subject") == subject).unique("id").sort("time", "state")


def test_who_moves_leaves_one_household_and_joins_another_of_its_own(town: Simulated) -> None:
    moves = truth(town, "moves")
    assert len(moves) > 3
    first = truth(town, "subscribers").join(moves, on="subscriber")
    assert (first["household"] == first["household_before"]).all()
    assert moves["household"].is_unique().all()
    for move in moves.iter_rows(named=True):
        told = entry(town, "membership", move["subscriber"]).filter(pl.col("time") == move["moved_from"])
        assert told.select("state", "group").rows() == [
            ("joined", move["household"]),
            ("left", move["household_before"]),
        ]


def test_visitors_look_around_before_they_are_known(town: Simulated) -> None:
    visitors = truth(town, "visitors")
    looks = table(town, "web").join(visitors, left_on="subject", right_on="visitor")
    before = looks["time"] < looks["identified_from"]
    assert len(visitors) > 3
    assert 0.2 < before.mean() < 0.9
    for visitor in visitors.iter_rows(named=True):
        assert entry(town, "membership", visitor["visitor"])["group"].to_list() == [visitor["household"]]
    homes = truth(town, "subscribers").select("subscriber", "household")
    assert visitors.join(homes, on=["subscriber", "household"]).height == len(visitors)


def test_travellers_roam_and_leave_the_line_at_home_alone(town: Simulated) -> None:
    people = truth(town, "subscribers").filter(pl.col("travelling_from").is_not_null())
    usage = table(town, "usage").join(people, left_on="subject", right_on="subscriber")
    away = (pl.col("time") >= pl.col("travelling_from")) & (
        pl.col("travelling_until").is_null() | (pl.col("time") < pl.col("travelling_until"))
    )
    assert usage.filter(away).select(pl.col("roaming").all(), (pl.col("network") != "fixed").all()).row(0) == (
        True,
        True,
    )
    assert usage.filter(away).height > 50
    assert not usage.filter(~away)["roaming"].any()
    assert table(town, "usage").join(people, left_on="subject", right_on="subscriber", how="anti")["roaming"].sum() == 0


def test_an_order_is_abandoned_if_nothing_follows(town: Simulated) -> None:
    ended = table(town, "order").filter(pl.col("state").is_in(["completed", "cancelled"]))
    orders = truth(town, "orders").filter(pl.col("started_from") < town.end - timedelta(hours=2))
    assert orders["abandoned"].mean() == pytest.approx(0.25, abs=0.1)
    assert not orders.filter("abandoned")["order_id"].is_in(ended["order_id"].implode()).any()
    assert orders.filter(~pl.col("abandoned"))["order_id"].is_in(ended["order_id"].implode()).all()


def test_contracts_are_renewed_and_people_ask_to_be_forgotten(tmp_path: Path) -> None:
    town = simulate(tmp_path / "out", seed=3, subscribers=800, days=20)
    people = truth(town, "subscribers")
    for signal, since in (("profile", "renewed_from"), ("erasure", "erased_from")):
        told = table(town, signal).filter(pl.col("subject_kind") == "subscriber").unique("id")
        true = people.select("subscriber", time=since).drop_nulls()
        assert len(true) > 2
        assert told.join(true, left_on=["subject", "time"], right_on=["subscriber", "time"]).height == len(true)
    assert len(table(town, "erasure").unique("id")) == people["erased_from"].count()


def test_those_who_leave_look_at_the_way_out_first(town: Simulated) -> None:
    leavers = truth(town, "subscribers").filter(pl.col("leaving_from").is_not_null())
    pages = table(town, "web").filter(pl.col("page").is_in(["porting", "cancel", "notice"]))
    assert pages["subject"].is_in(leavers["subscriber"].implode()).mean() > 0.8


def test_outcomes_follow_contacts(town: Simulated) -> None:
    contacts = table(town, "contact").filter(pl.col("state") == "delivered").unique("id")
    outcomes = table(town, "outcome").unique("id").sort("time")
    known = outcomes.join_asof(contacts.sort("time"), on="time", by=["subject", "offer"], suffix="_contact")
    assert known["id_contact"].null_count() == 0
    assert set(outcomes["result"]) <= {"accepted", "declined", "ignored", "complained"}


def test_what_is_paused_is_resumed(town: Simulated) -> None:
    control = table(town, "control").unique("id").sort("time")
    assert control["subject"].unique().to_list() == ["*"]
    for scope, hours in (("channel", 24), ("family", 24), ("everything", 2)):
        mine = control.filter(pl.col("scope") == scope)
        assert mine["action"].to_list() == ["pause", "resume"]
        assert mine["target"].n_unique() == 1
        assert mine["time"].to_list()[1] - mine["time"].to_list()[0] == timedelta(hours=hours)


def test_tickets_have_a_severity_and_are_closed_once(town: Simulated) -> None:
    tickets = table(town, "ticket").unique("id").sort("ticket_id", "time")
    assert tickets["severity"].null_count() == 0
    assert set(tickets["severity"]) == {1, 2, 3, 4}
    of_each = tickets.group_by("ticket_id").agg(
        "state", pl.col("severity", "subject").n_unique(), pl.col("time").last()
    )
    assert of_each.select((pl.col("severity", "subject") == 1).all()).row(0) == (True, True)
    assert {tuple(states) for states in of_each["state"]} == {("open", "closed"), ("open",)}
    still_open = of_each.filter(pl.col("state").list.len() == 1)
    assert len(still_open) < 0.3 * len(of_each)


def test_traits_are_true_of_people(town: Simulated) -> None:
    traits, people = truth(town, "traits"), truth(town, "subscribers")
    assert traits.join(people, on="subscriber", how="anti").is_empty()
    for trait in ("leaving", "homeworker", "nanobusiness", "travelling", "fibre_curious"):
        mine = people.drop_nulls(f"{trait}_from").select("subscriber", trait_from=f"{trait}_from")
        expected = mine.sort("subscriber")
        assert traits.filter(trait=trait).select("subscriber", "trait_from").equals(expected)
    assert set(truth(town, "acceptance")["trait"].drop_nulls()) == set(traits["trait"])


def test_disorder_is_later_than_grace_and_nothing_else(tmp_path: Path) -> None:
    calm, wild = (simulate(tmp_path / str(share), subscribers=100, days=4, disorder=share) for share in (0.0, 0.1))
    late = truth(wild, "late")
    assert truth(calm, "late").is_empty()
    assert (late["arrives"] - late["time"]).min() >= timedelta(minutes=2)
    assert timedelta(hours=20) < (late["arrives"] - late["time"]).max() < timedelta(hours=31)
    for signal in SIGNALS:
        expected, found = (table(one, signal).unique("id").sort("id") for one in (calm, wild))
        assert found.equals(expected), signal
    usage, copies = table(wild, "usage"), late.filter(pl.col("signal") == "usage")
    assert 0.15 * len(usage) < len(copies) < 0.25 * len(usage)
    assert usage["id"].is_duplicated().mean() == pytest.approx(0.2, abs=0.05)
    behind = usage.select(pl.col("time").cum_max() - pl.col("time")).to_series()
    assert behind.max() > timedelta(hours=12)


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


def test_another_town_gives_way_and_nothing_else(tmp_path: Path) -> None:
    out = simulate(tmp_path / "town", subscribers=100, days=1).out_dir
    again = simulate(out, subscribers=100, days=1, seed=2, file_format="jsonl", replace=True)
    assert {path.suffix for path in out.iterdir()} == {".jsonl", ".json", ""}
    assert json.loads((out / ABOUT).read_text())["seed"] == 2
    for mine in (out / "truth" / "mine.parquet", out / "notes.txt"):
        mine.write_text("mine")
        with pytest.raises(FileExistsError, match=f"holds `{mine.relative_to(out)}`"):
            simulate(out, subscribers=100, days=1, replace=True)
        mine.unlink()
    assert again.files["usage"].exists()
    assert [path.name for path in tmp_path.iterdir()] == ["town"]


def test_the_folder_that_one_is_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileExistsError, match=r"\. is the folder that you are in"):
        simulate(Path(), subscribers=100, days=1)


def test_disorder_is_a_share(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        simulate(tmp_path / "out", subscribers=100, days=1, disorder=2)


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
