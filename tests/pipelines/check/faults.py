"""Faults to put into the kernel of decisions, each of which breaks what must hold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from schemas.durations import HOUR, MINUTE
from schemas.records import EVERYBODY
from transforms.arrays.in_time import FOREVER
from transforms.compiler.offer_definitions import BELOW_ZERO, CAPS, COOLDOWN, Limit
from transforms.decision import (
    answering,
    answers,
    arbitration,
    asked,
    candidates,
    contacts,
    decide,
    gates,
    limits,
    notices,
    withdrawal,
)
from transforms.decision.exploration import Exploration

Patch = pytest.MonkeyPatch
Wrapped = Callable[..., Any]
Fault = Callable[[Patch], None]


def _wrap(where: Any, name: str, by: Callable[[Wrapped], Wrapped]) -> Fault:
    """Return a fault that puts a function around one of the kernel's."""
    return lambda patch: patch.setattr(where, name, by(getattr(where, name)))


def _never(name: str) -> Fault:
    """Return a fault that opens a gate for good."""
    return _wrap(asked.Asked, name, lambda real: lambda self, *given: np.zeros(len(self.trigger), np.bool_))


def _latest(signal: str, change: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]) -> Fault:
    """Return a fault that changes what notices of a type say."""

    def by(real: Wrapped) -> Wrapped:
        def latest(self: Any, name: str, asked: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
            found: pl.DataFrame = real(self, name, asked, names)
            return change(found, asked) if name == signal else found

        return latest

    return _wrap(notices.Notices, "latest", by)


def _quieter(change: Callable[[tuple[Any, ...]], tuple[Any, ...]], back: int = 0) -> Fault:
    return _wrap(gates, "opens_at", lambda real: lambda *given: real(*change(given)) - back)


def _more(fits: Callable[[Limit], bool], more: int = 1) -> Fault:
    """Return a fault that lets some limits count to more than their `max`."""

    def by(real: Wrapped) -> Wrapped:
        def lay_out(plan: Any, *given: Any) -> Any:
            checks = real(plan, *given)
            wrong = np.array([fits(limit) for limit in plan.limits], np.bool_)
            return replace(checks, nth=checks.nth + np.where(wrong[checks.limit], more, 0))

        return lay_out

    return _wrap(arbitration, "lay_out_checks", by)


def _a_tick_less(real: Wrapped) -> Wrapped:
    return lambda one: real(one) - (10 * MINUTE if one.gate == CAPS and not one.by_calendar else 0)


def _reports(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Fault:
    """Return a fault that changes what is known of contacts."""
    return _wrap(
        answering,
        "contacts_of",
        lambda real: lambda *given: replace(real(*given), reports=change(real(*given).reports)),
    )


def _opt_out_is_contract(real: Wrapped) -> Wrapped:
    return lambda self, message, channel, basis: (
        (np.zeros(len(self.triggers), np.bool_), np.full(len(self.triggers), -1))
        if basis == "opt_out"
        else real(self, message, channel, basis)
    )


def _nothing_released_comes_back(reports: pl.DataFrame) -> pl.DataFrame:
    failed = reports.filter(pl.col("what") == "failed")["decision_id"].drop_nulls()
    return reports.filter(
        (pl.col("what") == "failed") | ~pl.col("decision_id").is_in(failed.to_list()).fill_null(False)
    )


def _below_zero(real: Wrapped) -> Wrapped:
    losing = pl.col("ineligible") == BELOW_ZERO
    return lambda *given: real(*given).with_columns(ineligible=pl.when(~losing.fill_null(False)).then("ineligible"))


def _answered_again(patch: Patch) -> None:
    """Keep who waited when the call began, answered or not."""
    waited: list[Any] = []
    deferred, state = decide._deferred, decide.LedgerState

    def remember(plan: Any, memory: Any) -> Any:
        waited[:] = [memory.deferred]
        return deferred(plan, memory)

    def keep(*given: Any) -> Any:
        after = state(*given)
        return after if waited[0] is None or not len(waited[0]) else replace(after, deferred=waited[0])

    patch.setattr(decide, "_deferred", remember)
    patch.setattr(decide, "LedgerState", keep)


def _sooner(real: Wrapped) -> Wrapped:
    def contacts_of(*given: Any) -> Any:
        found = real(*given)
        return replace(found, within=found.within - 30 * MINUTE)

    return contacts_of


FAULTS: dict[str, Fault] = {
    "consent is ignored": _never("without_consent"),
    "opt_out is taken for contract": _wrap(asked.Asked, "_refused", _opt_out_is_contract),
    "consents do not lapse": _latest(
        "consent", lambda found, asked: found.with_columns(valid_until=pl.lit(None, pl.Int64))
    ),
    "the channel gate is open": _never("without_channel"),
    "quiet hours are an hour off": _quieter(lambda given: (*given[:4], given[4] + HOUR, given[5]), HOUR),
    "quiet hours are in UTC": _quieter(lambda given: (*given[:2], ("UTC",), np.zeros_like(given[3]), *given[4:])),
    "a cap allows one more": _more(lambda limit: limit.gate == CAPS and limit.reason != "same_tick"),
    "a cap is over a tick too soon": _wrap(limits, "_length", _a_tick_less),
    "calendar days are in UTC": _wrap(
        limits, "_calendar_number", lambda real: lambda ticks, unit, zone: real(ticks, unit, "UTC")
    ),
    "cooldowns are ignored": _more(lambda limit: limit.gate == COOLDOWN, 99),
    "rejections are ignored": _more(lambda limit: limit.rejected, 99),
    "who is held out is sent offers": _wrap(
        answers,
        "held_out",
        lambda real: lambda *given: {name: np.zeros_like(held) for name, held in real(*given).items()},
    ),
    "a share goes to all": _wrap(candidates, "in_share", lambda real: lambda *given: np.ones_like(real(*given))),
    "a pause for everybody is ignored": _latest(
        "control",
        lambda found, asked: found.with_columns(action=pl.when(asked["root_kind"] != EVERYBODY).then(found["action"])),
    ),
    "all pauses are ignored": _never("paused"),
    "the ticket gate is open": _never("with_open_ticket"),
    "what was released stays so": _reports(_nothing_released_comes_back),
    "what others sent does not count": _wrap(contacts, "_of_others", lambda real: lambda *given: real(*given).clear()),
    "silence releases too soon": _wrap(answering, "contacts_of", _sooner),
    "what is below zero is sent": _wrap(answering, "rank_candidates", _below_zero),
    "who waited is answered twice": _answered_again,
    "who waits is never looked at again": _wrap(
        answering, "look_again", lambda real: lambda *given: np.full_like(real(*given), FOREVER)
    ),
    "nothing is withdrawn": _wrap(
        answering, "withdrawals_of", lambda real: lambda *given: pl.DataFrame(schema=withdrawal.WITHDRAWN)
    ),
    "what lapses is not withdrawn": _wrap(withdrawal, "lapses", lambda real: lambda *given: real(*given).clear()),
    "the first to be said holds": lambda patch: patch.setattr(notices, "order_of", lambda _: [-pl.col("time")]),
}


def _of(change: Callable[[Exploration], Exploration]) -> Fault:
    """Return a fault that changes how turns explore."""
    return _wrap(arbitration, "exploration_of", lambda real: lambda *given: change(real(*given)))


EXPLORATION: dict[str, Fault] = {
    "it explores across tiers": _of(lambda found: replace(found, kind=found.kind * 0)),
    "it explores always": _of(lambda found: replace(found, draws=found.share > 0)),
    "it never explores": _of(lambda found: replace(found, draws=found.share > 1)),
    "the share is told wrong": _of(lambda found: replace(found, share=found.share / 2)),
    "the arm is always the last": _of(lambda found: replace(found, arms=~np.zeros_like(found.arms))),
}


def no_goals(patch: Patch) -> None:
    """Ignore which goals were reached."""
    real = contacts.goals_of
    patch.setattr(contacts, "goals_of", lambda *given: replace(real(*given), reached=real(*given).reached.clear()))
