"""Gates, and the reasons why they do not open, in words: the only place where these stand."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from schemas.durations import parse_duration
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, SUBJECT, Limit

PASSED: Mapping[str, str] = MappingProxyType(
    {
        "paused": "no `control` pauses it",
        "moved": "the recipient has not changed its contact root lately",
        "channel": "the channel is one that reaches the recipient, as far as is known",
        "consent": "the recipient may be contacted for this purpose by this channel",
        "ticket": "no open ticket forbids to sell",
        "freshness": "the trigger did not come too late",
        "eligibility": "eligible, with a value",
        "cooldown": "nothing was sent before that it would follow too soon",
        "caps": "no cap is full",
        "quiet": "it is not quiet for the channel where the recipient is",
    }
)
"""Of each gate what it means that it is open."""

WHY: Mapping[str, str] = MappingProxyType(
    {
        "no_recipient": "the group has no member whom it could go to",
        "segment_exited": "its segment ended while it waited",
        "came_in": "the customer came while it was on own channels, so nothing is pushed",
        "expired": "it was on own channels for as long as it was valid",
        "paused": "a `control` pauses the offer, its family, its channel or everything, for this customer or for all",
        "moved": "the recipient changed its contact root, and what the old one got does not count in the new",
        "no_channel": "the channel is not among the recipient's `profile.channels`",
        "no_consent": "there is no consent of the recipient to this purpose and channel that holds",
        "open_ticket": "a ticket is as `no_sales_while` says",
        "stale": "the trigger came later than `max_decision_age`",
        "not_eligible": "`eligible` is not true",
        "no_value": "the expected value is NULL, or `p_accept` is not between 0 and 1",
        "below_zero": "the expected value is below zero",
        "not_in_share": "the customer is not drawn for the offer's `share` in this period",
        "unknown_zone": "the recipient's `profile.zone` is no time zone, and a cap or quiet hours ask for it",
        "quiet": "it is quiet for the channel where the recipient is",
        "erased": "the customer was erased",
        "goal_reached": "the customer did already what the offer, or another of its family, is for",
        "cooldown": "the customer got the same offer less than its `cooldown` ago",
        "cooldown_family": "the customer got an offer of the family less than `policy.cooldown` ago",
        "cooldown_after_rejection": "the customer rejected the same offer less than its `after_rejection` ago",
        "cooldown_family_after_rejection": "the customer rejected one of the family less than `after_rejection` ago",
        "same_tick": "another member of the group was made this offer at the same tick",
    }
)
"""Of each reason what it says; caps have names of their own, see `cap_of`."""

_WHOM = {"subscriber": "a subscriber", "household": "a household", "sme": "an SME"}
_CAP = re.compile(
    r"cap_(\d+)_per_(subscriber|household|sme)_in_(day|week|month|\d+(?:d|h|m|s|ms))"
    r"((?:_family_.+?)*)(?:_channel_(.+?))?(?:_message_(marketing|care|service|any))?"
)


def why(reason: str) -> str:
    """Return what a reason says; itself where it is none of ours."""
    cap = cap_of(reason)
    return WHY.get(reason, reason) if cap is None else limit_words(cap)


def cap_of(reason: str) -> Limit | None:
    """Return the cap of which a reason is the name, as far as that tells; None if it is no cap."""
    found = _CAP.fullmatch(reason)
    if found is None:
        return None
    most, per, period, families, channel, message = found.groups()
    return Limit(
        CAPS,
        reason,
        per,
        int(most),
        period if period in ("day", "week", "month") else _milliseconds(period),
        family=tuple(families.split("_family_")[1:]) or None,
        channel=(channel,) if channel else None,
        message=None if message == "any" else (message or "marketing",),
    )


def cooldown_of(reason: str, offer: str) -> Limit | None:
    """Return the cooldown that a reason names, of unknown length; None if it is none."""
    if not reason.startswith("cooldown"):
        return None
    rejected = reason.endswith("_after_rejection")
    by_family = reason.startswith("cooldown_family")
    return Limit(COOLDOWN, reason, SUBJECT, 1, 0, offer=None if by_family else (offer,), rejected=rejected)


def limit_words(cap: Limit) -> str:
    """Return what a cap allows: `at most 1 to a subscriber in 7d`."""
    period = cap.reason.split("_in_")[1].split("_")[0]
    only = [
        *([f"of the family {' or '.join(cap.family)}"] if cap.family else []),
        *([f"by {cap.channel[0]}"] if cap.channel else []),
        *([f"for {cap.message[0]}"] if cap.message and cap.message != ("marketing",) else []),
        *(["for whatever purpose"] if cap.message is None else []),
    ]
    when = f"a {period}, by the recipient's calendar" if cap.by_calendar else period
    return " ".join([f"at most {cap.max:,} to {_WHOM[cap.per]}", *only, f"in {when}"])


def _milliseconds(period: str) -> int:
    return int(period.removesuffix("ms")) if period.endswith("ms") else parse_duration(period)
