"""Pseudonyms are keyed and stable; ids of the content tell different rows apart."""

from hashlib import blake2b

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from transforms.parsing.identity import content_ids, pseudonyms


def test_pseudonyms_are_keyed_blake2b() -> None:
    hidden = pseudonyms(pa.array(["a", None, "", "a", "b"]), b"k" * 16)
    expected = blake2b(b"a", digest_size=16, key=b"k" * 16).hexdigest()
    assert hidden.to_pylist()[:4] == [expected, None, "", expected]
    assert hidden[4] != hidden[0]
    assert pseudonyms(pa.array(["a"]), b"l" * 16)[0].as_py() != expected


def test_ids_of_the_content_are_stable() -> None:
    columns = {"subject": pa.array(["a", "a"]), "mb": pa.array([0.5, None]), "kind": pa.nulls(2, pa.string())}
    ids = content_ids(columns).to_pylist()
    assert [len(name) for name in ids] == [32, 32]
    assert ids[0] != ids[1]
    assert content_ids({"mb": pa.array([None, 0.5]), "subject": columns["subject"]}).to_pylist() == ids[::-1]


ROWS = st.tuples(st.none() | st.text(max_size=3), st.none() | st.text(max_size=3), st.none() | st.integers(-5, 5))


@given(st.lists(ROWS, max_size=6))
def test_equal_rows_and_only_they_have_equal_ids(rows: list[tuple[str | None, str | None, int | None]]) -> None:
    kinds = {"a": pa.string(), "b": pa.string(), "c": pa.int64()}
    columns = {name: pa.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(kinds.items())}
    ids = content_ids(columns)
    assert len(set(ids.to_pylist())) == len(set(rows))


def test_no_value_can_pass_for_another_field() -> None:
    columns = {"a": pa.array(["1", "1b=2", "1b=1:2"]), "b": pa.array(["2", None, None])}
    assert len(set(content_ids(columns).to_pylist())) == 3


def test_both_halves_of_an_id_are_hashes() -> None:
    """A published vector: FNV-1a 64 of `a=1:x` from two bases, finalised."""
    assert content_ids({"a": pa.array(["x"])}).to_pylist() == ["538cad1c5716e1d77098851eafd5a6a3"]
