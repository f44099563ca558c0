"""Gates are told with the numbers that the outputs have."""

from typing import Any

import pytest

from pipelines.explain_story.gates import Known, gate_lines
from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook
from tests.pipelines.explain_story.rows import candidate, decision, gate, sent

BOOK = """\
playbook: small
signals: [balance, order, profile, ticket, consent, membership]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  segments: {heavy: {enter: left_mb > 1000}}
  moments: {running_out: {when: left_mb < 500}}
household: {features: {left_mb: {last: remaining_mb, from: balance}}}
offers:
  topup: {for: subscriber.running_out, family: data, owner: us, value: 4 + left_mb, send: [app, sms], valid_for: 6h,
          eligible: left_mb > 100 AND NOT heavy, cooldown: {after: 3d, after_rejection: 30d}, share: 20% per 7d,
          goal: {order: product = 'topup', within: 4d}}
  gift:  {for: subscriber.running_out, family: fun, owner: us, value: 4, send: [app], valid_for: 6h}
policy:
  no_sales_while: {ticket: state = 'open'}
  max_decision_age: 1h
  quiet: {app: "20:00-08:00", sunday: all, monday: "12:00-14:00", holidays: FI}
  caps: [{per: subscriber, max: 1, in: 7d, family: [data]}, {per: household, max: 2, in: day}]
priors: {data: 0.1, fun: 0.1}
"""
YESTERDAY, LAST_WEEK = "2026-03-01T11:01:00.000Z", "2026-02-22T11:01:00.000Z"
BEFORE = [sent("topup", LAST_WEEK), sent("gift", YESTERDAY), sent("topup", YESTERDAY, n=1)]
CAP, OF_DATA = "cap_1_per_subscriber_in_7d", "cap_1_per_subscriber_in_7d_family_data"
UNLISTED = "the outputs do not list contacts that others made and reported"


@pytest.fixture(scope="module")
def book() -> Playbook:
    return parse_playbook(BOOK)


def _told(met: dict[str, Any], book: Playbook | None, before: list[dict[str, Any]], **more: Any) -> str:
    (one,) = Known(decision(candidate("topup", met), **more), before, book).met()
    return str(one["gates"][0]["told"])


@pytest.mark.parametrize(
    ("met", "told"),
    [
        (gate("caps"), "no cap is full"),
        (
            gate("caps", CAP),
            "at most 1 to a subscriber in 7d; sent before: gift by app on 2026-03-01 11:01, "
            "topup by app on 2026-03-01 11:01",
        ),
        (
            gate("caps", "cap_1_per_subscriber_in_day"),
            f"at most 1 to a subscriber in a day, by the recipient's calendar; {UNLISTED}",
        ),
        (gate("caps", "cap_0_per_subscriber_in_7d"), "at most 0 to a subscriber in 7d"),
        (
            gate("cooldown", "cooldown"),
            "the customer got the same offer less than its `cooldown` ago; sent before: "
            "topup by app on 2026-02-22 11:01, topup by app on 2026-03-01 11:01",
        ),
        (
            gate("quiet", "quiet", "2026-03-03T08:00:00.000Z", "deferred"),
            "it is quiet for the channel where the recipient is; waits until 2026-03-03 08:00",
        ),
        (
            gate("quiet", "quiet"),
            "it is quiet for the channel where the recipient is; and the offer does not wait that long",
        ),
        (
            gate("ticket", "open_ticket", None, "deferred"),
            "a ticket is as `no_sales_while` says; waits until something opens it",
        ),
        (gate("eligibility", "below_zero"), "the expected value is below zero; value -0.5, p_accept 0.2"),
    ],
)
def test_without_the_playbook(met: dict[str, Any], told: str) -> None:
    assert _told(met, None, BEFORE) == told


@pytest.mark.parametrize(
    ("met", "told"),
    [
        (
            gate("caps", OF_DATA),
            "at most 1 to a subscriber of the family data in 7d; sent before: topup by app on 2026-03-01 11:01",
        ),
        (
            gate("cooldown", "cooldown"),
            "the customer got the same offer less than its `cooldown` ago (3d); sent before: "
            "topup by app on 2026-03-01 11:01; so not before 2026-03-04 11:01",
        ),
        (
            gate("cooldown", "cooldown_after_rejection"),
            "the customer rejected the same offer less than its `after_rejection` ago (30d); sent before: "
            "topup by app on 2026-02-22 11:01, topup by app on 2026-03-01 11:01; so not before 2026-03-31 11:01",
        ),
        (
            gate("eligibility", "not_eligible"),
            "`eligible` is not true; left_mb > 100 AND NOT heavy: heavy = True, left_mb = 50",
        ),
        (
            gate("eligibility", "no_value"),
            "the expected value is NULL, or `p_accept` is not between 0 and 1; 4 + left_mb: left_mb = 50",
        ),
        (
            gate("eligibility", "not_in_share"),
            "the customer is not drawn for the offer's `share` in this period; 20.00% of all in 7d",
        ),
        (
            gate("freshness", "stale"),
            "the trigger came later than `max_decision_age`; it is of 2026-03-02 09:30, 150m before; allowed are 1h",
        ),
        (
            gate("consent", "no_consent"),
            "there is no consent of the recipient to this purpose and channel that holds; marketing needs `opt_in`",
        ),
        (
            gate("ticket", "open_ticket"),
            "a ticket is as `no_sales_while` says; state = 'open'; and the offer does not wait that long",
        ),
    ],
)
def test_with_the_playbook(book: Playbook, met: dict[str, Any], told: str) -> None:
    more = {"context": {"left_mb": 50.0}, "segments": ["heavy"], "trigger_tick": "2026-03-02T09:30:00.000Z"}
    assert _told(met, book, BEFORE, **more) == told


