"""The plan of sequences: what travels and is kept, and what is refused."""

from pathlib import Path

import pytest

from pipelines.validate import validate
from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plan

BOOK = """
playbook: p
signals: [usage, order, ticket]
let: {big: trigger.amount > 10}
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  moments:
    lost:  {after: {order: state = 'started'}, without: {order: state = 'done', ticket: any}, same: channel, within: 3d}
    other: {after: {ticket: any}, then: {usage: mb > 1}, within: 1h, when: n > 0}
offers:
  a: {for: [subscriber.lost, subscriber.other], family: f, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1d,
      eligible: big OR trigger.severity = 1}
  b: {for: subscriber.lost, family: f, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1d,
      params: {what: trigger.product}}
"""


def test_only_what_is_read_travels_and_is_kept() -> None:
    plan = load_plan(parse_playbook(BOOK))
    kept = {moment.name: list(moment.sequence.columns) for moment in plan.moments if moment.sequence}
    assert kept == {"lost": ["amount", "channel", "product"], "other": ["amount", "severity"]}
    assert {name: signal.columns for name, signal in plan.signals.items()} == {
        "usage": ("amount", "mb"),
        "order": ("amount", "channel", "product", "state"),
        "ticket": ("channel", "severity"),
    }
    assert list(plan.record.evidence) == [
        "n",
        "trigger.amount",
        "trigger.channel",
        "trigger.product",
        "trigger.severity",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "mb > 1",
            "mbs > 1",
            "`subscriber.moments.other.then.usage`: no `mbs` here\n    mbs > 1\n    did you mean",
        ),
        ("mb > 1", "mb", "`subscriber.moments.other.then.usage`: must be true or false"),
        ("same: channel", "same: chanel", "`subscriber.moments.lost.same`: `order` has no column `chanel`"),
        ("same: channel", "same: chanel", "did you mean `channel`?"),
        ("same: channel", "same: order_id", "`subscriber.moments.lost.same`: `ticket` has no column `order_id`"),
        ("{ticket: any}, then", "{order: any}, same: amount, then", "correlate by columns of one type that is not a"),
        ("trigger.product", "trigger.produkt", "no `trigger.produkt` here"),
        ("trigger.product", "trigger.severity", "no `trigger.severity` here"),
        ("when: n > 0", "when: trigger.mb > 0", "`subscriber.moments.other.when`: no `trigger.mb` here"),
    ],
)
def test_mistakes_are_told(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in BOOK
    (tmp_path / "p.yaml").write_text(BOOK.replace(old, new), "utf-8")
    with pytest.raises(LoadErrors) as caught:
        validate(tmp_path / "p.yaml")
    assert told in str(caught.value)


def test_what_a_sequence_waits_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(BOOK, "utf-8")
    lines = validate(tmp_path / "p.yaml").splitlines()
    assert lines[4:6] == [
        "  moment lost: ready 3d after the start (after order, without order or ticket within 3d, same channel)",
        "  moment other: ready 1h after the start (after ticket, then usage within 1h)",
    ]
