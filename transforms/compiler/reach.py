"""Who is in reach: who has a channel, and consents to a purpose by it; which of that offers for groups ask."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from schemas.playbook import Playbook
from schemas.playbook_offers import INBOUND
from transforms.compiler.notices import CONSENT, notices_of

PROFILE = "profile"

_WORD = r"[^\s,;]+"
"""One of the channels of a profile: they are apart by blanks, or as a list is written."""


class Way(NamedTuple):
    """How an offer may come to somebody.

    Attributes:
        channel: One of its channels.
        purpose: Its `message`.
        basis: Of the purpose: opt_in, opt_out or contract.
        by_profile: Whether profiles say who has the channel; else everybody has it.
    """

    channel: str
    purpose: str
    basis: str
    by_profile: bool

    @property
    def open_to_all(self) -> bool:
        """Whether it needs no consent, and everybody has the channel."""
        return self.basis == "contract" and not self.by_profile

    @property
    def reads(self) -> set[str]:
        """The signals that say whether somebody is in reach by it."""
        return ({CONSENT} if self.basis != "contract" else set()) | ({PROFILE} if self.by_profile else set())


def ways_of(playbook: Playbook, kind: str) -> dict[str, tuple[Way, ...]]:
    """Return the ways of all offers for each trigger of a kind of group, but of those by which all are in reach."""
    by_profile, found = PROFILE in notices_of(playbook), dict[str, set[Way]]()
    for offer in playbook.offers.values():
        basis = playbook.basis_of(offer.message)
        mine = {
            Way(channel, offer.message, basis, by_profile and channel != INBOUND)
            for channel in playbook.channels_of(offer)
        }
        for trigger in offer.for_:
            if trigger.startswith(f"{kind}."):
                found[trigger] = found.get(trigger, set()) | mine
    return {
        trigger: tuple(sorted(ways))
        for trigger, ways in sorted(found.items())
        if not any(way.open_to_all for way in ways)
    }


def read_by(ways: Iterable[Sequence[Way]]) -> frozenset[str]:
    """Return the signals that say who is in reach by ways."""
    return frozenset(name for some in ways for way in some for name in way.reads)


def consents(basis: str, state: pl.Series, valid_until: pl.Series, ticks: pl.Series) -> pl.Series:
    """Tell who consents at ticks, by the latest of a purpose and channel that holds; NULL where they said nothing.

    What has lapsed is asked only where nothing else was said.

    Args:
        basis: What contacts for the purpose need: opt_in, opt_out or contract.
        state: granted, withdrawn or another.
        valid_until: From this time on it is as if they had said nothing; NULL for never.
        ticks: When it is asked.
    """
    holds = ~(valid_until <= ticks).fill_null(False)
    if basis == "opt_in":
        return (state == "granted").fill_null(False) & holds
    return ~((state == "withdrawn").fill_null(False) & holds) | (basis == "contract")


def reached_by(channels: pl.Series, names: Iterable[str]) -> dict[str, pl.Series]:
    """Tell by name of a channel whom it reaches.

    Args:
        channels: Those of each, as a profile has them; NULL where that is not known, which shuts nothing.
        names: Which to tell of.
    """
    theirs = channels.str.extract_all(_WORD)
    return {name: theirs.list.contains(name).fill_null(True) for name in names}