def test_a_day_of_a_cap_is_one_of_the_recipient() -> None:
    before = [sent("topup", "2026-03-01T20:00:00.000Z")]
    met = gate("caps", "cap_1_per_subscriber_in_day")
    far = {"context": {"profile": {"zone": "Pacific/Auckland"}}, "tick": "2026-03-02T08:00:00.000Z"}
    assert "sent before: topup by app on 2026-03-01 20:00" in _told(met, None, before, **far)
    assert "sent before" not in _told(met, None, before, **far | {"context": {"profile": {"zone": "Nowhere"}}})


@pytest.mark.parametrize(("per", "counts"), [("subscriber", False), ("household", True)])
def test_whose_contacts_count(per: str, counts: bool) -> None:
    before = [sent("topup", YESTERDAY, recipient="ben", subject="ben")]
    assert (
        "sent before: topup by app to ben on 2026-03-01 11:01"
        in _told(gate("caps", f"cap_1_per_{per}_in_7d"), None, before)
    ) == counts


def test_many_contacts_are_counted_and_a_holdout_is_told() -> None:
    before = [sent("topup", f"2026-03-01T0{hour}:00:00.000Z", action="holdout") for hour in range(7)]
    told = _told(gate("caps", "cap_7_per_subscriber_in_7d"), None, before)
    assert "sent before: 2 more and topup by app on 2026-03-01 02:00 (held out), " in told


def test_channels_that_met_the_same_stand_together() -> None:
    shut = gate("channel", "no_channel")
    row = decision(
        candidate("a", shut), candidate("a", shut, channel="sms"), candidate("a", gate("channel"), channel="push")
    )
    assert [*gate_lines(Known(row, [], None).met())] == [
        "  a by app, sms",
        "    channel  blocked  the channel is not among the recipient's `profile.channels`",
        "  a by push",
        "    channel  passed  the channel is one that reaches the recipient, as far as is known",
    ]


def _read(by: str | None, since: str) -> dict[str, Any]:
    return {"read": {"by": by, "since": since}}


@pytest.mark.parametrize(
    ("met", "read", "told"),
    [
        (
            gate("caps", OF_DATA),
            _read(BEFORE[2]["decision_id"], YESTERDAY),
            "at most 1 to a subscriber of the family data in 7d; filled by topup by app on 2026-03-01 11:01 "
            f"(decision {BEFORE[2]['decision_id']}); so not before 2026-03-08 11:01",
        ),
        (
            gate("caps", "cap_1_per_subscriber_in_day"),
            _read("call-7", "2026-03-02T08:00:00.000Z"),
            "at most 1 to a subscriber in a day, by the recipient's calendar; filled by a contact of 2026-03-02 08:00 "
            "(id call-7)",
        ),
        (
            gate("caps", "cap_1_per_subscriber_in_day"),
            _read(None, "2026-03-02T08:00:00.000Z"),
            "at most 1 to a subscriber in a day, by the recipient's calendar; filled by a contact of 2026-03-02 08:00, "
            "of somebody who was erased",
        ),
        (
            gate("ticket", "open_ticket"),
            _read("T-7", YESTERDAY),
            "a ticket is as `no_sales_while` says; open since 2026-03-01 11:01 (signal T-7); state = 'open'; "
            "and the offer does not wait that long",
        ),
        (
            gate("paused", "paused"),
            _read("stop", YESTERDAY),
            "a `control` pauses the offer, its family, its channel or everything, for this customer or for all; "
            "paused since 2026-03-01 11:01 (signal stop); and the offer does not wait that long",
        ),
    ],
)
def test_what_shuts_a_gate_is_named(met: dict[str, Any], read: dict[str, Any], told: str, book: Playbook) -> None:
    assert _told(met | read, book, BEFORE) == told


@pytest.mark.parametrize(
    ("consents", "told"),
    [
        ([], "the last word is of 2026-03-01 11:01 (signal c)"),
        ([("marketing", None, "withdrawn", None)], "withdrawn on 2026-03-01 11:01 (signal c)"),
        (
            [("marketing", "app", "granted", LAST_WEEK), ("care", "app", "withdrawn", None)],
            "lapsed on 2026-02-22 11:01, granted on 2026-03-01 11:01 (signal c)",
        ),
        (
            [("marketing", "app", "granted", None), ("marketing", None, "withdrawn", None)],
            "the last word is of 2026-03-01 11:01 (signal c); marketing needs `opt_in`; known is granted by app, "
            "withdrawn by all",
        ),
    ],
)
def test_the_consent_that_decides_is_told(consents: list[tuple[Any, ...]], told: str, book: Playbook) -> None:
    known = [dict(zip(("purpose", "channel", "state", "valid_until"), one, strict=True)) for one in consents]
    assert told in _told(gate("consent", "no_consent") | _read("c", YESTERDAY), book, [], consents=known)


