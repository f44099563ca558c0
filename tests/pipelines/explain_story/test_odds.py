"""Of a decision as a whole it is told where its chance comes from, and whose reason it tells."""

import pytest

from pipelines.explain_story.odds import odds, whose_reason
from schemas.playbook_file import parse_playbook
from tests.pipelines.explain_story.rows import NOON, candidate, decision, gate, sent

BOOK = parse_playbook(
    """\
playbook: small
signals: [balance]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  moments: {running_out: {when: left_mb < 500}}
offers:
  topup: {for: subscriber.running_out, family: data, owner: us, value: 4, p_accept: 0.2, send: [app, sms],
          valid_for: 6h}
  gift:  {for: subscriber.running_out, family: fun, owner: us, value: 4, p_accept: 0.2, send: [app], valid_for: 6h}
policy: {explore: {data: 10%}}
"""
)
SHUT = gate("caps", "cap_1_per_subscriber_in_day")
ARMS = [
    candidate("topup", gate("caps")),
    candidate("gift", gate("caps")),
    candidate("topup", gate("caps"), channel="sms"),
    candidate("topup", SHUT, channel="push"),
]


def test_where_the_chance_comes_from() -> None:
    row = sent("topup", NOON, channel="sms", candidates=ARMS, propensity=0.05)
    assert [*odds(row, BOOK)] == [
        "`policy.explore` gives 10 % of the decisions of the family data to one of topup by app, topup by sms by lot: "
        "10 % / 2 = 5 % to each, the rest to topup by app"
    ]


@pytest.mark.parametrize(("propensity", "known"), [(1.0, True), (None, True), (0.05, False)])
def test_without_exploration_or_playbook_there_is_nothing_to_tell(propensity: float | None, known: bool) -> None:
    assert not [*odds(sent("topup", NOON, candidates=ARMS, propensity=propensity), BOOK if known else None)]


def test_whose_reason_a_decision_tells() -> None:
    quiet, channel = gate("quiet", "quiet", NOON, "deferred"), gate("channel", "no_channel")
    row = decision(candidate("topup", quiet, channel), candidate("topup", SHUT, channel="sms"), reason="no_channel")
    assert [*whose_reason(row)] == ["told is what shuts out topup by app first; others may have other reasons"]
    assert not [*whose_reason(row | {"candidates": row["candidates"][:1]})]
    assert not [*whose_reason(row | {"action": "offer"})]
