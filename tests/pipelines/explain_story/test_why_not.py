"""Why an offer was not made: what held it up, what goes before it, what its triggers wait for."""

from typing import Any

import pytest

from pipelines.explain_story.books import Books
from pipelines.explain_story.gates import Known
from pipelines.explain_story.why_not import Asked, UnknownOfferError, why_not_lines
from schemas.playbook_file import parse_playbook
from tests.pipelines.explain_story.rows import NOON, candidate, decision, gate, sent

BOOK = parse_playbook(
    """\
playbook: small
signals: [balance, membership]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  segments: {poor: {enter: left_mb < 100}}
  moments: {running_out: {when: left_mb < 500}}
household:
  features: {mb: {sum: remaining_mb, from: balance, window: 1h}}
  moments: {busy: {when: mb > 5}}
offers:
  topup: {for: [subscriber.running_out, subscriber.poor], family: f, owner: us, value: 1, send: [app], valid_for: 1d}
  exit:  {for: subscriber.poor.exited, family: f, owner: us, value: 1, send: [app], valid_for: 1d}
  home:  {for: household.busy, family: f, owner: us, value: 1, send: [app], valid_for: 1d}
priors: {f: 0.1}
"""
)
BOOKS = Books({"0": BOOK}, [{"hash": "0", "effective_from": None}])
LATEST = {"tick": NOON, "context": {"left_mb": 700.0}, "segments": []}
SHUT = gate("channel", "no_channel")


def _lines(
    offer: str,
    *decisions: dict[str, Any],
    happened: tuple[dict[str, Any], ...] = (),
    books: Books = BOOKS,
    groups: dict[str, Any] | None = None,
) -> list[str]:
    known = {row["decision_id"]: Known(row, [], books.by_hash.get("0")) for row in decisions}
    latest = {"subscriber/ann": LATEST, **(groups or {})}
    asked = Asked("subscriber/ann", offer, "9999", decisions, known, books, latest, {"subscriber/ann": happened})
    return [*why_not_lines("subscriber/ann", asked.answer())]


def _entered(event: str, *, late: bool) -> dict[str, Any]:
    return {"name": "poor", "event": event, "tick": NOON, "late": late, "evidence": {}}


NEVER = "  never fired: subscriber.poor: left_mb < 100: left_mb = 700 at 2026-03-02T12:00:00.000Z"
FIRED = f"  {NOON}  subscriber.running_out"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            [decision(candidate("topup", SHUT), reason="no_channel")],
            [
                f"{FIRED}: no offer: no_channel",
                "    topup by app",
                "      channel  blocked  the channel is not among the recipient's `profile.channels`",
            ],
        ),
        (
            [sent("home", NOON, candidates=[candidate("home", gate("moved")), candidate("topup", gate("moved"))])],
            [
                f"{FIRED}: home by app, value 0.8, until 2026-03-09T00:00:00.000Z",
                "    topup passed every gate, and home goes before it",
            ],
        ),
        (
            [decision(candidate("topup", SHUT), action="outranked", went_out=["home of household/h"])],
            [
                f"{FIRED}: outranked; at that tick went out home of household/h",
                "    topup by app",
                "      channel  blocked  the channel is not among the recipient's `profile.channels`",
            ],
        ),
        (
            [decision(reason="no_recipient", recipient=None, recipient_kind=None)],
            [
                f"{FIRED} (of subscriber/ann, to nobody): no offer: no_recipient "
                "(the group has no member whom it could go to)"
            ],
        ),
        ([decision(trigger="subscriber.other")], [NEVER.replace("poor", "running_out").replace("< 100", "< 500")]),
    ],
)
def test_each_decision_is_told(rows: list[dict[str, Any]], lines: list[str]) -> None:
    assert _lines("topup", *rows) == ["why not topup", *lines, NEVER]


@pytest.mark.parametrize(
    ("offer", "happened", "told"),
    [
        ("topup", _entered("entered", late=True), "  {}  subscriber.poor entered, late, which is only recorded"),
        (
            "exit",
            _entered("exited", late=False),
            "  {}  subscriber.poor.exited exited, which made no trigger: see `on_start`, `on_late`",
        ),
        (
            "exit",
            _entered("entered", late=False),
            "  never fired: subscriber.poor.exited: a member, and NOT (left_mb < 100): left_mb = 700 at {}",
        ),
    ],
)
def test_what_happened_without_a_trigger_is_told(offer: str, happened: dict[str, Any], told: str) -> None:
    assert _lines(offer, happened=(happened,))[-1] == told.format(NOON)


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({}, "  never fired, as far as is known: household.busy: mb > 5"),
        ({"household/h": None}, "  never fired: household.busy of household/h: mb > 5: no context was written yet"),
        (
            {"household/h": {"tick": NOON, "context": {"mb": 3}, "segments": None}},
            f"  never fired: household.busy of household/h: mb > 5: mb = 3 at {NOON}",
        ),
    ],
)
def test_triggers_of_groups(groups: dict[str, Any], told: str) -> None:
    assert _lines("home", groups=groups)[1] == told


def test_what_a_later_version_no_longer_has_is_told_as_far_as_it_goes() -> None:
    lines = _lines("old", decision(candidate("old", SHUT), reason="no_channel"))
    assert lines[-1].endswith("version 1 of the playbook has no such offer")


def test_who_asks_for_what_is_not_there_is_told() -> None:
    with pytest.raises(UnknownOfferError, match="did you mean `topup`"):
        _lines("topop")
    with pytest.raises(UnknownOfferError, match="it is gone; give the playbook with `--playbook FILE`"):
        _lines("topup", books=Books({}, [], "it is gone"))


def test_the_version_of_the_time_is_asked() -> None:
    told = [{"hash": "0", "effective_from": None}, {"hash": "1", "effective_from": NOON}]
    books = Books({"0": BOOK}, told)
    assert books.at("2026-03-01T00:00:00.000Z") is BOOK
    assert books.at(NOON) is None


def test_which_signals_came_is_in_no_output() -> None:
    silent = {"trigger": "subscriber.gone", "answered": 0, "of": "subscriber/ann", "happened": [], "at": NOON}
    silent |= {"asks": "after order, without order, within 30m", "read": None}
    lines = why_not_lines("subscriber/ann", {"offer": "o", "decisions": [], "triggers": [silent], "unknown": None})
    assert [*lines][-1] == "    which of these signals came is in no output"
