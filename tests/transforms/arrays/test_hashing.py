"""The shard of a subject never changes between releases, machines or array layouts."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.arrays.hashing import fnv1a64, shard_of, subject_hash


def plain_fnv1a64(text: str) -> int:
    """FNV-1a 64, byte by byte."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_published_vectors_of_fnv(text: str, expected: int) -> None:
    assert fnv1a64(pa.array([text]))[0] == expected


@pytest.mark.parametrize(
    ("kind", "subject", "expected"),
    [
        ("subscriber", "s00000001", 0xD5296642ED89B33D),
        ("household", "s00000001", 0x1F4B37F447C64B15),
        ("subscriber", "Ærø", 0xA29508506609FF7B),
    ],
)
def test_vectors_of_subjects(kind: str, subject: str, expected: int) -> None:
    assert subject_hash(kind, pa.array([subject]))[0] == expected


@given(st.lists(st.text()))
def test_columns_agree_with_bytes(texts: list[str]) -> None:
    padded = pa.array(["x", *texts, "y"])
    expected = [plain_fnv1a64(text) for text in texts]
    assert fnv1a64(padded[1:-1]).tolist() == expected
    assert fnv1a64(padded.cast(pa.large_string())[1:-1]).tolist() == expected


@given(st.integers(1, 1000))
def test_shards_are_in_range(shards: int) -> None:
    found = shard_of("subscriber", pa.array([f"s{i}" for i in range(100)]), shards)
    assert found.dtype == np.int64
    assert 0 <= found.min() <= found.max() < shards
