"""Who is in reach, by what they said and have; which ways offers of groups have."""

import polars as pl
import pytest

from schemas.playbook_file import parse_playbook
from transforms.compiler.reach import Way, consents, reached_by, read_by, ways_of

HEAD = """
playbook: p
signals: [usage, membership{signals}]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}, moments: {busy: {when: n > 0}}}
household: {features: {n: {count: any, from: usage, window: 5m}}, moments: {busy: {when: n > 0}, calm: {when: n = 0}}}
offers:
  gift: {for: [household.busy, subscriber.busy], family: f, owner: us, value: 1, p_accept: 1, send: [app, sms],
         valid_for: 1h}
  help: {for: household.busy, family: f, owner: us, value: 1, p_accept: 1, send: mail, valid_for: 1h, message: care}
  news: {for: household.calm, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h}
"""


@pytest.mark.parametrize(
    ("basis", "agree"),
    [
        ("opt_in", [True, True, False, False, False, False]),
        ("opt_out", [True, True, True, False, True, True]),
        ("contract", [True] * 6),
    ],
)
def test_who_consents(basis: str, agree: list[bool]) -> None:
    """What lapses at a tick has lapsed."""
    said = ["granted", "granted", "granted", "withdrawn", "withdrawn", None]
    until = pl.Series([None, 11, 10, None, 10, None], dtype=pl.Int64)
    assert consents(basis, pl.Series(said), until, pl.Series([10] * 6)).to_list() == agree


def test_who_has_a_channel() -> None:
    theirs = pl.Series([None, "", "app", "sms app", "apps", "app, push;sms"])
    reached = reached_by(theirs, ["app", "sms"])
    assert {name: there.to_list() for name, there in reached.items()} == {
        "app": [True, False, True, True, False, True],
        "sms": [True, False, False, True, False, True],
    }


GIFT = {("app", "marketing"), ("sms", "marketing")}
HELP, NEWS = {("mail", "care")}, {("app", "marketing")}


@pytest.mark.parametrize(
    ("signals", "policy", "ways", "read"),
    [
        ("", "", {}, set()),
        (", consent", "", {"household.calm": NEWS}, {"consent"}),
        (", profile", "", {"household.busy": GIFT | HELP, "household.calm": NEWS}, {"profile"}),
        (", consent", "policy: {consent: {care: opt_out}}", {"household.busy": GIFT | HELP, "household.calm": NEWS},
         {"consent"}),
        (", consent", "policy: {consent: {marketing: contract}}", {}, set()),
        (", consent, profile", "", {"household.busy": GIFT | HELP, "household.calm": NEWS}, {"consent", "profile"}),
    ],
)  # fmt: skip
def test_the_ways_of_offers(signals: str, policy: str, ways: dict[str, set[tuple[str, str]]], read: set[str]) -> None:
    """Where everybody is in reach by some way, nobody is asked."""
    found = ways_of(parse_playbook(HEAD.replace("{signals}", signals) + policy), "household")
    assert {trigger: {way[:2] for way in some} for trigger, some in found.items()} == ways
    assert read_by(found.values()) == read


def test_a_way_says_its_basis() -> None:
    found = ways_of(parse_playbook(HEAD.replace("{signals}", ", consent, profile")), "household")
    assert found["household.calm"] == (Way("app", "marketing", "opt_in", by_profile=True),)
    assert ways_of(parse_playbook(HEAD.replace("{signals}", ", consent")), "sme") == {}
