"""Features in words."""

import pytest

from schemas.playbook_file import parse_playbook
from transforms.statistics.feature_words import words_of

BOOK = """\
playbook: p
signals: [usage]
subscriber:
  features:
    days: {distinct: local_date, from: usage, where: app = 'vpn', window: 14d}
    vpn_days: {distinct: local_date, from: usage, window: 14d, describe: "use VPN {at home}"}
    calls: {count: any, from: usage, where: kind = 'voice', window: 3d}
    peers: {distinct: peer, from: usage, window: 7d, offset: 1d}
    sent: {sum: mb_up, from: usage, window: 2h, describe: MB sent}
    kind: {last: kind, from: usage}
    away: {seconds_since_last: any, from: usage, window: 1d}
  derived: {score: {expr: calls / 2.0}, need: {expr: calls / 3.0, describe: need of more}}
"""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("days", "usage where app = 'vpn' on 9 of 14 days"),
        ("vpn_days", "use VPN {at home} on 9 of 14 days"),
        ("calls", "number of usage where kind = 'voice': 9 in 3 days"),
        ("peers", "different peer of usage: 9 in 7 days, a day before"),
        ("sent", "MB sent: 9 in 2h"),
        ("kind", "latest kind of usage: 9"),
        ("away", "seconds since the last usage: 9 in a day"),
        ("score", "score: 9"),
        ("need", "need of more: 9"),
    ],
)
def test_features_in_words(name: str, sentence: str) -> None:
    assert words_of(parse_playbook(BOOK).levels["subscriber"])[name].format(9) == sentence
