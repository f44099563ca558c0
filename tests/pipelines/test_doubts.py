"""What `validate` warns of, and `--strict` refuses."""

from pathlib import Path

import pytest

from pipelines.doubts import doubts
from pipelines.validate import validate
from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plans

BOOK = """\
playbook: p
signals: [ticket, web]
let: {many: visits > 5}
subscriber:
  features:
    opened: {distinct: ticket_id, from: ticket, window: 21d}
    visits: {count: any, from: web, window: 1d}
    last: {last: topic, from: ticket, window: 1d}
  segments: {open: {enter: opened > 1, exit: opened < 1}}
  moments: {visit: {when: visits > 0 AND NOT many}}
offers:
  o: {for: subscriber.visit, family: f, owner: me, value: 4, p_accept: 0.5, cost: 1, eligible: opened = 0,
      send: email, valid_for: 1d}
"""


def told(text: str) -> list[tuple[int | None, str]]:
    playbook = parse_playbook(text)
    return [(one.line, one.message) for one in doubts(playbook, load_plans(playbook))]


def test_a_plain_playbook_has_none() -> None:
    assert told(BOOK) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("opened = 0", "NOT open", 12, "`offers.o.eligible`: `NOT open` is true, too, while `open` cannot be known"),
        ("opened = 0", "NOT (open)", 12, "`NOT open` is true, too"),
        ("visits > 5", "NOT open", 10, "`subscriber.moments.visit.when`: `NOT open`"),
        ("visits > 0 AND", "visits > 0 AND NOT open AND", 10, "`NOT open` is true, too"),
        ("exit: opened < 1", "exit: last = 'x'", 9, "`subscriber.segments.open`: who is silent stays for ever"),
        ("cost: 1", "cost: 3", 12, "`offers.o`: its expected value is -1"),
        ("AND NOT many", "", 3, "`let.many` is used nowhere"),
    ],
)
def test_what_is_seldom_meant(old: str, new: str, line: int, message: str) -> None:
    assert old in BOOK
    found = told(BOOK.replace(old, new, 1))
    assert any(at == line and message in text for at, text in found), found


@pytest.mark.parametrize("end", ["exit: last = 'x', expire: 30d", "exit: \"COALESCE(last = 'x', TRUE)\""])
def test_a_segment_that_ends_is_no_doubt(end: str) -> None:
    assert told(BOOK.replace("exit: opened < 1", end)) == []


def test_strict_refuses(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BOOK.replace("cost: 1", "cost: 3"))
    assert "warning: " in validate(path)
    with pytest.raises(LoadErrors, match="expected value is -1"):
        validate(path, strict=True)


def test_a_sequence_needs_no_feature() -> None:
    moments = "{quit: {after: {web: any}, without: {ticket: any}, within: 1h}}"
    assert told(f"playbook: p\nsignals: [web, ticket]\nsubscriber: {{moments: {moments}}}\n") == []


def test_a_wrong_feature_is_told_alone() -> None:
    with pytest.raises(LoadErrors) as wrong:
        parse_playbook("playbook: p\nsignals: [web]\nsubscriber:\n  features: {n: {cuont: any, from: web}}\n")
    assert not any("has neither features" in error.message for error in wrong.value.errors)
