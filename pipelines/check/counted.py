"""Invariants of what adds up: caps and cooldowns; only what surely counts is counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.check.known import REJECTED, Known, person
from pipelines.check.played import Played, Row
from pipelines.check.world import Sent
from schemas.playbook_offers import INBOUND, Cap

Found = Iterator[tuple[Row, str]]


@dataclass(frozen=True)
class _Counted:
    """One contact that counts at some tick."""

    row: Row
    rejected: bool = False


def broken_caps(known: Known, played: Played) -> Found:
    """Yield what exceeds a cap, and what a household or an SME is offered twice at a tick."""
    ledger = _Ledger(known, played)
    for row in played.reserved:
        for cap in known.playbook.policy.caps:
            if _fits(known, cap, row) and (told := _exceeded(known, ledger, cap, row)):
                yield row, told
        twins = [one for one in played.reserved if _same(one, row, "root_kind", "root", "offer", "tick")]
        if row["root_kind"] != "subscriber" and len(twins) > 1:
            yield row, f"{row['root_kind']}/{row['root']} gets {row['offer']} twice at a tick"


def broken_cooldowns(known: Known, played: Played) -> Found:
    """Yield what is offered again too soon."""
    ledger, offers = _Ledger(known, played), known.playbook.offers
    for row in played.reserved:
        offer = offers[row["offer"]]
        before = [
            one for one in ledger.at(row) if one.row is not row and _same(one.row, row, "subject_kind", "subject")
        ]
        rules = [("offer", row["offer"], offer.cooldown)]
        if (cooling := known.playbook.policy.cooldown.get(offer.family)) is not None:
            rules.append(("family", offer.family, cooling))
        for name, value, cooldown in rules:
            for one in before:
                length = max(cooldown.after, cooldown.after_rejection if one.rejected else 0)
                if one.row[name] == value and 0 <= row["tick"] - one.row["tick"] < length:
                    yield row, f"{value} went to {row['subject']} {(row['tick'] - one.row['tick']) // 1000} s before"


class _Ledger:
    """What counts in the ledger of a contact root."""

    def __init__(self, known: Known, played: Played) -> None:
        self._known, self._offers = known, known.playbook.offers
        families = {name: offer.family for name, offer in self._offers.items()}
        self._made = [{**row, "family": families[row["offer"]]} for row in played.reserved]
        self._rows = dict(zip(map(id, played.reserved), self._made, strict=True))
        self._ids = {row["decision_id"] for row in played.reserved}

    def at(self, row: Row) -> list[_Counted]:
        """Return what counts when a decision is made, that and others of its tick included."""
        tick, mine = row["tick"], self._rows[id(row)]
        roots = [one for one in self._made if one["tick"] <= tick and _same(one, row, "root_kind", "root")]
        ours = [_Counted(row if one is mine else one, self._is_rejected(one, tick)) for one in roots]
        ours = [one for one in ours if one.row is row or self._counts(one.row, tick)]
        people = {one["recipient"] for one in roots} - self._known.movers
        return ours + [_Counted(one) for who in people for one in self._of_others(who, tick)]

    def _reports(self, row: Row, tick: int) -> list[Sent]:
        """Return what was reported of a decision by a tick, in the order in which it acts."""
        known, who = self._known, person(row["recipient"])
        every = [*known.said("contact", who), *known.said("outcome", who)]
        mine = [one for one in every if one.signal.payload.get("decision_id") == row["decision_id"]]
        acting = [one for one in mine if row["tick"] < known.world.acts(one) <= tick]
        return sorted(
            acting, key=lambda one: (known.world.acts(one), one.signal.time, one.signal.source, one.signal.id)
        )

    def _counts(self, row: Row, tick: int) -> bool:
        """Tell whether a decision surely counts."""
        policy, said = self._known.playbook.policy, [_what(one) for one in self._reports(row, tick)]
        within = policy.contacts_reported_within if policy.on_silence == "release" else None
        silent = within is not None and tick >= row["tick"] + within
        if row["channel"] == INBOUND:
            silent = tick >= row["tick"] + (self._known.playbook.inbound_first(self._offers[row["offer"]]) or 0)
        if row["recipient"] in self._known.movers:  # who knows which root was told
            return "failed" not in said and not silent
        return said[-1] != "failed" if said else not silent

    def _is_rejected(self, row: Row, tick: int) -> bool:
        said = {_what(one) for one in self._reports(row, tick)}
        return row["recipient"] not in self._known.movers and bool(said & {*REJECTED})

    def _of_others(self, who: str, tick: int) -> Iterator[dict[str, Any]]:
        """Yield the contacts that others made, from the first tick after them."""
        world = self._known.world
        for one in self._known.said("contact", person(who)):
            said = one.signal.payload
            if world.acts(one) <= tick and said["state"] != "failed" and said.get("decision_id") is None:
                yield {
                    **{name: said.get(name) or "" for name in ("offer", "family", "channel")},
                    "message": said.get("message") or "marketing",
                    "tick": one.signal.time // world.tick * world.tick + world.tick,
                    "subject_kind": "subscriber",
                    "subject": who,
                    "recipient": who,
                }


def _exceeded(known: Known, ledger: _Ledger, cap: Cap, row: Row) -> str | None:
    """Return how a contact exceeds a cap, if it does."""
    zone = known.zone(row["recipient"], row["tick"])
    if isinstance(cap.in_, str) and zone is None:
        return f"nobody knows the time zone of {row['recipient']}"
    if cap.per != "subscriber" and row["root_kind"] != cap.per:
        return None

    def period(tick: int) -> Any:
        day = datetime.fromtimestamp(tick / 1000, zone).date()
        return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[str(cap.in_)]

    mine = [one.row for one in ledger.at(row) if _fits(known, cap, one.row)]
    if cap.per == "subscriber":
        mine = [one for one in mine if one["recipient"] == row["recipient"]]
    if isinstance(cap.in_, str):
        mine = [one for one in mine if period(one["tick"]) == period(row["tick"])]
    else:
        mine = [one for one in mine if one["tick"] > row["tick"] - cap.in_]
    return f"{len(mine)} in {cap.in_} for the {cap.per}, at most {cap.max}" if len(mine) > cap.max else None


def _fits(known: Known, cap: Cap, row: Row) -> bool:
    """Tell whether a cap counts a contact."""
    family = row["family"] if "family" in row else known.playbook.offers[row["offer"]].family
    return (
        (cap.family is None or family in cap.family)
        and cap.channel in (None, row["channel"])
        and cap.message in ("any", row["message"])
    )


def _same(one: Row, other: Row, *names: str) -> bool:
    return all(one[name] == other[name] for name in names)


def _what(one: Sent) -> str:
    said = one.signal.payload
    return str(said["state"] if one.signal.signal == "contact" else said["result"])
