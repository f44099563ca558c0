"""Nothing in a text of others moves a cursor, hides, turns round or begins a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import MOST_ERRORS, LoadError, LoadErrors
from schemas.visible import MOST, shortened, visible, visible_lines, visible_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字 :warning: [red]", "plain é 漢字 :warning: [red]"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nb\rc\u2028d", r"a\nb\rc\u2028d"),
        ("abc\u202ecba\u2066", r"abc\u202ecba\u2066"),
        ("\ud800", r"\ud800"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        (r"a\x1b", r"a\x1b"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_whatever_it_is_it_is_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()
    assert visible_lines(text).count("\n") == text.count("\n")
    visible(text).encode()


def test_values_are_shown_wherever_they_are() -> None:
    value = {"a\n": ["b\x1b", 1, None, {"c": ("d\n",)}]}
    assert visible_values(value) == {"a\\n": ["b\\x1b", 1, None, {"c": ["d\\n"]}]}


@given(st.text(), st.integers(2, 50))
def test_a_long_text_keeps_both_ends(text: str, most: int) -> None:
    short = shortened(text, most)
    assert short == text if len(text) <= most else short.startswith(text[: most // 2])


def test_an_error_is_as_many_lines_as_it_has_parts_however_long_they_are() -> None:
    long = "x" * 100_000 + "\n\x1b"
    told = str(LoadError(f"a\nb{long}", 3, f"`{long}` is wrong", long, long))
    assert [line[:4] for line in told.splitlines()] == ["a\\nb", "    ", "    "]
    assert len(told) < 10 * MOST
    assert "` is wrong" in told
    assert "\x1b" not in told


def test_of_very_many_errors_the_first_are_told() -> None:
    told = str(LoadErrors([LoadError("f", line, "wrong") for line in range(1, 10_001)]))
    assert told.splitlines()[-2:] == [f"f:{MOST_ERRORS}: wrong", "… and 9,900 more mistakes"]
