"""The hint for a name that does not exist."""

import pytest

from schemas.near_miss import near_miss


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("data_5min", ["data_5m", "other"], "did you mean `data_5m`?"),
        ("q", ["b", "a", "a"], "known: a, b"),
        ("q", [], ""),
        ("zzz", [f"n{n:02}" for n in range(13)], f"known: {', '.join(f'n{n:02}' for n in range(12))}, …"),
    ],
)
def test_near_miss(name: str, known: list[str], hint: str) -> None:
    assert near_miss(name, known) == hint
