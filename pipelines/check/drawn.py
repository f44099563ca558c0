"""Invariants of draws: who is held out, whom a share goes to, what explores; the hash is written out again."""

import math
from collections.abc import Iterator

from pipelines.check.known import Known
from pipelines.check.played import Played, Row
from schemas.playbook_offers import INBOUND

Found = Iterator[tuple[Row, str]]
_ALL = 2**64


def wrong_draws(known: Known, played: Played) -> Found:
    """Yield offers to who is held out, and holdouts of others."""
    for row in played.reserved:
        expected = _arm(known, row)
        if row["action"] == "offer" and expected is not None:
            yield row, f"{row['root']} is held out by {expected}"
        elif row["action"] == "holdout" and row["holdout"] != expected:
            yield row, f"{row['root']} is held out by {expected or 'nobody'}, not by {row['holdout']}"


def wrong_shares(known: Known, played: Played) -> Found:
    """Yield offers to those whom their share does not draw."""
    for row in played.reserved:
        ration = known.playbook.offers[row["offer"]].share
        if ration is not None:
            name, number = known.playbook.playbook, str(row["tick"] // ration[1])
            if _draw("share", name, row["offer"], row["root_kind"], row["root"], number) >= ration[0] * _ALL:
                yield row, f"{row['root']} is not in the share of {row['offer']}"


def wrong_chances(known: Known, played: Played) -> Found:
    """Yield what was not drawn among what passed as the policy says, or is recorded with another probability."""
    for row in played.reserved:
        passed = [one for one in row["candidates"] if all(gate["result"] == "passed" for gate in one["gates"])]
        if not passed or any(one["reason"] is None for one in row["others"]):  # not all that passed is recorded
            continue
        best = passed[0]
        arms = [one for one in passed if _kind(known, one) == _kind(known, best)]
        share = known.playbook.policy.explore.get(known.playbook.offers[best["offer"]].family, 0)
        drawn = best
        if _draw("explore", row["decision_id"]) < share * _ALL:
            drawn = arms[_draw("explore", row["decision_id"], "arm") * len(arms) // _ALL]
        chance = share / len(arms) + (1 - share if drawn is best else 0)
        if (row["offer"], row["channel"]) != (drawn["offer"], drawn["channel"]):
            yield row, f"{drawn['offer']} by {drawn['channel']} was drawn, of {len(arms)}"
        elif not math.isclose(row["propensity"], chance):
            yield row, f"its propensity is {chance:g}, not {row['propensity']:g}"


def _kind(known: Known, one: Row) -> tuple[str, int, bool]:
    """Return what is the same of all that one decision may explore."""
    return known.playbook.offers[one["offer"]].family, one["priority"], one["channel"] == INBOUND


def _arm(known: Known, row: Row) -> str | None:
    family = known.playbook.offers[row["offer"]].family
    names = sorted(known.playbook.holdouts, key=lambda name: (name != "global", name))
    for name in names:
        one = known.playbook.holdouts[name]
        if one.family in (None, family) and _draw("holdout", name, row["root_kind"], row["root"]) < one.share * _ALL:
            return name
    return None


def _draw(*parts: str) -> int:
    """Return FNV-1a 64 of texts joined by zero bytes, with MurmurHash3's last mixing."""
    found = 0xCBF29CE484222325
    for byte in "\0".join(parts).encode():
        found = (found ^ byte) * 0x100000001B3 % _ALL
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        found = (found ^ found >> 33) * factor % _ALL
    return found ^ found >> 33
