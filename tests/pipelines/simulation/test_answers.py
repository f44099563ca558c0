"""Tests of what becomes of offers."""

import polars as pl
import pytest

from pipelines.simulation.answers import ANY_OTHER, CHANNELS, LATE, OWN, answers_to
from pipelines.simulation.calendar import DAY_MS, HOUR_MS

COUNT = 20_000
END = 60 * DAY_MS


def offers(
    count: int = COUNT, channel: str = "app", withdrawn: int | None = None, valid_for: int = DAY_MS
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "decision_id": [f"{number:032x}" for number in range(count)],
            "recipient": [f"sim-s{number % 500:06d}" for number in range(count)],
            **dict.fromkeys(("offer", "family", "message"), "x"),
            "channel": channel,
            "tick": pl.Series([DAY_MS + number * 60_000 for number in range(count)], dtype=pl.Int64) % (30 * DAY_MS),
        },
        schema_overrides={"decision_id": pl.String, "recipient": pl.String},
    ).with_columns(
        valid_until=pl.col("tick") + valid_for,
        withdrawn=pl.lit(None, pl.Int64) if withdrawn is None else pl.col("tick") + withdrawn,
    )


def answers(made: pl.DataFrame, p_accept: float = 0.3, p_reject: float = 0.2, seed: int = 1) -> dict[str, pl.DataFrame]:
    chances = made.select(p_accept=pl.lit(p_accept), p_reject=pl.lit(p_reject))
    return answers_to(made, chances, seed, END)


def said_by(found: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return what people say, without what becomes of it."""
    return found["outcome"].filter(pl.col("result") != "fulfilled")


@pytest.mark.parametrize("channel", [*CHANNELS, "pigeon"])
def test_contacts_fail_as_often_as_the_channel_does(channel: str) -> None:
    made = offers(channel=channel, valid_for=14 * DAY_MS)
    contacts = answers(made)["contact"]
    works = CHANNELS.get(channel, ANY_OTHER)
    counts = dict(contacts["state"].value_counts().iter_rows())
    assert counts["sent"] == COUNT == counts["failed"] + counts["delivered"]
    assert counts["failed"] / COUNT == pytest.approx(works.fails, abs=0.01)
    assert contacts.filter(state="failed")["reason"].unique().to_list() == [works.reason]
    assert contacts.filter(pl.col("state") != "failed")["reason"].null_count() == len(contacts) - counts["failed"]
    assert counts["seen"] / counts["delivered"] == pytest.approx(0.5 + 0.5 * works.seen, abs=0.01)


def test_on_own_channels_only_who_comes_is_reported() -> None:
    found = answers(offers(channel="inbound"))
    contacts, said = found["contact"], said_by(found)
    assert set(contacts["state"]) == {"delivered", "seen"}
    came = contacts.filter(state="delivered")
    assert len(came) / COUNT == pytest.approx(1 - OWN.fails, abs=0.01)
    assert set(said["decision_id"]) == set(came["decision_id"])
    assert (said["result"] == "accepted").mean() == pytest.approx(0.3, abs=0.02)
    hours = (offers().join(came, on="decision_id")["time"] - offers().join(came, on="decision_id")["tick"]) / HOUR_MS
    assert hours.mean() == pytest.approx(12, abs=0.5)


def test_people_say_what_is_true_of_them() -> None:
    found = answers(offers())
    reached = found["contact"].filter(state="delivered")
    said = said_by(found)
    assert sorted(said["decision_id"]) == sorted(reached["decision_id"])
    shares = {name: count / len(said) for name, count in said["result"].value_counts().iter_rows()}
    assert shares == pytest.approx({"accepted": 0.3, "rejected": 0.2, "ignored": 0.5}, abs=0.01)


def test_times_follow_one_another() -> None:
    made = offers()
    found = answers(made)
    states = found["contact"].pivot(on="state", index="decision_id", values="time")
    said = made.join(states, on="decision_id").join(
        said_by(found).rename({"time": "said"}), on="decision_id", how="left"
    )
    assert (said["tick"] < said["sent"]).all()
    assert (said["sent"] < said["delivered"]).drop_nulls().all()
    assert (said["sent"] < said["failed"]).drop_nulls().all()
    assert (said["delivered"] <= said["seen"]).drop_nulls().all()
    answered = said.filter(pl.col("result").is_in(["accepted", "rejected"]))
    assert (answered["seen"] <= answered["said"]).all()
    assert (answered["said"] < answered["valid_until"]).all()
    assert (answered["said"] - answered["delivered"]).median() < 3 * HOUR_MS
    ignored = said.filter(result="ignored")
    assert (ignored["said"] == ignored["valid_until"]).all()
    for signals in found.values():
        assert signals["time"].is_sorted()
        assert not signals["id"].is_duplicated().any()


def test_an_offer_is_answered_in_the_same_way_whatever_else_is_offered() -> None:
    every, some = answers(offers()), answers(offers().sample(100, seed=1))
    for name in every:
        mine = every[name].join(some[name].select("decision_id").unique(), on="decision_id", how="semi")
        assert mine.equals(some[name])
    assert not answers(offers(), seed=2)["outcome"].equals(every["outcome"])


def test_what_is_withdrawn_is_answered_no_more() -> None:
    found = answers(offers(withdrawn=HOUR_MS))
    assert set(said_by(found)["result"]) == {"accepted", "rejected"}
    both = said_by(found).join(offers().select("decision_id", "tick"), on="decision_id")
    assert (both["time"] < both["tick"] + HOUR_MS).all()


def test_what_is_accepted_is_fulfilled_soon_or_late() -> None:
    said = answers(offers())["outcome"].pivot(on="result", index="decision_id", values="time")
    assert said["accepted"].null_count() == said["fulfilled"].null_count()
    days = ((said["fulfilled"] - said["accepted"]) / DAY_MS).drop_nulls()
    assert days.min() >= 0
    assert (days > 4).mean() == pytest.approx(LATE * 0.8, abs=0.01)
    assert days.median() == pytest.approx(2.2, abs=0.1)


def test_what_comes_when_the_offer_has_lapsed_fails() -> None:
    contacts = answers(offers(channel="account_manager", valid_for=HOUR_MS))["contact"]
    assert contacts.filter(state="delivered").join(offers(), on="decision_id").height > 1_000
    lapsed = contacts.filter(reason="lapsed").join(offers(valid_for=HOUR_MS), on="decision_id")
    assert lapsed.height > 1_000
    assert (lapsed["time"] >= lapsed["valid_until"]).all()


def test_nothing_happens_after_the_end() -> None:
    made = offers(valid_for=14 * DAY_MS)
    end = int(made["tick"].median())
    found = answers_to(made, made.select(p_accept=pl.lit(0.3), p_reject=pl.lit(0.2)), 1, end)
    assert all(signals["time"].max() < end for signals in found.values())


def test_no_offers_no_answers() -> None:
    assert {name: len(signals) for name, signals in answers(offers(0)).items()} == {"contact": 0, "outcome": 0}
