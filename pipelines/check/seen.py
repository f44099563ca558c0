"""Invariants of each offer on its own: consent, channel, pause, tickets, quiet hours, losses, age."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.check.known import Known, concerned
from pipelines.check.played import Played, Row
from schemas.playbook_offers import INBOUND
from schemas.quiet import QuietHours, calendar_of
from schemas.versions import Versions
from transforms.shell.versions import contracts_of, load_all_offers

Found = Iterator[tuple[Row, str]]
_DAY = 1440


def without_consent(known: Known, played: Played) -> Found:
    """Yield offers without the consent that they need."""
    for row in played.sent:
        if known.lacks_consent(row, row["tick"]):
            yield row, f"{row['recipient']} has not consented to {row['message']} by {row['channel']}"


def off_channel(known: Known, played: Played) -> Found:
    """Yield offers by a channel that does not reach the recipient; own channels are everybody's."""
    for row in (row for row in played.sent if row["channel"] != INBOUND):
        reach = known.profile(row["recipient"], row["tick"]).get("channels")
        if reach is not None and row["channel"] not in reach.split(" "):
            yield row, f"{row['channel']} is none of the channels of {row['recipient']}: {reach}"


def paused_offers(known: Known, played: Played) -> Found:
    """Yield offers that were paused."""
    for row in played.sent if known.reads("control") else ():
        if known.is_paused(row, row["tick"]):
            yield row, f"{row['offer']} by {row['channel']} is paused for {row['recipient']}"


def losing_offers(known: Known, played: Played) -> Found:
    """Yield offers whose expected value is below zero."""
    for row in played.sent:
        if row["value_micros"] < 0 and not known.playbook.offers[row["offer"]].at_a_loss:
            yield row, f"{row['offer']} is worth {row['value_micros'] / 1e6:g}, and is not sent at a loss"


def late_offers(known: Known, played: Played) -> Found:
    """Yield offers for triggers that came too late."""
    most = known.playbook.policy.max_decision_age
    for row in played.sent if most is not None else ():
        if row["n"] == 0 and row["tick"] - row["trigger_tick"] > most:
            yield row, f"the trigger is {(row['tick'] - row['trigger_tick']) // 1000} seconds old"


def sales_with_tickets(known: Known, played: Played) -> Found:
    """Yield offers of the purpose marketing that a ticket forbids."""
    if known.playbook.policy.no_sales_while is None or not known.reads("ticket"):
        return
    for row in played.sent:
        if row["message"] == "marketing":
            held = [one for who in concerned(row) for one in known.keyed("ticket", who, row["tick"], "ticket_id")]
            if found := next((one for one in held if _forbids(known, one)), None):
                yield row, f"ticket {found['ticket_id']} forbids sales"


def _forbids(known: Known, ticket: Mapping[str, Any]) -> bool:
    """Tell whether a ticket is as `no_sales_while` says, by the compiler of expressions."""
    versions = Versions((known.playbook,))
    condition = load_all_offers(versions).plans[0].ticket
    schema = {one.name: one.type for one in contracts_of(versions)["ticket"].fields}
    row = pl.DataFrame({name: [ticket.get(name)] for name in schema}, schema=pl.Schema(_types(schema)))
    return condition is not None and bool(row.select(condition.fill_null(False)).item())


def _types(schema: Mapping[str, Any]) -> dict[str, pl.DataType]:
    types = {"string": pl.String(), "int64": pl.Int64(), "double": pl.Float64(), "bool": pl.Boolean()}
    return {name: types[str(kind)] for name, kind in schema.items()}


def quiet_offers(known: Known, played: Played) -> Found:
    """Yield offers in quiet hours, and those to nobody knows which zone; on own channels only where these are named."""
    quiet = known.playbook.policy.quiet
    asked = [row for row in played.sent if quiet and (row["channel"] != INBOUND or INBOUND in quiet.channels)]
    for row in asked:
        zone = known.zone(row["recipient"], row["tick"])
        if zone is None:
            yield row, f"nobody knows the time zone of {row['recipient']}"
        elif quiet is not None and _is_quiet(quiet, row["channel"], datetime.fromtimestamp(row["tick"] / 1000, zone)):
            local = datetime.fromtimestamp(row["tick"] / 1000, zone)
            yield row, f"{row['channel']} is quiet at {local:%A %H:%M} where {row['recipient']} is"


def _is_quiet(quiet: QuietHours, channel: str, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    if any(local.date() in calendar_of(code, [local.year]) for code in quiet.holidays):
        return True
    every = (*quiet.all, *quiet.channels.get(channel, ()))
    today, before = ((*every, *quiet.weekdays[day.weekday()]) for day in (local, local - timedelta(days=1)))
    return any(start <= minute < end for start, end in today) or any(
        start <= minute + _DAY < end for start, end in before
    )
