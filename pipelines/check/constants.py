"""The constants that a playbook's expressions compare columns with: signals at random hold them often."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from schemas.playbook import Playbook
from schemas.playbook_levels import STEPS
from transforms.compiler.compile_expression import ExpressionError
from transforms.compiler.sql.parse import inlined, name_of, parse

Value = str | float
_Where = tuple[str, str]


class Constants:
    """Constants by signal and column, as far as it is known of which; else all of them."""

    def __init__(self, playbook: Playbook) -> None:
        """Read a playbook."""
        self._lets = playbook.let
        self._of: dict[_Where, list[Value]] = defaultdict(list)
        self._every: list[Value] = []
        self._features = dict(_columns_of(playbook))
        for signal, text in _texts(playbook):
            for column, value in self._compared(text):
                self._note(signal, column, value)

    def texts(self, signal: str, column: str) -> list[str]:
        """Return the texts that a column is compared with."""
        return [value for value in self._of.get((signal, column), ()) if isinstance(value, str)]

    def numbers(self, signal: str, column: str) -> list[float]:
        """Return the numbers that a column is compared with; where there are none, all numbers."""
        mine = [value for value in self._of.get((signal, column), ()) if not isinstance(value, str)]
        return mine or [value for value in self._every if not isinstance(value, str)]

    def _note(self, signal: str, column: str, value: Value) -> None:
        self._every.append(value)
        owner, _, field = column.rpartition(".")
        places = [(signal or owner, field), *self._features.get(field, ())]
        for place in places:
            self._of[place].append(value)

    def _compared(self, text: str) -> Iterator[tuple[str, Value]]:
        """Yield each constant of an expression with the column that it is compared with, or none."""
        try:
            tree = inlined(parse(text), self._lets, ())
        except (ExpressionError, RecursionError):
            return
        for literal in tree.find_all(exp.Literal):
            value: Value = str(literal.this).strip("%") if literal.is_string else float(literal.this)
            around = literal.find_ancestor(exp.In, exp.Binary, exp.Between)
            columns = [] if around is None else list(around.find_all(exp.Column))
            yield (name_of(columns[0]) if columns else ""), value


def _columns_of(playbook: Playbook) -> Iterator[tuple[str, list[_Where]]]:
    """Yield each feature with the column of a signal that it aggregates."""
    for level in playbook.levels.values():
        for name, feature in level.features.items():
            yield name, [(feature.from_, feature.column)]


def _texts(playbook: Playbook) -> Iterator[tuple[str, str]]:
    """Yield every expression with the signal that it is about; none: about contexts."""
    for level in playbook.levels.values():
        yield from ((one.from_, one.where) for one in level.features.values() if one.where)
        yield from (("", one.expr) for one in level.derived.values())
        yield from (("", text) for one in level.segments.values() for text in (one.enter, one.exit) if text)
        for moment in level.moments.values():
            yield from ([("", moment.when)] if moment.when else [])
            for step in STEPS:
                yield from (getattr(moment, step) or {}).items()
    yield from (("", offer.eligible) for offer in playbook.offers.values())
    yield from (playbook.policy.no_sales_while or {}).items()
    yield from (item for offer in playbook.offers.values() if offer.goal for item in offer.goal.signals.items())


def lengths(playbook: Playbook) -> list[int]:
    """Return the times that matter: at their bounds it shows whether they are kept; milliseconds."""
    policy, offers = playbook.policy, playbook.offers.values()
    cooldowns = [*(offer.cooldown for offer in offers), *policy.cooldown.values()]
    found: list[Any] = [one for cooldown in cooldowns for one in (cooldown.after, cooldown.after_rejection)]
    found += [cap.in_ for cap in policy.caps if isinstance(cap.in_, int)]
    found += [one for offer in offers for one in (offer.wait, offer.valid_for)]
    found += [offer.goal.within for offer in offers if offer.goal]
    found += [policy.max_decision_age, policy.contacts_reported_within, *map(playbook.inbound_first, offers)]
    return sorted({one for one in found if one})


def channels(playbook: Playbook) -> list[str]:
    """Return the channels that offers go by."""
    return sorted(playbook.channels)


def roles(playbook: Playbook) -> list[str]:
    """Return the roles in groups that offers are for, and one more."""
    return [*sorted({offer.to for offer in playbook.offers.values() if offer.to}), "member"]
