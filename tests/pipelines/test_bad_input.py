"""Input that cannot be right, all of it beside sound neighbours: it is counted once, and they are as without it."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.report import BAD_INPUT, Report
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.durations import parse_instant
from tests.pipelines.small import MIDNIGHT
from transforms.decision.ids import decision_ids

PLAYBOOK = """\
playbook: bad
version: 1
tick: 1m
time_zone: UTC
signals: [membership, balance, consent, profile, ticket, control, contact, outcome]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  moments: {running_out: {when: left_mb < 500}}
household:
  features: {}
offers:
  topup: {for: subscriber.running_out, family: data, owner: consumer, value: 4, p_accept: 0.2, send: [app, sms],
          valid_for: 6h, cooldown: {after: 1h, after_rejection: 5h}}
  other: {for: subscriber.running_out, family: extra, owner: consumer, value: 3, p_accept: 0.2, send: [sms],
          valid_for: 6h, cooldown: 1h}
policy:
  caps: [{per: subscriber, max: 3, in: day}]
  quiet: {sms: "22:00-06:00"}
  no_sales_while: {ticket: "state <> 'closed'"}
"""
HOUR, MINUTE = 3_600_000, 60_000
AS_OF = "2026-03-03T00:00:00+00:00"
SOUND = ("ann", "ben", "cat", "dan")
"""Ann has what is usual; ben is paused, cat is in another zone, dan is reached by sms alone."""

Rows = list[tuple[str, dict[str, Any]]]


def row(signal: str, hour: float, subject: str, **payload: Any) -> tuple[str, dict[str, Any]]:
    """Return a signal of the day at an hour, its id of what it says."""
    time = MIDNIGHT + int(hour * HOUR)
    return signal, {"id": f"{signal} {hour} {payload}", "time": time, "subject": subject, **payload}


def consent(subject: str, **payload: Any) -> tuple[str, dict[str, Any]]:
    """Return a consent before all else."""
    return row("consent", 1, subject, **{"purpose": "marketing", "state": "granted"} | payload)


def low(subject: str) -> Rows:
    """Return what brings an offer about at 8:01, at 9:31 and at 12:01, if nothing is in the way."""
    said = [(2, 900), (8, 100), (9, 900), (9.5, 100), (11, 900), (12, 100)]
    return [row("balance", hour, subject, remaining_mb=mb) for hour, mb in said]


def pause(hour: float, subject: str, **payload: Any) -> tuple[str, dict[str, Any]]:
    """Return a pause of an offer."""
    return row("control", hour, subject, **{"action": "pause", "scope": "offer", "target": "topup"} | payload)


GOOD: Rows = [
    *(each for subject in SOUND for each in (consent(subject), *low(subject))),
    pause(3, "ben"),
    row("profile", 3, "cat", zone="Asia/Tokyo", channels="app sms"),
    row("profile", 3, "dan", channels="sms"),
]


def played(directory: Path, rows: Rows, shards: int = 2) -> tuple[Report, pl.DataFrame]:
    """Return the report and the decisions of a run."""
    directory.mkdir()
    (directory / "playbook.yaml").write_text(PLAYBOOK)
    files = defaultdict[str, list[str]](list)
    for signal, each in rows:
        files[signal].append(json.dumps(each) + "\n")
    for signal, lines in files.items():
        (directory / f"{signal}.jsonl").write_text("".join(lines))
    signals = tuple((signal, str(directory / f"{signal}.jsonl")) for signal in files)
    out, as_of = str(directory / "out"), parse_instant(AS_OF)
    settings = RunSettings(
        playbook=str(directory / "playbook.yaml"),
        signals=signals,
        out=out,
        shards=shards,
        as_of=as_of,
        max_ahead=0,
        until=parse_instant("2026-03-02T20:00:00+00:00"),
    )
    return run(settings), pl.read_parquet(f"{out}/decisions.parquet")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Return the decisions of sound input."""
    report, decisions = played(tmp_path_factory.mktemp("sound") / "run", GOOD)
    assert set(report.bad_input.values()) == {0}
    assert report.rejected == 0
    assert not [line for line in report.summary().splitlines() if "; " in line]
    return decisions


def offers(decisions: pl.DataFrame, subject: str) -> list[tuple[str, str]]:
    """Return when a subject got which offer."""
    mine = decisions.filter(pl.col("subject") == subject, pl.col("action") == "offer")
    return list(zip(mine["tick"].dt.strftime("%H:%M").to_list(), mine["offer"].to_list(), strict=True))


