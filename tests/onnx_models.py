"""Small ONNX models for tests."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


def model(
    inputs: Mapping[str, Sequence[int | None]],
    nodes: Sequence[NodeProto],
    outputs: Sequence[str],
    weights: Mapping[str, object] | None = None,
    of: int = FLOAT,
) -> bytes:
    """Return a model's file.

    Args:
        inputs: Shape of each; None is free.
        nodes: What it does.
        outputs: Their names; shapes are not told.
        weights: Constants, by name.
        of: Type of everything.
    """
    dtype = helper.tensor_dtype_to_np_dtype(of)
    constants = [numpy_helper.from_array(np.array(value, dtype), name) for name, value in (weights or {}).items()]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, of, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, of, None) for name in outputs],
        constants,
    )
    made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return made.SerializeToString()


def linear(*weights: float, of: int = FLOAT, rows: int | None = None) -> bytes:
    """Return a model of one input `x` whose output `y` is the weighted sum of its columns."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model({"x": [rows, len(weights)]}, [node], ["y"], {"w": [[weight] for weight in weights]}, of)


def logistic(bias: float, *weights: float) -> bytes:
    """Return a model of one input `x` whose output `probability` is the logistic function of a weighted sum."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["probability"]),
    ]
    constants = {"w": [[weight] for weight in weights], "b": [bias]}
    return model({"x": [None, len(weights)]}, nodes, ["probability"], constants)


def ratio() -> bytes:
    """Return a model of inputs `a` and `b`, of other ranks, whose output is `a / b`."""
    flat = [helper.make_node("Squeeze", ["b", "axis"], ["c"]), helper.make_node("Div", ["a", "c"], ["y"])]
    made = model({"a": [None], "b": [None, 1]}, flat, ["y"])
    loaded = ModelProto.FromString(made)
    loaded.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    return loaded.SerializeToString()