def test_a_goal_is_told_as_what_the_customer_did(book: Playbook) -> None:
    met = gate("cooldown", "goal_reached") | _read("O-7", "2026-03-02T08:00:00.000Z")
    assert _told(met, book, BEFORE[2:]) == (
        "the customer did already what the offer, or another of its family, is for; it did so at "
        "2026-03-02 08:00 (signal O-7); sent before: "
        "topup by app on 2026-03-01 11:01; so not before 2026-03-05 11:01; order: product = 'topup', within 4d"
    )


def test_what_waits_is_told_of_its_goal_too(book: Playbook) -> None:
    met = gate("eligibility", "goal_reached") | _read("O-7", "2026-03-02T08:00:00.000Z")
    assert "; it did so at 2026-03-02 08:00 (signal O-7); order: " in _told(met, book, [])


@pytest.mark.parametrize(
    ("by", "since", "left"),
    [
        (BEFORE[2]["decision_id"], YESTERDAY, 1),
        ("call-7", "2026-03-01T09:00:00.000Z", 0),
        ("call-7", "2026-03-01T12:00:00.000Z", 2),
    ],
)
def test_what_is_in_no_output_is_counted(by: str, since: str, left: int, book: Playbook) -> None:
    """Contacts from the one that has to go on fill a limit; those that no output lists are told by their number."""
    told = _told(gate("caps", "cap_3_per_subscriber_in_7d") | _read(by, since), None, BEFORE[1:])
    counted = 3 - 1 - left if by == "call-7" else 2
    assert told.partition("sent before: ")[2].partition(";")[0].count(" by ") == counted
    assert told.endswith(f"and {left} more: {UNLISTED}") == (left > 0)


NO_CHANNEL = gate("channel", "no_channel")
ZONE = gate("quiet", "unknown_zone")


@pytest.mark.parametrize(
    ("met", "more", "told"),
    [
        (NO_CHANNEL, {"channels": "sms email"}, "`profile.channels`; they are sms email"),
        (NO_CHANNEL, {"channels": " "}, "`profile.channels`; they are none"),
        (ZONE, {"zone": "Helsinki"}, "and a cap or quiet hours ask for it; it says `Helsinki`"),
    ],
)
def test_what_the_profile_said_is_told(met: dict[str, Any], more: dict[str, Any], told: str) -> None:
    assert _told(met, None, [], **more).endswith(told)


@pytest.mark.parametrize(
    ("consents", "told"),
    [
        ([], "known is nothing"),
        (
            [("care", None, "granted", None), ("marketing", "sms", "granted", YESTERDAY)],
            "known is granted by sms until 2026-03-01 11:01",
        ),
        ([("marketing", None, "withdrawn", None)], "known is withdrawn by all"),
    ],
)
def test_the_consents_that_are_known_are_told_where_none_decides(
    consents: list[tuple[Any, ...]], told: str, book: Playbook
) -> None:
    known = [dict(zip(("purpose", "channel", "state", "valid_until"), one, strict=True)) for one in consents]
    assert _told(gate("consent", "no_consent"), book, [], consents=known).endswith(f"`opt_in`; {told}")


@pytest.mark.parametrize(
    ("tick", "told"),
    [
        ("2026-03-02T12:00:00.000Z", "it is Monday 2026-03-02 14:00 there"),
        ("2026-03-02T11:59:00.000Z", "it is Monday 2026-03-02 13:59 there: `monday: 12:00-14:00`"),
        ("2026-03-02T03:00:00.000Z", "it is Monday 2026-03-02 05:00 there: `app: 20:00-08:00`"),
        ("2026-03-01T19:00:00.000Z", "it is Sunday 2026-03-01 21:00 there: `app: 20:00-08:00`, `sunday: all`"),
        ("2026-04-03T09:00:00.000Z", "it is Friday 2026-04-03 12:00 there: a holiday of `FI`"),
    ],
)
def test_what_is_quiet_is_told_by_the_recipients_clock(tick: str, told: str, book: Playbook) -> None:
    said = _told(gate("quiet", "quiet"), book, [], tick=tick, zone="Europe/Helsinki")
    assert f"where the recipient is; {told}; and the offer does not wait" in said


def test_who_is_shut_out_anyway_does_not_wait() -> None:
    row = decision(candidate("topup", gate("quiet", "quiet", YESTERDAY, "deferred"), gate("channel", "no_channel")))
    (one,) = Known(row, [], None).met()
    assert one["gates"][0]["told"].endswith("; would wait until 2026-03-01 11:01")