def test_the_neighbours(sound: pl.DataFrame) -> None:
    assert offers(sound, "ann") == [("08:01", "topup"), ("09:31", "topup"), ("12:01", "topup")]
    assert offers(sound, "ben") == [("08:01", "other"), ("09:31", "other"), ("12:01", "other")]
    assert offers(sound, "cat") == offers(sound, "dan") == offers(sound, "ann")


def of(decisions: pl.DataFrame, subject: str, number: int = 0) -> str:
    """Return the id of an offer that somebody got."""
    mine = decisions.filter(pl.col("subject") == subject, pl.col("action") == "offer")
    return str(mine["decision_id"][number])


def without_effect(decisions: pl.DataFrame) -> dict[str, tuple[Rows, str | None]]:
    """Return what is bad about sound subjects and changes nothing; and as what it is counted, or rejected (None)."""
    ann, far = of(decisions, "ann"), MIDNIGHT + 48 * HOUR
    unknown, control, zone = "outcome_of_unknown_decision", "control_of_unknown_name", "unknown_zone"
    late = {"id": "far", "time": far, "subject": "ann"}
    return {
        "an outcome of no decision": ([row("outcome", 9, "ann", decision_id="nobody", result="rejected")], unknown),
        "one of another's": ([row("outcome", 9, "ben", decision_id=ann, result="rejected")], unknown),
        "one before its decision": ([row("outcome", 7, "ann", decision_id=ann, result="rejected")], unknown),
        "one without a name": ([row("outcome", 9.1, "ann", decision_id="", result="rejected")], unknown),
        "an offer that is not": ([pause(4, "ann", target="top-up")], control),
        "a family that is not": ([pause(4, "*", scope="family", target="topup")], control),
        "a channel that is not": ([pause(4, "ann", scope="channel", target="App")], control),
        "an offer without a name": ([pause(4, "*", target=None)], control),
        "a scope that is not": ([pause(4, "*", scope="campaign")], control),
        "a scope in capitals": ([pause(4, "ann", scope="Offer")], control),
        "an action that is not": ([pause(4, "ann", action="stop")], control),
        "one after a pause": ([pause(4, "ben", action="resmue")], control),
        "one for all": ([pause(4, "*", action="")], None),
        "a zone of a stranger": ([row("profile", 4, "eve", zone="europe/helsinki")], zone),
        "a zone that is a place": ([row("profile", 4, "eva", zone="Europe")], zone),
        "a zone without a name": ([row("profile", 4, "evi", zone="")], zone),
        "a zone of nowhere": ([row("profile", 4, "eno", zone="../UTC")], zone),
        "a zone of a household": ([row("profile", 4, "h", subject_kind="household", zone="home")], zone),
        "a contact from the future": ([("contact", late | {"channel": "app", "state": "sent"})], None),
        "a purpose that is not": ([consent("ann", purpose="sales", state="withdrawn")], None),
        "a state that is not": ([consent("ann", state="no")], None),
        "a consent without end": ([consent("ann", state="withdrawn", valid_until=-1)], None),
        "a consent beyond all time": ([consent("ann", state="withdrawn", valid_until=2**62)], None),
        "a ticket without id": ([row("ticket", 7, "ann", state="open")], None),
        "a ticket with an empty id": ([row("ticket", 7, "ann", ticket_id="", state="open")], None),
        "a contact that failed": ([row("contact", 8.2, "ann", channel="app", state="failed")], "nothing"),
        "a consent for ages": (
            [row("consent", 1.5, "ann", purpose="marketing", state="granted", valid_until=2**47)],
            "nothing",
        ),
    }


def test_bad_input_changes_nothing_for_others_and_is_counted_once(tmp_path: Path, sound: pl.DataFrame) -> None:
    cases = without_effect(sound)
    bad = [each for rows, _ in cases.values() for each in rows]
    kinds = [kind for _, kind in cases.values()]
    report, decisions = played(tmp_path / "run", [*bad, *reversed(GOOD)], 3)
    assert decisions.drop("consents").equals(sound.drop("consents"))  # of what is said for ages the record tells
    assert report.bad_input == {name: kinds.count(name) for name in BAD_INPUT}
    assert (report.signals["rejected"], report.outputs["rejected"]) == (kinds.count(None),) * 2
    told = report.summary()
    assert "4; report each with" in told
    assert "5; write `zone` as IANA does" in told


