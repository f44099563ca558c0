"""Models in expressions: `churn(fading, drops)` is a function, and `models.churn`, its version, is in the context."""

from collections.abc import Callable, Collection, Iterator

import polars as pl

from schemas.playbook import Playbook
from transforms.compiler.compile_expression import compile_expression
from transforms.compiler.compiling import Compiling
from transforms.compiler.definitions import Derived
from transforms.compiler.sql.forms import FORMS
from transforms.compiler.sql.functions import FUNCTIONS, Function, Takes
from transforms.compiler.sql.values import DOUBLE
from transforms.context.features.models import ModelError, Scorer, open_model

MODELS = "models"
"""What the names of versions of models begin with."""


def model_functions(compiling: Compiling) -> Iterator[tuple[str, Function]]:
    """Yield name, in capitals, and function of each model of a level's playbook; mistakes are noted there."""
    for name, file in compiling.playbook.model_files.items():
        model = compiling.playbook.models[name]
        if name.upper() in (*FUNCTIONS, *FORMS, "DAYS_UNTIL"):
            compiling.fail_at((MODELS, name), f"`{name}` is a function that there is already", "give it another name")
            continue
        try:
            scorer = open_model(model, file.content)
        except ModelError as error:
            compiling.fail_at((MODELS, name, error.key), error.message, error.hint)
            continue
        doc = f"{name}({', '.join(model.inputs)})"
        takes = tuple[Takes, ...]("double" for _ in model.inputs)
        meaning = f"{file.version} {model.inputs} {model.output} {model.column}"
        yield name.upper(), Function(takes, DOUBLE, _scored(scorer), doc, partial=True, finite=True, meaning=meaning)


def model_versions(playbook: Playbook, called: Collection[str]) -> Iterator[Derived]:
    """Yield the version of each model that is called: so it is in contexts, too."""
    for name, file in playbook.model_files.items():
        if name in called:
            yield Derived(f"{MODELS}.{name}", compile_expression(f"'{file.version}'", {}), None)


def _scored(scorer: Scorer) -> Callable[..., pl.Expr]:
    def build(*arguments: pl.Expr) -> pl.Expr:
        return pl.map_batches(arguments, scorer, return_dtype=pl.Float64(), is_elementwise=True)

    return build
