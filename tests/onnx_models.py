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


def looping(turns: int, inside: bool = False) -> bytes:
    """Return a model that adds 1 to the column of its input so often, by a loop; `inside` an `If` of a function."""
    flag = helper.make_tensor_value_info("on", TensorProto.BOOL, [])
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    value, more = (helper.make_tensor_value_info(name, FLOAT, None) for name in ("v", "more"))
    still = helper.make_tensor_value_info("still", TensorProto.BOOL, [])
    body = [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Add", ["v", "one"], ["more"])]
    loop = helper.make_node(
        "Loop", ["turns", "", "x"], ["y"], body=helper.make_graph(body, "body", [turn, flag, value], [still, more])
    )
    if inside:
        out = [helper.make_tensor_value_info("y", FLOAT, None)]
        same = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [], out)
        loop = helper.make_node(
            "If", ["yes"], ["y"], then_branch=helper.make_graph([loop], "loop", [], out), else_branch=same
        )
    loaded = ModelProto.FromString(model({"x": [None, 1]}, [loop], ["y"], {"one": 1.0}))
    loaded.graph.initializer.append(numpy_helper.from_array(np.array(turns, np.int64), "turns"))
    loaded.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return loaded.SerializeToString()


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
