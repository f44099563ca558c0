"""Versions of a playbook: which of them is in force when."""

import pytest

from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook
from schemas.versions import Versions

MINUTE = 60_000


def book(version: int, start: str | None = None, name: str = "town", more: str = "") -> Playbook:
    since = f"effective_from: {start}\n" if start else ""
    features = "signals: [usage]\nsubscriber: {features: {n: {count: any, from: usage, window: 10m}}}\n"
    return parse_playbook(f"playbook: {name}\nversion: {version}\n{since}{more}{features}", f"v{version}.yaml")


def at(minute: int, second: int = 0) -> str:
    return f"1970-01-01T00:{minute:02}:{second:02}Z"


def test_versions_take_over_at_the_first_tick_that_is_not_before_their_time() -> None:
    versions = Versions.of([book(9, at(20, 30)), book(2), book(4, at(10))])
    assert [one.version for one in versions.playbooks] == [2, 4, 9]
    assert [*versions.starts] == [10 * MINUTE, 21 * MINUTE]


@pytest.mark.parametrize(
    ("closed", "upto", "spans"),
    [
        (None, 5, [(0, 5)]),
        (None, 30, [(0, 9), (1, 20), (2, 30)]),
        (None, 9, [(0, 9)]),
        (None, 10, [(0, 9), (1, 10)]),
        (9, 10, [(1, 10)]),
        (8, 10, [(0, 9), (1, 10)]),
        (10, 21, [(1, 20), (2, 21)]),
        (40, 50, [(2, 50)]),
        (50, 40, [(2, 40)]),
        (15, 12, [(1, 12)]),
    ],
)
def test_a_span_is_parted_by_the_version_in_force(closed: int | None, upto: int, spans: list[tuple[int, int]]) -> None:
    versions = Versions.of([book(1), book(2, at(10)), book(3, at(20, 30))])
    found = versions.spans(None if closed is None else closed * MINUTE, upto * MINUTE)
    assert [(number, end // MINUTE) for number, end in found] == spans


def test_a_version_that_another_overtakes_before_its_first_tick_has_no_span() -> None:
    versions = Versions.of([book(1), book(2, at(10, 10)), book(3, at(10, 20))])
    assert [*versions.spans(None, 12 * MINUTE)] == [(0, 10 * MINUTE), (2, 12 * MINUTE)]


def test_the_next_change_is_known() -> None:
    versions = Versions.of([book(1), book(2, at(10)), book(3, at(20))])
    assert [versions.next_start(closed * MINUTE) for closed in (0, 9, 10, 20)] == [
        10 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        None,
    ]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (book(2, at(10), name="village"), "v2.yaml:1: `playbook` is `village`, and `town` in v1.yaml"),
        (book(1, at(10)), "v1.yaml:2: `version` 1 does not follow 1, that of v1.yaml"),
        (book(2), "v2.yaml:1: `effective_from` is missing"),
        (book(2, at(5)), "v2.yaml:3: `effective_from` is not after that of version 1 in v1.yaml"),
        (book(2, at(10), more="tick: 2m\n"), "v2.yaml:4: `tick` is 2m, and 1m in v1.yaml"),
        (book(2, at(10), more="grace: 5m\n"), "v2.yaml:4: `grace` is 5m, and 2m in v1.yaml"),
        (book(2, at(10), more="feed_timeout: {usage: 1h}\n"), "v2.yaml:4: `feed_timeout` is not that of v1.yaml"),
    ],
)
def test_what_cannot_follow_is_told(after: Playbook, told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        Versions.of([book(1, at(5)), after])
    assert told in str(caught.value)
    assert len(caught.value.errors) == 1
