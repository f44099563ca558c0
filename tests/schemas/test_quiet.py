"""Quiet hours as people write them: what is accepted, what is refused with which words."""

import re
from datetime import date

import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook, playbook_json_schema
from schemas.quiet import QuietHours, calendar_of

PLAYBOOK = """
playbook: quiet
signals: [usage]
subscriber: {features: {n: {count: any, from: usage, window: 1d}}, moments: {some: {when: n > 0}}}
offers:
  any: {for: subscriber.some, family: f, owner: o, value: 1, p_accept: 1, send: [push, sms], valid_for: 1d}
policy:
  quiet: {%s}
"""


def quiet_of(text: str) -> QuietHours:
    quiet = parse_playbook(PLAYBOOK % text).policy.quiet
    assert quiet is not None
    return quiet


def test_all_of_it_is_understood() -> None:
    quiet = quiet_of('sms: "20:00-08:00", push: [21:00-08:00, 12:00-13:30], sunday: all, saturday: 18:00-24:00')
    assert quiet.channels == {"sms": ((1200, 1920),), "push": ((1260, 1920), (720, 810))}
    assert quiet.weekdays == ((), (), (), (), (), ((1080, 1440),), ((0, 1440),))
    assert (quiet.all, quiet.holidays) == ((), ())
    assert quiet_of("all: 23:59-00:00").all == ((1439, 1440),)


@pytest.mark.parametrize(
    ("text", "holidays"),
    [("FI", ("FI",)), ("NO", ("NO",)), ("DE-BY", ("DE-BY",)), ("[FI, DE-BY, FR-Zone A]", ("FI", "DE-BY", "FR-Zone A"))],
)
def test_holidays_are_of_countries(text: str, holidays: tuple[str, ...]) -> None:
    assert quiet_of(f"holidays: {text}").holidays == holidays


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sms: 8", "8: `policy.quiet.sms`: must be local times, as `20:00-08:00`, or `all`, not `8`"),
        ("sms: {from: 1}", "`policy.quiet.sms`: must be local times, as `20:00-08:00`, or `all`, not this"),
        ("all: 24:00-08:00", "`policy.quiet.all`: must be local times, as `20:00-08:00`, or `all`, not `24:00-08:00`"),
        ("all: 9:00-10:00", "`policy.quiet.all`: must be local times, as `20:00-08:00`, or `all`, not `9:00-10:00`"),
        ("all: 22:00-24:30", "must be local times, as `20:00-08:00`, or `all`, not `22:00-24:30`"),
        ("all: 22:00 - 23:00", "must be local times, as `20:00-08:00`, or `all`, not `22:00 - 23:00`"),
        ("sms: [22:00-08:00, noon]", "`policy.quiet.sms`: must be local times, as `20:00-08:00`, or `all`, not `noon`"),
        ("sms: 08:00-08:00", "starts when it ends, as `08:00-08:00` does: say `all` for the whole day"),
        ("sms: []", "must not be empty: say local times, as `20:00-08:00`, or `all`"),
        ("sunday: ", "`policy.quiet.sunday`: must not be empty: say local times, as `20:00-08:00`, or `all`"),
        ("holidays: fi", "must be a country, as `FI`, or a part of one, as `DE-BY`, not `fi`"),
        ("holidays: all", "must be a country, as `FI`, or a part of one, as `DE-BY`, not `all`"),
        ("holidays: []", "must be a country, as `FI`, or a part of one, as `DE-BY`, not this"),
        ("holidays: [FI, 2]", "must be a country, as `FI`, or a part of one, as `DE-BY`, not `2`"),
        ("holidays: XX", "`policy.quiet.holidays`: no public holidays are known of `XX`"),
        ("holidays: [FI, DE-BZ]", "8: `policy.quiet.holidays`: no public holidays are known of `DE-BZ`"),
        ("holidays: DE-BZ", "did you mean `DE-HB`?"),
        ("smss: all", "8: `policy.quiet.smss`: no offer has the channel `smss`"),
        ("smss: all", "did you mean `sms`?"),
        ("sundya: all", "did you mean `sunday`?"),
        ("holiday: FI", "must be local times, as `20:00-08:00`, or `all`, not `FI`"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        parse_playbook(PLAYBOOK % text)
    assert told in str(caught.value)


def test_quiet_hours_are_a_mapping() -> None:
    with pytest.raises(LoadErrors, match=r"`policy\.quiet`: must be a mapping"):
        parse_playbook(PLAYBOOK.replace("{%s}", "22:00-08:00"))


def test_public_holidays_are_those_of_the_place() -> None:
    finland, bavaria = calendar_of("FI", [2026]), calendar_of("DE-BY", [2026])
    assert {date(2026, 12, 6), date(2026, 12, 24), date(2026, 6, 19)} <= finland.keys()
    assert date(2026, 12, 7) not in finland
    assert date(2026, 1, 6) in bavaria
    assert date(2026, 1, 6) not in calendar_of("DE", [2026])
    assert date(2026, 7, 3) in calendar_of("US", [2026])  # observed: the fourth is a Saturday


def test_editors_are_told_of_channels_and_days() -> None:
    schema = playbook_json_schema()["$defs"]["QuietHours"]
    ((channel, times),) = schema["patternProperties"].items()
    assert {"all", "holidays", "monday", "sunday"} <= schema["properties"].keys()
    assert times["anyOf"] == schema["properties"]["monday"]["anyOf"]
    assert [bool(re.search(channel, name)) for name in ("sms", "holidays", "Sms")] == [True, False, False]
