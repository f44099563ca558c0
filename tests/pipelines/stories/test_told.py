"""What is told beside what is expected."""

from collections import Counter

import pytest

from pipelines.stories.story import Expect
from pipelines.stories.told import Difference, Told, differences

AT = ("events", 2, "expect")


def told(*transitions: str, counts: Counter[str] | None = None) -> Told:
    made = Told(counts=counts)
    made.add("transitions", transitions)
    return made


@pytest.mark.parametrize(
    ("heard", "expected", "different"),
    [
        (["a", "b"], ["b", "a"], []),
        (["a", "a"], ["a", "a"], []),
        ([], ["a"], [Difference((*AT, "transitions", 0), "expected: a")]),
        (["a"], [], [Difference((*AT, "transitions"), "found:    a")]),
        (["a", "a"], ["a"], [Difference((*AT, "transitions"), "found:    a")]),
        (["a"], ["a", "a"], [Difference((*AT, "transitions", 1), "expected: a")]),
    ],
)
def test_sentences(heard: list[str], expected: list[str], different: list[Difference]) -> None:
    assert differences(told(*heard), [Expect(AT, {"transitions": tuple(expected)}, {})]) == different


def test_of_what_is_not_named_nothing_is_expected() -> None:
    assert differences(told("a"), [Expect(AT, {}, {})]) == []


def test_several_expects_are_taken_together() -> None:
    later = ("events", 4, "expect")
    expects = [
        Expect(AT, {"transitions": ("a",)}, {"applied": 1}),
        Expect(later, {"transitions": ("b",)}, {"applied": 2}),
    ]
    assert differences(told("b", "a", counts=Counter(applied=2)), expects) == []
    assert differences(told("a", "c", counts=Counter(applied=1)), expects) == [
        Difference((*later, "transitions", 0), "expected: b"),
        Difference((*later, "transitions"), "found:    c"),
        Difference((*later, "counts", "applied"), "expected applied: 2, found 1"),
    ]


def test_others_may_be_told_where_the_expect_says_so() -> None:
    expects = [Expect(AT, {"transitions": ("a",)}, {}, frozenset({"transitions"}))]
    assert differences(told("a", "b"), expects) == []
    assert differences(told("b"), expects) == [Difference((*AT, "transitions", 0), "expected: a")]


def test_an_engine_without_counts_is_not_asked_for_them() -> None:
    assert differences(told(), [Expect(AT, {}, {"applied": 1})]) == []
