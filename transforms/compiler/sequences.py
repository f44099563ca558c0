"""From the moments of a playbook that are sequences to what is read, kept and told of signals."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain

import polars as pl

from schemas.contracts import Contract
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, STEPS, Moment
from transforms.compiler.compile_expression import ScopeColumn
from transforms.compiler.compiling import Compiling, Scope
from transforms.compiler.features import DTYPES, LOCAL, signal_scope
from transforms.compiler.references import references, texts_of
from transforms.compiler.steps import MADE, WITHOUT, Sequence, Step

ANY = "any"
"""The condition of every row."""

Contracts = Mapping[str, Contract]


def compile_sequences(compiling: Compiling, contracts: Contracts) -> dict[str, Sequence]:
    """Return the sequences of a level, by the name of their moment.

    Args:
        compiling: The level; mistakes are noted there.
        contracts: Of the playbook's signals.
    """
    books = {name: book for name, book in compiling.level.moments.items() if book.after}
    found = {name: _sequence(compiling, contracts, name, book) for name, book in books.items()}
    types: dict[str, pl.DataType] = {}
    for name, sequence in found.items():
        for column, dtype in sequence.columns.items():
            if types.setdefault(column, dtype) != dtype:
                message = f"`{MADE}{column}` is {dtype} here, and {types[column]} in another moment"
                compiling.fail(("moments", name), message, "a level can tell of only one of them")
    return found


def trigger_scopes(playbook: Playbook, contracts: Contracts) -> dict[str, Scope]:
    """Return, for each moment of all levels as offers name it, what they may read of the signals that made it."""
    found = {}
    for kind, level in playbook.levels.items():
        for name, book in level.moments.items():
            columns = _columns(book, contracts)
            found[f"{kind}.{name}"] = {f"{MADE}{column}": ScopeColumn(dtype) for column, dtype in columns.items()}
    return found


def _columns(book: Moment, contracts: Contracts) -> dict[str, pl.DataType]:
    """Return the columns of `after` and `then` signals; one that has several types cannot be told."""
    types: dict[str, set[pl.DataType]] = {}
    for signal in {**(book.after or {}), **(book.then or {})}:
        for name in contracts[signal].payload:
            types.setdefault(name, set()).add(_type(contracts[signal], name))
    return {name: found.pop() for name, found in sorted(types.items()) if len(found) == 1}


def _sequence(compiling: Compiling, contracts: Contracts, name: str, book: Moment) -> Sequence:
    same = tuple(sorted(_same(compiling, contracts, name, book)))
    wanted = _read_by_offers(compiling, name).union(same)
    columns = {column: dtype for column, dtype in _columns(book, contracts).items() if column in wanted}
    steps = []
    for part, signal, text in _conditions(book):
        scope = signal_scope(contracts[signal], compiling.name)
        where = compiling.condition(("moments", name, part, signal), text, scope) if text != ANY else None
        kept = [column for column in (same if part == WITHOUT else columns) if column in contracts[signal].payload]
        steps.append(Step(part, signal, where, same, tuple(kept)))
    read = sorted((step.part, step.signal, step.where.canonical if step.where else ANY) for step in steps)
    local = any(step.where and step.where.columns & LOCAL.keys() for step in steps)
    definition = repr((name, read, same, book.within, compiling.playbook.time_zone if local else ""))
    key = hashlib.blake2b(definition.encode(), digest_size=6).hexdigest()
    by_member = compiling.name in GROUPS
    return Sequence(key, tuple(steps), book.then is not None, book.within or 0, same, columns, by_member)


def _conditions(book: Moment) -> Iterator[tuple[str, str, str]]:
    """Yield part, signal type and condition of each step."""
    for part in STEPS:
        for signal, text in (getattr(book, part) or {}).items():
            yield part, signal, text


def _same(compiling: Compiling, contracts: Contracts, name: str, book: Moment) -> Iterator[str]:
    """Yield the columns that signals correlate by: all of them have each, of one type that can be equal."""
    signals = dict.fromkeys(signal for _, signal, _ in _conditions(book))
    for column in book.same or ():
        types = {}
        for signal in signals:
            if column in contracts[signal].payload:
                types[signal] = _type(contracts[signal], column)
            else:
                hint = near_miss(column, contracts[signal].payload)
                compiling.fail(("moments", name, "same"), f"`{signal}` has no column `{column}`", hint)
        if len(set(types.values())) > 1 or pl.Float64() in types.values():
            clash = ", ".join(f"{dtype} in `{signal}`" for signal, dtype in types.items())
            hint = "correlate by columns of one type that is not a number with decimals"
            compiling.fail(("moments", name, "same"), f"`{column}` is {clash}", hint)
        elif len(types) == len(signals):
            yield column


def _type(contract: Contract, column: str) -> pl.DataType:
    return DTYPES[contract.by_name[column].type]


def _read_by_offers(compiling: Compiling, name: str) -> set[str]:
    """Return the columns of signals that the offers for a moment read."""
    book = compiling.playbook
    texts = [texts_of(offer) for offer in book.offers.values() if f"{compiling.name}.{name}" in offer.for_]
    read = {column for text in chain.from_iterable(texts) for column in references(text, book.let)}
    return {column.removeprefix(MADE) for column in read if column.startswith(MADE)}
