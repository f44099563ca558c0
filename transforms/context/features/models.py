"""Scores by a model: an ONNX file run over columns of numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

from schemas.near_miss import near_miss
from schemas.playbook import Model
from transforms.arrays.dtypes import Doubles
from transforms.context.features.model_graph import WITHOUT_END, operators

Type = type[np.float32] | type[np.float64]

BLOCK = 256
"""How many rows a model sees at a time, always: how many there are changes how some add up."""

DIGITS = 6
"""Significant digits of a score: what single precision holds, and processors agree on."""

TYPES: dict[str, Type] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
NOWHERE = "/nowhere"
"""Where weights outside the file are looked for: they would not be part of the playbook."""


class ModelError(ValueError):
    """What is wrong with a model: the key of the playbook's model that it is about, what, and what to do."""

    def __init__(self, key: str, message: str, hint: str = "") -> None:
        """Keep the parts for the report."""
        super().__init__(key, message, hint)
        self.key, self.message, self.hint = key, message, hint


@dataclass(frozen=True)
class Scorer:
    """A model that was opened and tried.

    Attributes:
        run: Scores `BLOCK` rows of doubles, a column an argument.
        dtype: What the model takes.
    """

    run: Callable[[np.ndarray], Doubles]
    dtype: Type

    def __call__(self, arguments: Sequence[pl.Series]) -> pl.Series:
        """Return the score of each row.

        It is NULL where an argument is NULL or too large for the model's type, and where it would be infinite or NaN.
        """
        columns = np.broadcast_arrays(*(argument.cast(pl.Float64).to_numpy() for argument in arguments))
        with np.errstate(over="ignore"):
            rows = np.stack(columns, axis=1).astype(self.dtype)
        known = np.flatnonzero(np.isfinite(rows).all(axis=1))
        scores = np.full(len(rows), np.nan)
        for start in range(0, len(known), BLOCK):
            some = known[start : start + BLOCK]
            block = np.zeros((BLOCK, rows.shape[1]), self.dtype)
            block[: len(some)] = rows[some]
            scores[some] = self.run(block)[: len(some)]
        scores[~np.isfinite(scores)] = np.nan
        return pl.Series(scores).fill_nan(None).round_sig_figs(DIGITS)


@lru_cache(maxsize=64)
def open_model(model: Model, content: bytes) -> Scorer:
    """Open a model and try it.

    Args:
        model: What the playbook says about it.
        content: The file.

    Raises:
        ModelError: ONNX Runtime is not installed, this is no model, its inputs or output are not as the playbook says,
            or a row's score depends on the other rows or on chance.
    """
    _refuse_endless(content)
    session = _session(content)
    feed, dtype = _inputs(model, session.get_inputs())
    output = _output(model, [one.name for one in session.get_outputs()])

    def run(block: np.ndarray) -> Doubles:
        found = session.run([output], feed(block))[0]
        return _column(model, found).astype(np.float64)

    _try(run, len(model.inputs), dtype)
    return Scorer(run, dtype)


def _refuse_endless(content: bytes) -> None:
    """Refuse what may never end, before a session runs parts of it."""
    try:
        endless = sorted(WITHOUT_END.intersection(operators(content)))
    except ValueError as error:
        raise ModelError("file", f"is no model that can be run: {error}") from error
    if endless:
        hint = "export it without: a score takes the same steps for every row"
        raise ModelError("file", f"runs parts of itself as often as the data say, by `{endless[0]}`", hint)


def _session(content: bytes) -> Any:
    """Return a session that computes the same at any time: one thread, no weights from elsewhere."""
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise ModelError("file", "needs ONNX Runtime", "pip install 'segment-of-one[scores]'") from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise ModelError("file", f"is no model that can be run: {_reason(error)}") from error


def _failures() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises."""
    known = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return tuple(getattr(known, name) for name in names)


def _reason(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says."""
    return str(error).strip().partition("\n")[0]


Feed = Callable[[np.ndarray], dict[str, np.ndarray]]


def _inputs(model: Model, inputs: Sequence[Any]) -> tuple[Feed, Type]:
    """Return what makes a model's inputs of a block, and their type."""
    names, types = [one.name for one in inputs], sorted({one.type for one in inputs})
    if types not in ([name] for name in TYPES):
        raise ModelError("inputs", f"the model takes {' and '.join(types)}", f"export it with {' or '.join(TYPES)}")
    dtype = TYPES[types[0]]
    if len(names) == 1:
        shape = inputs[0].shape
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != len(model.inputs)):
            message = f"the model takes rows and columns as {shape}, and `inputs` names {len(model.inputs)}"
            raise ModelError("inputs", message, "name its columns, in their order")
        return (lambda block: {names[0]: block}), dtype
    for name in model.inputs:
        if name not in names:
            raise ModelError("inputs", f"the model has no input `{name}`", near_miss(name, names))
    if missing := [name for name in names if name not in model.inputs]:
        raise ModelError("inputs", f"the model also takes `{missing[0]}`", "name all of its inputs")
    flat = {one.name: len(one.shape) == 1 for one in inputs}

    def feed(block: np.ndarray) -> dict[str, np.ndarray]:
        columns = dict(zip(model.inputs, block.T, strict=True))
        return {name: column if flat[name] else column.reshape(-1, 1) for name, column in columns.items()}

    return feed, dtype


def _output(model: Model, names: Sequence[str]) -> str:
    if model.output is None and len(names) == 1:
        return names[0]
    if model.output is None:
        raise ModelError(
            "output", f"the model gives {', '.join(f'`{name}`' for name in names)}", "say which, as `output`"
        )
    if model.output not in names:
        raise ModelError("output", f"the model has no output `{model.output}`", near_miss(model.output, names))
    return model.output


def _column(model: Model, found: Any) -> np.ndarray:
    """Return the one number of each row."""
    if not isinstance(found, np.ndarray) or found.dtype not in TYPES.values() or found.shape[:1] != (BLOCK,):
        raise ModelError("output", "is not a number for each row", "of a classifier, export probabilities as a tensor")
    table = found.reshape(BLOCK, -1)
    columns = table.shape[1]
    if model.column is None and columns > 1:
        raise ModelError("output", f"has {columns} columns", "say which, as `column: 1`")
    if (model.column or 0) >= columns:
        raise ModelError("column", f"the output has {columns} of them, counted from 0")
    return table[:, model.column or 0]


def _try(run: Callable[[np.ndarray], Doubles], arguments: int, dtype: Type) -> None:
    """See whether a model runs, and scores each row for itself."""
    block, half = (np.arange(BLOCK * arguments).reshape(BLOCK, arguments) % 7).astype(dtype), BLOCK // 2
    others = np.concatenate([np.zeros_like(block[half:]), block[:half]])
    try:
        scores, again = run(block)[:half], run(others)[half:]
    except _failures() as error:
        hint = f"it must take {BLOCK} rows: leave the first dimension of its inputs free"
        raise ModelError("file", f"cannot be run: {_reason(error)}", hint) from error
    if not np.allclose(scores, again, rtol=1e-6, atol=0, equal_nan=True):
        raise ModelError("file", "scores a row by the other rows, or by chance", "the same must always score the same")
