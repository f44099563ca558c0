"""From the goals of offers to which rows of signals fulfil them."""

from collections.abc import Mapping

import polars as pl

from schemas.contracts import Contract
from schemas.errors import LoadError
from schemas.playbook import Playbook
from transforms.compiler.compile_expression import Expression, ExpressionError, compile_expression
from transforms.compiler.context_plan import Goal
from transforms.compiler.features import SUBSCRIBER, signal_scope
from transforms.compiler.sequences import ANY


def compile_goals(
    playbook: Playbook, contracts: Mapping[str, Contract]
) -> tuple[dict[str, tuple[Goal, ...]], list[LoadError]]:
    """Return the goals of the offers, by signal type and offer, and the mistakes in those that are left out.

    Args:
        playbook: The checked playbook.
        contracts: Of its signals.
    """
    found: dict[str, tuple[Goal, ...]] = {}
    errors: list[LoadError] = []
    for name in sorted(playbook.offers):
        goal = playbook.offers[name].goal
        for signal, text in goal.signals.items() if goal else ():
            where: Expression | None = None
            if text != ANY:
                try:
                    scope = signal_scope(contracts[signal], SUBSCRIBER)
                    where = compile_expression(text, scope, playbook.let, {}, (pl.Boolean(),))
                except ExpressionError as error:
                    path = ("offers", name, "goal", signal)
                    errors.append(playbook.error(path, f"`{'.'.join(path)}`: {error.message}", text, error.hint))
                    continue
            found[signal] = (*found.get(signal, ()), Goal(name, where))
    return found, errors
