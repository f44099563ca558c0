"""What contact roots are told of signals that the policy reads: notices."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, get_args

import polars as pl
import pyarrow as pa

from schemas.contracts import Contract, Field, contract
from schemas.errors import LoadError
from schemas.playbook import Playbook
from schemas.playbook_offers import Message
from schemas.records import NOTICE
from transforms.arrays.in_time import FOREVER
from transforms.compiler.references import references

CONSENT = "consent"
CONTROL = "control"
OUTCOME = "outcome"
GOAL = "goal"
"""Stands for a signal type: what contact roots are told of rows of any type that fulfil the goal of an offer."""

MESSAGES: tuple[str, ...] = get_args(Message)

KEYS: Mapping[str, tuple[str, ...] | None] = {
    CONSENT: ("purpose", "channel"),
    "profile": (),
    "ticket": ("ticket_id",),
    CONTROL: ("scope", "target"),
    "contact": None,
    OUTCOME: None,
    GOAL: None,
}
"""Of these columns of each signal the latest row holds; None: every row does."""


class Notice(NamedTuple):
    """One signal type that contact roots are told of.

    Attributes:
        signal: The type.
        columns: Payload columns, in order.
    """

    signal: str
    columns: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...] | None:
        """Of these columns the latest row is kept; None: every row, for as long as contacts matter."""
        return KEYS[self.signal]

    def schema(self, contract: Contract | None) -> pa.Schema:
        """Return the columns of a batch of notices; what a contract of one's own lacks is NULL in all rows."""
        if contract is None:
            return pa.schema([*NOTICE, pa.field("offer", pa.string())], NOTICE.metadata | {b"of": GOAL.encode()})
        known = _built_in(self.signal) | contract.by_name
        fields = [pa.field(name, known[name].type) for name in self.columns if name in known]
        return pa.schema([*NOTICE, *fields], NOTICE.metadata | {b"of": self.signal.encode()})

    def latest(self, rows: pl.DataFrame, *of: str) -> pl.DataFrame:
        """Return the rows that hold, for each `of` and key: the last by (time, withdrawn first, source, id); else all.

        Of consents also those that hold again once later ones have lapsed.

        Args:
            rows: Columns time, source, id, the payload and `of`.
            of: Whose rows they are.
        """
        if self.key is None:
            return rows
        ordered = rows.sort(order_of(self.signal), maintain_order=True)
        if self.signal == CONSENT:
            return not_outlasted(ordered, *of, *self.key)
        return ordered.unique([*of, *self.key], keep="last", maintain_order=True)


def first_fulfilments(rows: pl.DataFrame, tick: int, *of: str) -> pl.DataFrame:
    """Return of each `of`, offer and own tick the fulfilment that acts first.

    Args:
        rows: Columns tick, from which each acts, time, source, id, offer and `of`.
        tick: The distance of ticks, milliseconds.
        of: Whose rows they are.
    """
    ordered = rows.sort("tick", "time", "source", "id", "offer", *of).with_columns(own=pl.col("time") // tick)
    return ordered.unique([*of, "offer", "own"], keep="first", maintain_order=True).drop("own")


def not_outlasted(rows: pl.DataFrame, *of: str) -> pl.DataFrame:
    """Return of consents those that hold at some time: none that comes later is valid as long.

    Args:
        rows: Columns valid_until, NULL for ever, and `of`; in the order in which they hold.
        of: What is the same in those that stand for one another.
    """
    until = pl.col("valid_until").fill_null(FOREVER)
    later = until.cum_max(reverse=True).shift(-1).over(of)
    return rows.filter((until > later).fill_null(True))


def order_of(signal: str) -> list[pl.Expr]:
    """Return what orders rows of a type, the one that holds last: of one time a consent withdrawn comes first."""
    rank = [pl.col("state").ne_missing("withdrawn")] if signal == CONSENT else []
    return [pl.col("time"), *rank, pl.col("source"), pl.col("id")]


def notices_of(playbook: Playbook) -> dict[str, Notice]:
    """Return what the policy of a playbook reads, by signal type; nothing where it makes no offers."""
    if not playbook.offers:
        return {}
    goals = {GOAL: Notice(GOAL, ("offer",))} if any(offer.goal for offer in playbook.offers.values()) else {}
    return notices_read(playbook) | goals


def notices_read(playbook: Playbook) -> dict[str, Notice]:
    """Return what the policy of a playbook reads of offers that are out, whoever made them, by signal type."""
    return {name: Notice(name, columns) for name, columns in _every(playbook) if name in playbook.signals}


def notices_of_all(playbooks: Iterable[Playbook]) -> dict[str, Notice]:
    """Return what the policy of some version of a playbook reads, by signal type, with all columns that any reads."""
    found: dict[str, Notice] = {}
    for name, notice in (item for book in playbooks for item in notices_of(book).items()):
        before = found.setdefault(name, notice).columns
        found[name] = notice._replace(columns=tuple(dict.fromkeys((*before, *notice.columns))))
    return found


def schemas_of(notices: Mapping[str, Notice], contracts: Mapping[str, Contract]) -> dict[str, pa.Schema]:
    """Return the columns of the batches of notices, by signal type."""
    return {name: one.schema(None if name == GOAL else contracts[name]) for name, one in notices.items()}


def unfit_contracts(playbook: Playbook, contracts: Mapping[str, Contract]) -> list[LoadError]:
    """Return which columns that the policy reads are of another type in contracts of one's own."""
    errors = []
    for name, notice in ((name, one) for name, one in notices_of(playbook).items() if name != GOAL):
        theirs, ours = contracts[name].by_name, _built_in(name)
        for column in notice.columns:
            if column in theirs and column in ours and theirs[column].type != ours[column].type:
                message = f"the policy reads `{column}` of `{name}`, which is {theirs[column].type} in its contract"
                errors.append(playbook.error(("signals",), message, hint=f"make it {ours[column].type}"))
    return errors


def _every(playbook: Playbook) -> Iterator[tuple[str, tuple[str, ...]]]:
    if any(playbook.basis_of(message) != "contract" for message in MESSAGES):
        yield CONSENT, ("purpose", "channel", "state", "valid_until")
    yield "profile", ("zone", "channels")
    if playbook.policy.no_sales_while:
        yield "ticket", _ticket_columns(playbook)
    yield CONTROL, ("action", "scope", "target")
    yield "contact", ("decision_id", "offer", "family", "message", "channel", "state")
    yield OUTCOME, ("decision_id", "offer", "channel", "result")


def _ticket_columns(playbook: Playbook) -> tuple[str, ...]:
    read = set().union(*(references(text, playbook.let) for text in (playbook.policy.no_sales_while or {}).values()))
    return ("ticket_id", *sorted(read - {"ticket_id", *NOTICE.names}))


def _built_in(signal: str) -> dict[str, Field]:
    return contract(signal).by_name
