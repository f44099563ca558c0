"""Scores by a model: what they are, that no row minds the others, what is refused."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from schemas.playbook import Model
from tests.onnx_models import DOUBLE, FLOAT, linear, looping, model, ratio
from transforms.context.features.model_graph import operators
from transforms.context.features.models import BLOCK, ModelError, Scorer, open_model


def spec(*inputs: str, output: str | None = None, column: int | None = None) -> Model:
    return Model(file="m.onnx", inputs=inputs, output=output, column=column)


def scores(scorer: Scorer, *columns: list[float | None]) -> list[float | None]:
    return scorer([pl.Series(column, dtype=pl.Float64) for column in columns]).to_list()


def network(of: int) -> bytes:
    """Return a network with a hidden layer, from two columns to two."""
    rng = np.random.default_rng(7)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"]),
    ]
    return model({"x": [None, 2]}, nodes, ["y"], {"w": rng.normal(size=(2, 33)), "v": rng.normal(size=(33, 2))}, of)


@pytest.mark.parametrize("of", [FLOAT, DOUBLE])
def test_a_score_is_what_the_model_says(of: int) -> None:
    scorer = open_model(spec("a", "b"), linear(0.1, 0.25, of=of))
    assert scores(scorer, [6.0, 0.0, -2.0], [0.0, 5.0, 3.0]) == [0.6, 1.25, 0.55]


def test_inputs_may_have_names_of_their_own() -> None:
    assert scores(open_model(spec("a", "b"), ratio()), [6.0, 1.0], [3.0, 4.0]) == [2.0, 0.25]
    assert scores(open_model(spec("b", "a"), ratio()), [6.0, 1.0], [3.0, 4.0]) == [0.5, 4.0]


def test_what_is_unknown_or_no_number_is_null() -> None:
    scorer = open_model(spec("a", "b"), ratio())
    told = scores(scorer, [None, 1.0, 1.0, 0.0, 1e300, 8.0], [1.0, None, 0.0, 0.0, 1.0, 2.0])
    assert told == [None, None, None, None, None, 4.0]
    assert scores(scorer, [], []) == []
    assert scores(scorer, [1.0, 2.0], [4.0]) == [0.25, 0.5]  # a constant argument


def test_of_several_columns_one_is_the_score() -> None:
    one, other = (open_model(spec("a", "b", column=n), network(FLOAT)) for n in (0, 1))
    added = np.array(scores(one, [0.5, 1.0], [2.0, 3.0])) + np.array(scores(other, [0.5, 1.0], [2.0, 3.0]))
    assert added == pytest.approx([1, 1], rel=1e-5)


NUMBERS = st.floats(-1e3, 1e3, width=32) | st.none()


@settings(max_examples=50)
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=3 * BLOCK),
    of=st.sampled_from([FLOAT, DOUBLE]),
    data=st.data(),
)
def test_a_row_does_not_mind_the_others(rows: list[tuple[float, float]], of: int, data: st.DataObject) -> None:
    scorer = open_model(spec("a", "b", column=1), network(of))
    whole = scores(scorer, *map(list, zip(*rows, strict=True)))
    some = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=20))
    picked = scores(scorer, *map(list, zip(*(rows[n] for n in some), strict=True)))
    assert picked == [whole[n] for n in some]


MEAN = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[0]), helper.make_node("Sub", ["x", "m"], ["y"])]
ONE = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0])]
CHANCE = [helper.make_node("RandomUniformLike", ["x"], ["y"])]
TWO = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])]
INPUT = {"x": [None, 1]}


@pytest.mark.parametrize(
    ("of", "content", "key", "told"),
    [
        (spec("a"), b"", "file", "is no model that can be run: .*No graph"),
        (spec("a"), b"what", "file", "is no model that can be run: a field of kind 7"),
        (spec("a"), linear(1, 2), "inputs", r"the model takes rows and columns as \[None, 2\], and `inputs` names 1"),
        (spec("a", "c"), ratio(), "inputs", "the model has no input `c`"),
        (spec("a", "b", "x"), ratio(), "inputs", "the model has no input `x`"),
        (spec("a"), ratio(), "inputs", "the model also takes `b`"),
        (spec("a"), linear(1, of=TensorProto.INT64), "inputs", r"the model takes tensor\(int64\)"),
        (spec("a"), linear(1, rows=1), "file", f"cannot be run: .*it must take {BLOCK} rows"),
        (spec("a", output="z"), linear(1), "output", "the model has no output `z`"),
        (spec("a"), model(INPUT, TWO, ["y", "z"]), "output", "the model gives `y`, `z`"),
        (spec("a", "b"), network(FLOAT), "output", "has 2 columns"),
        (spec("a", "b", column=2), network(FLOAT), "column", "the output has 2 of them, counted from 0"),
        (
            spec("a"),
            model(INPUT, ONE, ["y"]),
            "output",
            "is not a number for each",
        ),
        (spec("a"), model(INPUT, MEAN, ["y"]), "file", "scores a row by the other rows, or by chance"),
        (spec("a"), model(INPUT, CHANCE, ["y"]), "file", "scores a row by the other rows, or by chance"),
    ],
    ids=lambda value: "" if isinstance(value, bytes | Model) else None,
)
def test_what_does_not_fit_is_refused(of: Model, content: bytes, key: str, told: str) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        open_model(of, content)
    assert caught.value.key == key


def test_weights_are_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = onnx.load_from_string(linear(*range(64)))
    onnx.save(made, tmp_path / "m.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"is no model that can be run: .*weights"):
        open_model(spec(*(f"c{n}" for n in range(64))), (tmp_path / "m.onnx").read_bytes())


def test_without_the_runtime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="needs ONNX Runtime") as caught:
        open_model(spec("never", "tried"), linear(3, 5))
    assert caught.value.hint == "pip install 'segment-of-one[scores]'"


@pytest.mark.parametrize("inside", [False, True])
def test_what_may_never_end_is_refused_before_it_runs(inside: bool) -> None:
    with pytest.raises(ModelError, match=r"as often as the data say, by `Loop`"):
        open_model(spec("a"), looping(2**60, inside))


def test_operators_are_those_of_all_graphs() -> None:
    assert sorted(operators(looping(3, inside=True))) == ["Add", "Identity", "Identity", "If", "Loop"]
    assert sorted(operators(network(FLOAT))) == ["MatMul", "MatMul", "Softmax", "Tanh"]


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_bytes_that_are_no_model_are_told(at: int, byte: int, cut: int) -> None:
    content = bytearray(looping(3, inside=True))
    content[at % len(content)] = byte
    with suppress(ValueError):
        assert all(isinstance(name, str) for name in operators(bytes(content[: cut % len(content)])))
