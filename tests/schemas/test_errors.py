"""Errors as people read them: one paragraph each, long values cut, not endlessly many."""

from schemas.errors import MOST_TOLD, LoadError, LoadErrors


def test_an_error_says_where_what_and_what_to_do() -> None:
    told = str(LoadError("town.yaml", 3, "`n`: no `m` here", "m > 1", "did you mean `n`?"))
    assert told == "town.yaml:3: `n`: no `m` here\n    m > 1\n    did you mean `n`?"


def test_long_values_are_cut_and_what_is_said_of_them_is_not() -> None:
    told = str(
        LoadError("town.yaml", 3, f"`{'x' * 9_000}` is not a name", "y" * 9_000, f"not `{'z' * 9_000}`, but `n`")
    )
    assert len(told) < 1_200
    assert "x…` is not a name\n" in told
    assert "y…\n" in told
    assert told.endswith("z…`, but `n`")


def test_so_many_mistakes_are_told_and_how_many_more_there_are() -> None:
    told = str(LoadErrors([LoadError("town.yaml", n, "is wrong") for n in range(MOST_TOLD + 1_234)]))
    assert told.count("is wrong") == MOST_TOLD
    assert told.endswith("and 1,234 more mistakes")