def test_copies_are_not_counted_but_of_what_is_about_everybody(tmp_path: Path, sound: pl.DataFrame) -> None:
    cases = [each for rows, kind in without_effect(sound).values() if kind in BAD_INPUT for each in rows]
    to_all = sum(each["subject"] == "*" for _, each in cases)
    once = {name: sum(kind == name for _, kind in without_effect(sound).values()) for name in BAD_INPUT}
    report, decisions = played(tmp_path / "run", GOOD + cases + cases, 1)
    assert decisions.equals(sound)
    assert report.bad_input == once | {"control_of_unknown_name": once["control_of_unknown_name"] + to_all}
    assert report.signals["duplicates"] == len(cases) - to_all


def test_contradicting_outcomes_have_each_its_effect_and_are_counted_once(tmp_path: Path, sound: pl.DataFrame) -> None:
    first, second = of(sound, "ann"), of(sound, "cat")
    said = [
        row("outcome", 8.2, "ann", decision_id=first, result="accepted"),
        row("outcome", 8.3, "ann", decision_id=first, result="declined"),
        row("outcome", 8.4, "ann", decision_id=first, result="fulfilled"),
        row("outcome", 8.2, "cat", decision_id=second, result="accepted"),
        row("outcome", 8.3, "cat", decision_id=second, result="fulfilled"),
        row("outcome", 8.3, "cat", decision_id=second, result="whatever"),
    ]
    report, decisions = played(tmp_path / "run", GOOD + said)
    assert report.bad_input == dict.fromkeys(BAD_INPUT, 0) | {"contradicting_outcome": 1}
    assert "both as taken up and as rejected, so that both count: 1; see whose" in report.summary()
    rejected = ("09:31", "other"), ("12:01", "other")  # for five hours
    assert offers(decisions, "ann") == [("08:01", "topup"), *rejected]
    for neighbour in SOUND[1:]:
        assert offers(decisions, neighbour) == offers(sound, neighbour)


CHANNELS = {
    **dict.fromkeys(("sms", " sms", "email,sms", "email; \tsms,"), True),
    **dict.fromkeys(("SMS", "", ",", "smsapp"), False),
}


def test_channels_are_apart_by_blanks_or_as_a_list(tmp_path: Path) -> None:
    said = []
    for number, channels in enumerate(CHANNELS):
        said += [consent(f"s{number}"), *low(f"s{number}"), row("profile", 3, f"s{number}", channels=channels)]
    report, decisions = played(tmp_path / "run", said)
    assert [bool(offers(decisions, f"s{number}")) for number in range(len(CHANNELS))] == [*CHANNELS.values()]
    assert set(report.bad_input.values()) == {0}


def first_of(subject: str) -> str:
    """Return the id of what is decided about somebody at 8:01."""
    tick = MIDNIGHT + 8 * HOUR + MINUTE
    about = {"subject_kind": "subscriber", "subject": subject, "trigger": "subscriber.running_out", "own_tick": tick}
    return str(decision_ids("bad", pl.DataFrame([about | {"n": 0}]))[0])


def test_what_is_odd_about_ones_own(tmp_path: Path, sound: pl.DataFrame) -> None:
    said = [each for subject in ("eva", "eve") for each in (consent(subject), *low(subject))]
    said.append(row("profile", 3, "eve", zone="europe/helsinki"))
    moves = {"group_kind": "household", "group": "h", "state": "joined"}
    said += [consent("fay"), *low("fay"), row("membership", 10, "fay", **moves)]
    said += [row("outcome", 8.2, "fay", decision_id=first_of("fay"), result="accepted")]
    said += [row("outcome", 8.3, "fay", decision_id="nobody", result="accepted")]
    said += [row("contact", hour, "eva", channel="app", state="read aloud") for hour in (5, 6)]
    report, decisions = played(tmp_path / "run", said)
    assert decisions.filter(pl.col("subject") == "eve")["reason"].to_list() == ["unknown_zone"] * 3
    assert offers(decisions, "eva") == offers(sound, "ann")[:1]  # three a day
    assert report.bad_input == dict.fromkeys(BAD_INPUT, 0) | {"unknown_zone": 1, "outcome_of_unknown_decision": 1}


def test_everything_is_paused_whatever_else_a_control_names(tmp_path: Path, sound: pl.DataFrame) -> None:
    said = [consent("eve"), *low("eve"), pause(4, "*", scope="everything", target="all")]
    resumed = pause(8.5, "*", action="resume", scope="everything", target="")
    report, decisions = played(tmp_path / "run", [*said, resumed])
    assert offers(decisions, "eve") == offers(sound, "ann")[1:]
    assert set(report.bad_input.values()) == {0}
