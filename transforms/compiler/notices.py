"""What contact roots are told of signals that the policy reads: notices."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, get_args

import pyarrow as pa

from schemas.contracts import Contract
from schemas.playbook import Playbook
from schemas.playbook_offers import Message
from schemas.records import NOTICE
from transforms.compiler.references import references

MESSAGES: tuple[str, ...] = get_args(Message)

KEYS: Mapping[str, tuple[str, ...] | None] = {
    "consent": ("purpose", "channel"),
    "profile": (),
    "ticket": ("ticket_id",),
    "control": ("scope", "target"),
    "contact": None,
    "outcome": None,
}
"""Of these columns of each signal the latest row holds; None: every row does."""


class Notice(NamedTuple):
    """One signal type that contact roots are told of.

    Attributes:
        signal: The type.
        columns: Payload columns, in order.
        key: Of these the latest row is kept; None: every row, for as long as contacts matter.
    """

    signal: str
    columns: tuple[str, ...]
    key: tuple[str, ...] | None

    def schema(self, contract: Contract) -> pa.Schema:
        """Return the columns of a batch of notices."""
        fields = [pa.field(name, contract.by_name[name].type) for name in self.columns]
        return pa.schema([*NOTICE, *fields], NOTICE.metadata | {b"of": self.signal.encode()})


def notices_of(playbook: Playbook) -> dict[str, Notice]:
    """Return what the policy of a playbook reads, by signal type; nothing where it makes no offers."""
    if not playbook.offers:
        return {}
    return {one.signal: one for one in _every(playbook) if one.signal in playbook.signals}


def _every(playbook: Playbook) -> Iterator[Notice]:
    if any(playbook.basis_of(message) != "contract" for message in MESSAGES):
        yield Notice("consent", ("purpose", "channel", "state", "valid_until"), ("purpose", "channel"))
    yield Notice("profile", ("zone", "channels"), ())
    if playbook.policy.no_sales_while:
        yield Notice("ticket", _ticket_columns(playbook), ("ticket_id",))
    yield Notice("control", ("action", "scope", "target"), ("scope", "target"))
    yield Notice("contact", ("decision_id", "offer", "family", "message", "channel", "state"), None)
    yield Notice("outcome", ("decision_id", "offer", "channel", "result"), None)


def _ticket_columns(playbook: Playbook) -> tuple[str, ...]:
    read = set().union(*(references(text, playbook.let) for text in (playbook.policy.no_sales_while or {}).values()))
    return ("ticket_id", *sorted(read - {"ticket_id"}))
