"""What the signals of a world say as of a tick, read one by one: nothing of the kernels is asked."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.check.played import Row
from pipelines.check.policy_signals import EVERYBODY
from pipelines.check.world import Sent, World
from schemas.playbook import Playbook
from schemas.playbook_levels import LEVELS

Who = tuple[str, str]
REJECTED = ("rejected", "declined", "complained")


class Known:
    """The world and its playbook, as anybody reads them."""

    def __init__(self, playbook: Playbook, world: World) -> None:
        """Sort signals by type and subject."""
        self.playbook, self.world = playbook, world
        self._said: dict[tuple[str, Who], list[Sent]] = defaultdict(list)
        for one in world.sent:
            kind, subject = one.signal.subject_kind or LEVELS[0], one.signal.subject or ""
            about = (EVERYBODY, EVERYBODY) if subject == EVERYBODY else (kind, subject)
            self._said[one.signal.signal, about].append(one)

    def reads(self, signal: str) -> bool:
        """Tell whether the playbook reads a type of signal."""
        return signal in self.playbook.signals

    def said(self, signal: str, who: Who) -> list[Sent]:
        """Return the signals of a type about somebody."""
        return self._said[signal, who]

    def latest(self, signal: str, who: Who, tick: int, fits: Callable[[Mapping[str, Any]], bool]) -> Any:
        """Return the payload of the latest that acts by a tick, None for none."""
        acting = [one for one in self.said(signal, who) if self.world.acts(one) <= tick and fits(one.signal.payload)]
        return max(acting, key=_order).signal.payload if acting else None

    def keyed(self, signal: str, who: Who, tick: int, *key: str) -> list[Mapping[str, Any]]:
        """Return the payloads that hold at a tick: the latest of each key."""
        keys = {_of_key(one.signal.payload, key) for one in self.said(signal, who)}
        each = (self.latest(signal, who, tick, partial(_has_key, key, of)) for of in keys)
        return [payload for payload in each if payload is not None]

    def zone(self, recipient: str, tick: int) -> ZoneInfo | None:
        """Return the zone of a recipient, None if nobody knows it."""
        profile = self.profile(recipient, tick)
        try:
            zone = profile.get("zone")
            return ZoneInfo(self.playbook.time_zone if zone is None else zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return None

    def profile(self, recipient: str, tick: int) -> Mapping[str, Any]:
        """Return the latest profile of a recipient."""
        found = self.latest("profile", person(recipient), tick, lambda payload: True) if self.reads("profile") else None
        return found or {}

    def lacks_consent(self, row: Row, tick: int) -> bool:
        """Tell whether a contact has not the consent that it needs."""
        basis = self.playbook.basis_of(row["message"])
        if basis == "contract":
            return False

        def fits(payload: Mapping[str, Any]) -> bool:
            return payload["purpose"] == row["message"] and payload.get("channel") in (None, row["channel"])

        found = self.latest("consent", person(row["recipient"]), tick, fits) or {}
        lapsed = found.get("valid_until") is not None and tick >= found["valid_until"]
        state = None if lapsed else found.get("state")
        return state != "granted" if basis == "opt_in" else state == "withdrawn"

    def is_paused(self, row: Row, tick: int) -> bool:
        """Tell whether a contact is paused for anybody that it concerns."""
        family = self.playbook.offers[row["offer"]].family
        fits = {("offer", row["offer"]), ("family", family), ("channel", row["channel"]), ("everything", None)}
        held = [one for who in concerned(row) for one in self.keyed("control", who, tick, "scope", "target")]
        return any(one["action"] == "pause" and (one["scope"], one.get("target")) in fits for one in held)

    def settled(self, row: Row) -> int:
        """Return the tick from which on it is known that nobody can take an offer up any more, or need not."""
        reports = [one for name in ("contact", "outcome") for one in self.said(name, person(row["recipient"]))]
        about = [one for one in reports if one.signal.payload.get("decision_id") == row["decision_id"]]
        words = ((one, one.signal.payload.get("state") or one.signal.payload.get("result")) for one in about)
        ticks = (self.world.acts(one) for one, word in words if word in SETTLED)
        return min((tick for tick in ticks if tick > row["tick"]), default=2**63 - 1)

    @cached_property
    def movers(self) -> set[str]:
        """Those who change a group: what their ledgers know depends on when."""
        kinds: dict[str, list[str]] = defaultdict(list)
        for (name, who), every in self._said.items():
            if name == "membership":
                kinds[who[1]] += [one.signal.payload["group_kind"] for one in every]
        return {who for who, every in kinds.items() if len(set(every)) < len(every)}

    def turns(self, row: Row) -> Iterator[int]:
        """Yield the ticks at which a contact may be overtaken: a consent or a pause acts, a consent lapses."""
        tick = self.world.tick
        for one in self.said("consent", person(row["recipient"])):
            yield self.world.acts(one)
            if until := one.signal.payload.get("valid_until"):
                yield -(-until // tick) * tick
        for who in concerned(row):
            yield from map(self.world.acts, self.said("control", who))


SETTLED = ("accepted", "rejected", "declined", "complained", "fulfilled", "expired", "failed")
"""What is reported of an offer that is not withdrawn any more."""


def person(name: str) -> Who:
    """Return a subscriber."""
    return LEVELS[0], name


def concerned(row: Row) -> Iterable[Who]:
    """Return whom a contact concerns: the recipient, whom its trigger is about, everybody.

    What a group says goes to its own ledger: it is not asked of a company whose contacts are in that of a household.
    """
    found = {person(row["recipient"]), (EVERYBODY, EVERYBODY)}
    subject = row["subject_kind"], row["subject"]
    return found | ({subject} if subject == (row["root_kind"], row["root"]) else set())


def _of_key(payload: Mapping[str, Any], key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(payload.get(name) for name in key)


def _has_key(key: Sequence[str], of: tuple[Any, ...], payload: Mapping[str, Any]) -> bool:
    return _of_key(payload, key) == of


def _order(one: Sent) -> tuple[int, bool, str, str]:
    signal = one.signal
    rank = signal.signal != "consent" or signal.payload["state"] != "withdrawn"
    return signal.time, rank, signal.source or "", signal.id or ""
