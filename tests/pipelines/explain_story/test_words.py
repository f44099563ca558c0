"""Every gate and every reason has its words."""

from pathlib import Path

import pytest

from pipelines.explain_story.words import PASSED, WHY, cap_of, why
from schemas.durations import DAY
from schemas.playbook_file import parse_playbook
from transforms.compiler.limits import limits_of
from transforms.compiler.offer_definitions import GATES, REASONS

POLICY = """\
playbook: limits
signals: [usage, membership]
subscriber: {features: {mb: {sum: mb, from: usage, window: 1h}}, moments: {busy: {when: mb > 1}}}
household: {features: {mb: {sum: mb, from: usage, window: 1h}}}
offers:
  a: {for: subscriber.busy, family: f, owner: us, value: 1, send: [app], valid_for: 1d,
      cooldown: {after: 1d, after_rejection: 2d}}
policy:
  cooldown: {f: {after: 1d, after_rejection: 2d}}
  caps:
    - {per: subscriber, max: 1, in: 7d}
    - {per: household, max: 2, in: week, family: [f]}
    - {per: subscriber, max: 3, in: 36h, channel: app, message: care}
    - {per: subscriber, max: 0, in: month, family: [f], channel: app, message: any}
priors: {f: 0.1}
"""


def test_every_gate_has_words() -> None:
    assert [*PASSED] == [*GATES]


def test_every_reason_has_words() -> None:
    assert set(REASONS) <= WHY.keys()
    limits = {limit.reason for limit in limits_of(parse_playbook(POLICY))}
    assert [reason for reason in limits if cap_of(reason) is None and reason not in WHY] == []
    assert [reason for reason in limits if why(reason) == reason] == []


def test_a_cap_is_what_its_name_says() -> None:
    caps = [limit for limit in limits_of(parse_playbook(POLICY)) if limit.reason.startswith("cap_")]
    assert [cap_of(cap.reason) for cap in caps] == caps


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("cap_1_per_subscriber_in_7d", "at most 1 to a subscriber in 7d"),
        ("cap_2_per_sme_in_day", "at most 2 to an SME in a day, by the recipient's calendar"),
        (
            "cap_3_per_household_in_36h_family_a_family_b_channel_sms_message_any",
            "at most 3 to a household of the family a or b by sms for whatever purpose in 36h",
        ),
        ("cap_1_per_subscriber_in_7d_message_care", "at most 1 to a subscriber for care in 7d"),
        ("of_another_release", "of_another_release"),
    ],
)
def test_words_of_caps(reason: str, words: str) -> None:
    assert why(reason) == words


def test_the_playbook_page_tells_of_the_same_reasons() -> None:
    page = (Path(__file__).parents[3] / "docs" / "playbook.md").read_text("utf-8")
    assert [reason for reason in WHY if f"`{reason}`" not in page and reason != "erased"] == []


def test_a_day_is_a_day() -> None:
    cap = cap_of("cap_1_per_subscriber_in_1d")
    assert cap is not None
    assert cap.period == DAY
