"""The numbers behind a gate that asks for no earlier contact: of the record, and of the playbook that decided."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pipelines.explain_story.conditions import read_of
from pipelines.explain_story.values import Row, instant_of, moment, money, pairs, shown
from schemas.durations import format_duration
from schemas.playbook import Playbook
from schemas.quiet import WEEKDAYS, QuietHours, Times, calendar_of
from transforms.compiler.offer_definitions import Limit

_DAY = 24 * 60  # minutes


def zone_of(decision: Row, book: Playbook | None) -> tzinfo:
    """Return the time zone of the recipient, as far as record and context tell, else the playbook's, else UTC."""
    profile = (decision["context"] or {}).get("profile") or {}
    named = decision.get("zone") or profile.get("zone") or (book.time_zone if book else "UTC")
    try:
        return ZoneInfo(named)
    except (KeyError, ValueError, OSError):
        return UTC


def opens_at(limit: Limit, then: datetime, zone: tzinfo) -> datetime:
    """Return when a limit counts a contact no more; at once if it has no length."""
    if isinstance(limit.period, int):
        return then + timedelta(milliseconds=limit.period)
    day = then.astimezone(zone).date()
    first = {
        "day": day + timedelta(days=1),
        "week": day + timedelta(days=7 - day.weekday()),
        "month": (day.replace(day=1) + timedelta(days=32)).replace(day=1),
    }
    return datetime.combine(first[limit.period], time(), zone).astimezone(UTC)


def facts(gate: Row, candidate: Row, row: Row, book: Playbook | None) -> Iterator[str]:
    """Yield what a gate looked at.

    Args:
        gate: One that is shut.
        candidate: Whose gate it is.
        row: The decision.
        book: The playbook that decided; None if it could not be read.
    """
    yield from _of_record(gate, candidate, row)
    if gate["reason"] == "quiet" and (book or row.get("zone")):
        yield _local(row, candidate["channel"], book)
    if book is not None and candidate["offer"] in book.offers:
        yield from _of_playbook(gate, candidate, row, book)


def _of_record(gate: Row, candidate: Row, row: Row) -> Iterator[str]:
    reason = gate["reason"]
    if reason == "below_zero":
        yield f"value {money(candidate['value_micros'])}, p_accept {shown(candidate['p_accept'])}"
    if reason == "stale":
        age = instant_of(row["tick"]) - instant_of(row["trigger_tick"])
        yield f"it is of {moment(row['trigger_tick'])}, {format_duration(age // timedelta(milliseconds=1))} before"
    if reason == "no_channel" and row.get("channels") is not None:
        yield f"they are {row['channels'].strip() or 'none'}"
    if reason == "unknown_zone" and row.get("zone"):
        yield f"it says `{row['zone']}`"


def _of_playbook(gate: Row, candidate: Row, row: Row, book: Playbook) -> Iterator[str]:
    reason, policy, offer = gate["reason"], book.policy, book.offers[candidate["offer"]]
    texts = {"not_eligible": offer.eligible, "no_value": offer.value}
    if reason in texts:
        values = read_of(book, row["subject_kind"], texts[reason], row)["values"]
        yield texts[reason] + (f": {pairs(values.items())}" if values else "")
    if reason == "stale" and policy.max_decision_age is not None:
        yield f"allowed are {format_duration(policy.max_decision_age)}"
    if reason == "no_consent":
        yield f"{offer.message} needs `{book.basis_of(offer.message)}`"
        yield from _consents(row, offer.message, candidate["channel"] if gate.get("read") else None)
    if reason == "open_ticket" and policy.no_sales_while:
        yield "; ".join(policy.no_sales_while.values())
    if reason == "not_in_share" and offer.share:
        yield f"{offer.share[0]:.2%} of all in {format_duration(offer.share[1])}"
    if reason == "goal_reached" and offer.goal:
        goal = "; ".join(f"{signal}: {text}" for signal, text in offer.goal.signals.items())
        yield f"{goal}, within {format_duration(offer.goal.within)}"


def _consents(row: Row, purpose: str, told: str | None) -> Iterator[str]:
    """Yield what the recipient said about a purpose, by whichever channel, where one word about `told` is not all."""
    said = [one for one in row.get("consents") or () if one["purpose"] == purpose]
    words = [
        f"{one['state']} by {one['channel'] or 'all'}"
        + (f" until {moment(one['valid_until'])}" if one["valid_until"] else "")
        for one in said
    ]
    alone = told is not None and sum(one["channel"] in (None, told) for one in said) < 2
    if row.get("consents") is not None and not alone:
        yield f"known is {', '.join(words) or 'nothing'}"


def _local(row: Row, channel: str, book: Playbook | None) -> str:
    """Return the recipient's time, and what is quiet then."""
    now = instant_of(row["tick"]).astimezone(zone_of(row, book))
    quiet = book.policy.quiet if book else None
    why = [*_quiet_now(quiet, channel, now)] if quiet else []
    return f"it is {now:%A %Y-%m-%d %H:%M} there" + (f": {', '.join(why)}" if why else "")


def _quiet_now(quiet: QuietHours, channel: str, now: datetime) -> Iterator[str]:
    """Yield the entries of `quiet` that hold at a local time, as the playbook writes them."""
    minute, today = 60 * now.hour + now.minute, now.weekday()
    own: Mapping[str, Times] = {"all": quiet.all, channel: quiet.channels.get(channel, ())}
    days = [(name, times, True) for name, times in own.items()]
    days += [(name, quiet.weekdays[day], day == today) for day, name in enumerate(WEEKDAYS) if day in _near(today)]
    for name, times, is_today in days:
        for start, end in times:
            begun = start <= minute < end and is_today
            goes_on = minute + _DAY < end and (name in own or not is_today)
            if begun or goes_on:
                yield f"`{name}: {'all' if (start, end) == (0, _DAY) else f'{_clock(start)}-{_clock(end)}'}`"
    for code in quiet.holidays:
        if now.date() in calendar_of(code, [now.year]):
            yield f"a holiday of `{code}`"


def _near(today: int) -> set[int]:
    return {today, (today - 1) % 7}


def _clock(minute: int) -> str:
    hour, rest = divmod(minute if minute <= _DAY else minute - _DAY, 60)
    return f"{hour:02d}:{rest:02d}"
