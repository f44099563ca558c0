"""Why somebody did not get an offer: what held it up each time, or what its triggers are still waiting for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.explain_story.books import Books
from pipelines.explain_story.conditions import EXITED, condition_of, read_of, read_words
from pipelines.explain_story.gates import Known, gate_lines
from pipelines.explain_story.tale import address, answer, is_best
from pipelines.explain_story.values import Row, pairs
from pipelines.failures import Failure
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_levels import STEPS
from schemas.visible import visible


class UnknownOfferError(Failure):
    """The playbook of the run has no such offer."""


@dataclass(frozen=True)
class Asked:
    """What there is to say why an offer was not made.

    Attributes:
        subject: KIND/ID.
        offer: The name of the offer.
        until: Nothing after it is looked at, RFC 3339.
        decisions: All that reached, or were about, the subject; those that were outranked with `went_out`.
        known: What there is to explain each decision with, by decision_id.
        books: The playbook.
        latest: KIND/ID of the subject, and of the groups it is known to be in, with their latest row of `contexts`;
            None for none.
        happened: The same, with their rows of `transitions`.
    """

    subject: str
    offer: str
    until: str
    decisions: Sequence[Row]
    known: Mapping[str, Known]
    books: Books
    latest: Mapping[str, Row | None]
    happened: Mapping[str, Sequence[Row]]

    def answer(self) -> dict[str, Any]:
        """Return the decisions at which the offer stood for choice, and its triggers that came to none.

        `unknown` says why triggers are not told.

        Raises:
            UnknownOfferError: no such offer, as far as is known.
        """
        book = self.books.at(self.until)
        triggers = book.offers[self.offer].for_ if book and self.offer in book.offers else ()
        tried = [row for row in self.decisions if self._concerns(row) or row["trigger"] in triggers]
        if not (triggers or tried):
            raise UnknownOfferError(self._unknown(book))
        return {
            "offer": self.offer,
            "decisions": [*map(self._tried, tried)],
            "triggers": [*map(self._trigger, triggers)],
            "unknown": None if triggers else self._missing(book),
        }

    def _concerns(self, row: Row) -> bool:
        return row["offer"] == self.offer or any(one["offer"] == self.offer for one in row["candidates"])

    def _missing(self, book: Playbook | None) -> str:
        if book is None:
            return f"{self.books.missing}; give the playbook with `--playbook FILE`"
        return f"version {book.version} of the playbook has no such offer"

    def _unknown(self, book: Playbook | None) -> str:
        seen = {one["offer"] for row in self.decisions for one in row["candidates"]}
        if book is not None:
            what = f"no offer `{self.offer}` in version {book.version} of the playbook"
            return visible(f"{what}; {near_miss(self.offer, {*book.offers, *seen})}")
        hint = near_miss(self.offer, seen)
        what = f"no decision about {self.subject} has a candidate `{self.offer}`{f'; {hint}' if hint else ''}"
        return visible(f"{what}; what else the playbook offers is not known: {self._missing(None)}")

    def _tried(self, row: Row) -> dict[str, Any]:
        known = self.known.get(row["decision_id"])
        met = known.met() if known and known.decision is row else []
        return {"decision": row, "gates": [one for one in met if one["offer"] == self.offer]}

    def _trigger(self, trigger: str) -> dict[str, Any]:
        """Return what a trigger of the offer came to: how often it was answered, or else what it asks for."""
        answered = sum(row["trigger"] == trigger for row in self.decisions)
        book = self.books.at(self.until)
        silent = {} if answered or book is None else self._silent(book, trigger)
        return {"trigger": trigger, "answered": answered, **silent}

    def _silent(self, book: Playbook, trigger: str) -> dict[str, Any]:
        kind, _, name = trigger.removesuffix(EXITED).partition(".")
        text, expression = condition_of(book, trigger)
        whose = next((one for one in self.latest if one.startswith(f"{kind}/")), None)
        row = self.latest[whose] if whose else None
        event = ("exited",) if trigger.endswith(EXITED) else ("entered", "fired")
        mine = [one for one in self.happened.get(whose or "", ()) if one["name"] == name and one["event"] in event]
        read = read_of(book, kind, expression, row) if row and expression else None
        return {"asks": text, "of": whose, "happened": mine, "at": row and row["tick"], "read": read}


def why_not_lines(subject: str, found: Row) -> Iterator[str]:
    """Yield the answer of `Asked` as text."""
    yield f"why not {found['offer']}"
    for one in found["decisions"]:
        yield from _decision_lines(found["offer"], one)
    for one in found["triggers"]:
        if not one["answered"]:
            yield from _trigger_lines(subject, found["offer"], one)
    if found["unknown"]:
        yield f"  what its triggers wait for is not told: {found['unknown']}"


def _decision_lines(offer: str, one: Row) -> Iterator[str]:
    row = one["decision"]
    mine = row["offer"] == offer
    yield f"  {row['tick']}  {row['trigger']}{address(row)}: {'it was chosen: ' if mine else ''}{answer(row)}"
    if mine:
        return
    passed = all(gate["result"] == "passed" for each in one["gates"][:1] for gate in each["gates"])
    if passed and row["action"] in ("offer", "holdout"):
        best = any(is_best(row, candidate) for candidate in row["candidates"] if candidate["offer"] == offer)
        why = f"{row['offer']} was explored instead" if best else f"{row['offer']} goes before it"
        yield f"    {offer} passed every gate, and {why}"
    for each in one["gates"]:
        shut = [gate for gate in each["gates"] if gate["result"] != "passed"]
        if shut:
            yield from (f"  {line}" for line in gate_lines([{**each, "gates": shut}]))


def _trigger_lines(subject: str, offer: str, one: Row) -> Iterator[str]:
    trigger, whose = one["trigger"], one["of"]
    if whose is None:
        kind = trigger.partition(".")[0]
        ask = f"segone explain OUT {kind}/ID --why-not {offer}"
        yield f"  never fired, as far as is known: {trigger}: {one['asks']}"
        yield f"    no decision tells which {kind} {subject} is in; ask that: {ask}"
        return
    of = "" if whose == subject else f" of {whose}"
    if one["happened"]:
        for row in one["happened"][-3:]:
            why = "late, which is only recorded" if row["late"] else "which made no trigger: see `on_start`, `on_late`"
            yield f"  {row['tick']}  {trigger}{of} {row['event']}, {why}"
        return
    read = one["read"]
    values = f": {pairs(read['values'].items())} at {one['at']}" if read and read["values"] else ""
    unwritten = "" if one["at"] else ": no context was written yet"
    yield f"  never fired: {trigger}{of}: {one['asks']}{values}{unwritten}"
    yield from (f"    {line}" for line in read_words(read)) if read else ()
    if one["asks"].startswith(f"{STEPS[0]} "):
        yield "    which of these signals came is in no output"
