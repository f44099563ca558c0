"""Tests of a run's summary."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.summary import summary

START = datetime(2026, 3, 2, tzinfo=UTC)


def write(
    folder: Path, transitions: list[tuple[str, str, str, str]], decisions: list[tuple[object, ...]], **of_more: object
) -> None:
    columns = ["subject", "kind", "name", "event"]
    events = pl.DataFrame(transitions, schema=dict.fromkeys(columns, pl.String), orient="row")
    kind = pl.when(pl.col("subject").str.starts_with("house")).then(pl.lit("household")).otherwise(pl.lit("subscriber"))
    events.with_columns(subject_kind=kind).write_parquet(folder / "transitions.parquet")
    schema = {
        "recipient": pl.String,
        "tick": pl.Datetime("ms", "UTC"),
        "action": pl.String,
        "offer": pl.String,
        "value_micros": pl.Int64,
        "reason": pl.String,
    }
    numbers = pl.int_range(pl.len()).cast(pl.String)
    more = {
        "decision_id": numbers,
        "n": 0,
        "holdout": None,
        "root": pl.col("recipient"),
        "subject": pl.col("recipient"),
    }
    given = {name: values for name, values in more.items() if name not in of_more} | of_more
    written = pl.DataFrame(decisions, schema=schema, orient="row").with_columns(
        subject_kind=pl.lit("subscriber"), trigger=pl.lit("subscriber.burst"), trigger_tick="tick", **given
    )
    written.cast({"holdout": pl.String}).write_parquet(folder / "decisions.parquet")


def test_tells_what_happened(tmp_path: Path) -> None:
    write(
        tmp_path,
        [
            ("a", "segment", "churn_risk", "entered"),
            ("b", "segment", "churn_risk", "entered"),
            ("a", "segment", "churn_risk", "exited"),
            *[("a", "moment", "running_out", "fired")] * 1_200,
        ],
        [
            ("a", START, "offer", "topup", 2_400_000, None),
            ("b", START, "offer", "topup", 1_000_000, None),
            ("b", START + timedelta(days=2), "offer", "call", 9_000_000, None),
            ("b", START + timedelta(days=2), "outranked", None, None, None),
            ("a", START + timedelta(days=2), "no_offer", None, None, "cooldown"),
            ("a", START + timedelta(days=3), "no_offer", None, None, "cooldown"),
        ],
    )
    assert summary(tmp_path) == (
        "segment       entered  exited  members at the end\n"
        "  churn_risk        2       1                   1\n"
        "\n"
        "moment         fired  of so many\n"
        "  running_out  1,200           1\n"
        "\n"
        "offer    sent  to so many  expected value\n"
        "  call      1           1               9\n"
        "  topup     2           2               3\n"
        "\n"
        "offers by day (UTC), 2026-03-02 to 2026-03-04, 2 at most\n"
        "  █ ▄\n"
        "\n"
        "no offer, because  decisions\n"
        "  cooldown                 2\n"
        "  outranked                1\n"
    )


def test_what_lapsed_on_own_channels_is_sent_and_worth_nothing(tmp_path: Path) -> None:
    shown = ("a", START, "offer", "call", 9_000_000, None)
    lapsed = ("a", START + timedelta(hours=4), "withdrawn", "call", 9_000_000, "expired")
    pushed = ("a", START + timedelta(hours=4), "offer", "call", 9_000_000, None)
    write(tmp_path, [], [shown, lapsed, pushed], decision_id=pl.Series(["0", "0", "1"]))
    assert "  call     2           1               9\n" in summary(tmp_path)


def test_tells_what_waited_was_held_out_and_was_withdrawn(tmp_path: Path) -> None:
    write(
        tmp_path,
        [],
        [
            ("a", START, "deferred", None, None, "quiet"),
            ("a", START, "offer", "topup", 1_000_000, None),
            ("b", START, "deferred", None, None, "quiet"),
            ("b", START, "no_offer", None, None, "segment_exited"),
            ("c", START, "deferred", None, None, "paused"),
            ("d", START, "holdout", "topup", 2_000_000, None),
            ("d", START + timedelta(days=1), "holdout", "topup", 1_000_000, None),
            ("a", START + timedelta(days=1), "withdrawn", "topup", None, "no_consent"),
        ],
        n=pl.Series([0, 1, 0, 1, 0, 0, 0, 0]),
        holdout=pl.Series([None] * 5 + ["global"] * 2 + [None], dtype=pl.String),
    )
    assert summary(tmp_path).partition("no offer, because")[2].partition("\n\n")[2] == (
        "deferred, because  decisions  then sent\n"
        "  quiet                    2          1\n"
        "  paused                   1          0\n"
        "\n"
        "held out by  decisions  of so many  expected value\n"
        "  global             2           1               3\n"
        "\n"
        "withdrawn, because  decisions\n"
        "  no_consent                1\n"
    )


def test_what_is_held_out_on_own_channels_and_again_is_worth_what_it_is_once(tmp_path: Path) -> None:
    held = [("a", START, "holdout", "topup", 2_000_000, None), ("a", START, "holdout", "topup", 1_000_000, None)]
    held += [("b", START, "holdout", "topup", 4_000_000, None), ("b", START, "no_offer", None, None, "came_in")]
    write(tmp_path, [], held, n=pl.Series([0, 1, 0, 1]), holdout=pl.Series(["global"] * 3 + [None]))
    assert "\n  global             3           2               5\n" in summary(tmp_path)


def test_nothing_happened(tmp_path: Path) -> None:
    write(tmp_path, [], [])
    assert summary(tmp_path) == "no offers\n"


def test_many_days_are_told_by_week(tmp_path: Path) -> None:
    days = [START + timedelta(days=day) for day in range(77)]
    write(tmp_path, [], [("a", day, "offer", "topup", 1_000_000, None) for day in days])
    assert "offers by week (UTC), 2026-03-02 to 2026-05-11, 7 at most\n  ███████████\n" in summary(tmp_path)


def test_levels_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, [("a", "segment", "busy", "entered"), ("house", "segment", "busy", "entered")], [])
    lines = [line.split() for line in summary(tmp_path).splitlines()]
    assert [line for line in lines if line and "busy" in line[0]] == [
        ["busy", "1", "0", "1"],
        ["household.busy", "1", "0", "1"],
    ]
