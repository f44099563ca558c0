"""Models by definition: one row at a time."""

from collections.abc import Callable

import numpy as np
import onnxruntime

from schemas.playbook import Playbook
from tests.reference.expressions import Value

Score = Callable[..., Value]


def models_of(playbook: Playbook) -> dict[str, Score]:
    """Return what each model of a playbook makes of its arguments: models of one input, of single precision."""
    return {name: _score(playbook, name) for name in playbook.models}


def _score(playbook: Playbook, name: str) -> Score:
    model = playbook.models[name]
    session = onnxruntime.InferenceSession(playbook.model_files[name].content, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def score(*arguments: Value) -> Value:
        if None in arguments:
            return None
        row = np.array([arguments], np.float32)
        value = session.run([model.output or session.get_outputs()[0].name], {given.name: row})[0]
        return float(f"{value[0, model.column or 0]:.6g}")

    return score
