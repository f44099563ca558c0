"""Which names the expressions of a playbook read."""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from schemas.playbook import Playbook
from schemas.playbook_offers import Offer
from transforms.compiler.compile_expression import ExpressionError
from transforms.compiler.sql.parse import inlined, name_of, parse


def references(text: str, lets: Mapping[str, str]) -> set[str]:
    """Return the columns that an expression reads; none if it is no expression, which is told elsewhere."""
    try:
        return {name_of(column) for column in inlined(parse(text), lets, ()).find_all(exp.Column)}
    except (ExpressionError, RecursionError):
        return set()


def calls(text: str, lets: Mapping[str, str]) -> set[str]:
    """Return the functions that an expression calls, in small letters; none if it is no expression."""
    try:
        return {call.name.lower() for call in inlined(parse(text), lets, ()).find_all(exp.Anonymous)}
    except (ExpressionError, RecursionError):
        return set()


def called_by_contexts(playbook: Playbook, kind: str) -> set[str]:
    """Return every function that an expression over contexts of a level calls, in small letters."""
    return set().union(*(calls(text, playbook.let) for text in _texts(playbook, kind)))


def read_of_contexts(playbook: Playbook, kind: str) -> set[str]:
    """Return every name that an expression over contexts of a level reads, those of its offers included."""
    return set().union(*(references(text, playbook.let) for text in _texts(playbook, kind)))


def _texts(playbook: Playbook, kind: str) -> Iterator[str]:
    level = playbook.levels[kind]
    yield from (derived.expr for derived in level.derived.values())
    for segment in level.segments.values():
        yield from filter(None, (segment.enter, segment.exit))
    yield from (moment.when for moment in level.moments.values() if moment.when)
    for offer in playbook.offers.values():
        if any(trigger.startswith(f"{kind}.") for trigger in offer.for_):
            yield from texts_of(offer)


def texts_of(offer: Offer) -> Iterator[str]:
    """Yield the expressions of an offer."""
    yield from (offer.eligible, offer.value, offer.cost, *filter(None, [offer.p_accept]), *offer.params.values())
