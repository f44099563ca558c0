"""How much worse than one playbook another may do before a backtest fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from pipelines.failures import Failure

_FORM = re.compile(r"\+?([0-9]{1,6}(?:\.[0-9]{1,6})?)%")


class BeyondLimitsError(Failure):
    """The second playbook does worse than a limit allows."""


@dataclass(frozen=True)
class Allowance:
    """A share of what the first playbook has: `+5%` or `5%`."""

    text: str

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            ValueError: it is of another form.
        """
        if not _FORM.fullmatch(self.text):
            raise ValueError(f"`{self.text}` is not a share with `%`, as `5%`, `+5%` or `0.5%`; it is of what A has")

    @property
    def share(self) -> Fraction:
        """Return the share, 1 for `100%`."""
        found = _FORM.fullmatch(self.text)
        assert found, "checked when it was made"
        return Fraction(found[1]) / 100


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the second playbook may do worse; None for no limit.

    Attributes:
        max_contacts: How many more offers it may send.
        max_lost_members: How many of the first one's members it may lose of any segment.
        max_lost_value: How much less expected value its offers may have.
    """

    max_contacts: Allowance | None = None
    max_lost_members: Allowance | None = None
    max_lost_value: Allowance | None = None

    def beyond(self, offers: pl.DataFrame, members: pl.DataFrame) -> list[str]:
        """Return what is beyond a limit, each with the flag and both numbers.

        Args:
            offers: As `backtest_counts.offers` gives.
            members: As `backtest_counts.members` gives.
        """
        return [*self._contacts(offers), *self._members(members), *self._value(offers)]

    def _contacts(self, offers: pl.DataFrame) -> Iterator[str]:
        a, b = _sums(offers, "sent")
        if self.max_contacts and b - a > self.max_contacts.share * a:
            told = f"A sends {a:,} offers, B {b:,}: {b - a:,} more{_of(b - a, a)}"
            yield f"--max-contacts {self.max_contacts.text}: {told}"

    def _members(self, members: pl.DataFrame) -> Iterator[str]:
        allowed = self.max_lost_members
        for segment, a, lost in members.select("segment", "members_a", "lost").iter_rows():
            if allowed and lost > allowed.share * a:
                told = f"{segment} has {a:,} members with A, and B loses {lost:,} of them{_of(lost, a)}"
                yield f"--max-lost-members {allowed.text}: {told}"

    def _value(self, offers: pl.DataFrame) -> Iterator[str]:
        a, b = _sums(offers, "value_micros")
        if self.max_lost_value and a - b > self.max_lost_value.share * abs(a):
            values = f"offers are worth {a / 1e6:,.2f} with A, {b / 1e6:,.2f} with B"
            told = f"{values}: {(a - b) / 1e6:,.2f} less{_of(a - b, a)}"
            yield f"--max-lost-value {self.max_lost_value.text}: {told}"


def _sums(offers: pl.DataFrame, name: str) -> tuple[int, int]:
    return int(offers[f"{name}_a"].sum()), int(offers[f"{name}_b"].sum())


def _of(part: int, whole: int) -> str:
    return f", {100 * part / abs(whole):.1f} %" if whole else ""
