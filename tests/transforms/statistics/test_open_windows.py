"""When windows of segments are told: once all shards have told of them, and again for what comes later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.statistics.open_windows import OpenWindows

HOUR, TICK, LATENESS = 60, 1, 100

CASES: dict[str, tuple[list[tuple[int, int]], list[tuple[int, list[int]]]]] = {
    "in time": ([(60, 60)], [(60, []), (61, [60]), (120, []), (121, [120]), (500, [])]),
    "ahead of its end": ([(120, 60)], [(61, []), (121, [120]), (181, [180])]),
    "from a backlog": ([(60, 300), (120, 300)], [(300, []), (301, [60, 120, 180])]),
    "of several shards": ([(60, 60), (60, 60)], [(61, [60]), (121, [120])]),
    "a later part waits for its shards": ([(60, 60), (60, 61)], [(61, []), (62, [60]), (121, [120])]),
}


@pytest.mark.parametrize("case", CASES)
def test_when_windows_are_told(case: str) -> None:
    parts, looks = CASES[case]
    known = OpenWindows()
    for end, told in parts:
        assert known.take(end, HOUR, told, TICK, LATENESS)
    assert [(now, known.pop(now)) for now, _ in looks] == looks


def test_what_comes_later_tells_its_window_and_the_next_again_until_it_is_over() -> None:
    known = OpenWindows()
    known.take(60, HOUR, 60, TICK, LATENESS)
    assert known.pop(121) == [60, 120]
    assert known.take(60, HOUR, 130, TICK, LATENESS)
    assert (known.next(), known.pop(131)) == (131, [60, 120])
    known.pop(60 + TICK + LATENESS)
    assert not known.take(60, HOUR, 170, TICK, LATENESS)
    assert known.next() is None


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 400)), max_size=20))
def test_every_window_is_told_after_all_of_its_parts(parts: list[tuple[int, int]]) -> None:
    known, last, told_at = OpenWindows(), dict[int, int](), dict[int, int]()
    for number, told in sorted(parts, key=lambda part: part[1]):
        told_at |= dict.fromkeys(known.pop(told), told)
        if known.take(number * HOUR, HOUR, told, TICK, LATENESS):
            last[number * HOUR] = told
        known = OpenWindows.read(known.packed())
    while (now := known.next()) is not None:
        told_at |= dict.fromkeys(known.pop(now), now)
    for end, told in last.items():
        assert told_at[end] >= max(told, end) + TICK
