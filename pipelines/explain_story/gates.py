"""What each candidate of a decision met at each gate, in words and with the numbers that the outputs have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pipelines.explain_story.facts import facts, opens_at, zone_of
from pipelines.explain_story.values import Row, aligned, instant_of, moment, plain
from pipelines.explain_story.words import PASSED, cap_of, cooldown_of, limit_words, why
from schemas.durations import format_duration
from schemas.playbook import Playbook
from transforms.compiler.limits import limits_of
from transforms.compiler.offer_definitions import SUBJECT, Contact, Limit

_MOST = 5
"""How many earlier contacts are named."""

_UNLISTED = "the outputs do not list contacts that others made and reported"


def gate_lines(met: Sequence[Row]) -> Iterator[str]:
    """Yield what candidates met, as `Known.met` gives it, as text."""
    for one in met:
        yield f"  {one['offer']} by {', '.join(one['channels'])}"
        yield from aligned((f"    {gate['gate']}", gate["result"], gate["told"]) for gate in one["gates"])


def _contact(row: Row, decision: Row) -> str:
    to = f" to {row['recipient']}" if row["recipient"] != decision["recipient"] else ""
    held = " (held out)" if row["action"] == "holdout" else ""
    return f"{row['offer']} by {row['channel']}{to} on {moment(row['tick'])}{held}"


def _signal(read: Row) -> str:
    by = f" (signal {read['by']})" if read["by"] else ", of somebody who was erased"
    return f"{moment(read['since'])}{by}"


def _unlisted(left: int, by: str | None, counted: Sequence[Row]) -> Iterator[str]:
    """Yield how many of the contacts that fill a limit are in no output: where one is named, it is another."""
    if by is not None and all(row["decision_id"] != by for row in counted):
        left -= 1
        if left > 0:
            yield f"and {left:,} more: {_UNLISTED}"
    elif left > 0:
        yield f"and {left:,} more: {_UNLISTED}" if by is not None or counted else _UNLISTED


@dataclass(frozen=True)
class Known:
    """What there is to explain a decision with.

    Attributes:
        decision: Its row.
        sent: Rows of what the same contact root was sent, or held out from, until then, by time.
        book: The version of the playbook that decided; None if it could not be read.
    """

    decision: Row
    sent: Sequence[Row]
    book: Playbook | None

    def met(self) -> list[dict[str, Any]]:
        """Return offers with the channels for which they met the same, and each gate: what it is, result, words."""
        found: list[dict[str, Any]] = []
        for candidate in self.decision["candidates"]:
            gates = [{**gate, "told": "; ".join(self._told(gate, candidate))} for gate in candidate["gates"]]
            same = [one for one in found if (one["offer"], one["gates"]) == (candidate["offer"], gates)]
            if same:
                same[0]["channels"].append(candidate["channel"])
            else:
                found.append({"offer": candidate["offer"], "channels": [candidate["channel"]], "gates": gates})
        return found

    def _told(self, gate: Row, candidate: Row) -> Iterator[str]:
        if gate["result"] == "passed":
            yield PASSED[gate["gate"]]
            return
        counts = gate["gate"] in ("cooldown", "caps")  # one reason is also that of another gate
        limit = self._limit(gate["reason"], candidate["offer"]) if counts else None
        yield self._why(gate, limit)
        if limit is not None:
            yield from self._counted(gate, limit)
        elif gate.get("read"):
            yield self._shut_by(gate, candidate)
        yield from facts(gate, candidate, self.decision, self.book)
        if gate["result"] == "deferred":
            shut = any(one["result"] == "blocked" for one in candidate["gates"])
            until = moment(gate["until"]) if gate["until"] else "something opens it"
            yield f"{'would wait' if shut else 'waits'} until {until}"
        elif gate["gate"] in ("quiet", "paused", "ticket") and gate["reason"] != "unknown_zone":
            yield "and the offer does not wait that long"

    def _why(self, gate: Row, limit: Limit | None) -> str:
        if limit is not None and cap_of(gate["reason"]) is not None:
            return limit_words(limit)
        told = why(gate["reason"])
        length = limit.period if limit is not None and gate["reason"].startswith("cooldown") else 0
        return f"{told} ({format_duration(length)})" if isinstance(length, int) and length else told

    def _limit(self, reason: str, offer: str) -> Limit | None:
        """Return the limit that a reason names: that of the playbook, else what the name tells."""
        if self.book is None:
            return cap_of(reason) or cooldown_of(reason, offer)
        book, one = self.book, self.book.offers.get(offer)
        named = (limit for limit in limits_of(book) if limit.reason == reason)
        channels = book.channels_of(one) if one else ()
        contacts = [Contact(offer, one.family, channel, one.message) for channel in channels] if one else []
        return next((limit for limit in named if any(map(limit.counts, contacts))), None)

    def _counted(self, gate: Row, limit: Limit) -> Iterator[str]:
        """Yield which earlier contacts fill a limit, and until when, as far as that is known."""
        if not limit.max:
            return
        counted = [row for row in self.sent if self._counts(limit, row)]
        read = gate.get("read")
        if read and limit.reached:
            yield f"it did so at {_signal(read)}"
        elif read:
            counted = [row for row in counted if row["tick"] >= read["since"] or row["decision_id"] == read["by"]]
            yield f"filled by {self._filled_by(read)}"
        if any(row["decision_id"] != (read or {}).get("by") for row in counted):
            names = [_contact(row, self.decision) for row in counted[-_MOST:]]
            more = f"{len(counted) - _MOST:,} more and " if len(counted) > _MOST else ""
            yield f"sent before: {more}{', '.join(names)}"
        if limit.family and self.book is None:
            yield "which of all offers are of the family, the playbook tells: give `--playbook`"
        yield from self._until(gate, limit, counted)
        yield from _unlisted(limit.max - len(counted), read and read["by"], counted)

    def _until(self, gate: Row, limit: Limit, counted: Sequence[Row]) -> Iterator[str]:
        """Yield when a limit that nobody waits for opens."""
        if gate["result"] != "blocked" or not limit.period:
            return
        read = gate.get("read")
        first = [read["since"]] if read else []
        if limit.per == SUBJECT and counted:
            first = [counted[-1]["tick"]]
        for over in (opens_at(limit, instant_of(one), zone_of(self.decision, self.book)) for one in first):
            yield f"so not before {moment(plain(over))}"

    def _filled_by(self, read: Row) -> str:
        """Return which contact a limit waits for, with its id."""
        ours = next((row for row in self.sent if row["decision_id"] == read["by"]), None)
        if ours:
            return f"{_contact(ours, self.decision)} (decision {read['by']})"
        by = f" (id {read['by']})" if read["by"] else ", of somebody who was erased"
        return f"a contact of {moment(read['since'])}{by}"

    def _shut_by(self, gate: Row, candidate: Row) -> str:
        """Return what shuts a gate: what it says, since when, and its id."""
        if gate["gate"] in ("cooldown", "caps"):
            return f"filled by {self._filled_by(gate['read'])}"
        if gate["reason"] == "goal_reached":
            return f"it did so at {_signal(gate['read'])}"
        said = {"paused": "paused since", "ticket": "open since", "consent": self._consent(candidate)}
        return f"{said.get(gate['gate'], 'since')} {_signal(gate['read'])}"

    def _consent(self, candidate: Row) -> str:
        """Return what the recipient said last, as far as the consents that are known all say the same."""
        offer = self.book.offers.get(candidate["offer"]) if self.book else None
        known = [
            one
            for one in self.decision.get("consents") or ()
            if one["channel"] in (None, candidate["channel"]) and (offer is None or one["purpose"] == offer.message)
        ]
        lapsed = {one["valid_until"] and moment(one["valid_until"]) for one in known}
        if {one["state"] for one in known} == {"withdrawn"}:
            return "withdrawn on"
        if len(known) == 1 and known[0]["state"] == "granted" and None not in lapsed:
            return f"lapsed on {lapsed.pop()}, granted on"
        return "the last word is of"

    def _counts(self, limit: Limit, row: Row) -> bool:
        """Tell whether a limit counts an earlier row, as far as that is known."""
        decision = self.decision
        whose = {SUBJECT: ("subject_kind", "subject"), "subscriber": ("recipient",)}.get(limit.per, ())
        if any(row[name] != decision[name] for name in whose) or row["decision_id"] == decision["decision_id"]:
            return False
        family = self.book.offers[row["offer"]].family if self.book and row["offer"] in self.book.offers else None
        known = limit if family is not None else replace(limit, family=None)
        contact = Contact(row["offer"], family or "", row["channel"], row["message"])
        return known.counts(contact) and self._within(limit, instant_of(row["tick"]))

    def _within(self, limit: Limit, then: datetime) -> bool:
        now = instant_of(self.decision["tick"])
        if isinstance(limit.period, int):
            return not limit.period or now - timedelta(milliseconds=limit.period) < then <= now
        one, other = (each.astimezone(zone_of(self.decision, self.book)) for each in (then, now))
        periods = {
            "day": (one.date(), other.date()),
            "week": (one.isocalendar()[:2], other.isocalendar()[:2]),
            "month": ((one.year, one.month), (other.year, other.month)),
        }
        first, second = periods[limit.period]
        return first == second
