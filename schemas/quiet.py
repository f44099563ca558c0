"""Quiet hours: the local times and days at which nobody is contacted, as people write them."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import holidays
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.fields import NAME
from schemas.playbook_levels import Part

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = "([01][0-9]|2[0-3]):([0-5][0-9])"
TIMES = f"^({_CLOCK}-({_CLOCK}|24:00)|all)$"
CALENDAR = "^[A-Z]{2}(-.+)?$"
_DAY = 24 * 60  # minutes


def _times(value: Any) -> Any:
    """Turn `20:00-08:00`, `all` or a list of such into minutes from midnight."""
    if value in ([], {}, None):
        raise ValueError("must not be empty: say local times, as `20:00-08:00`, or `all`")
    return tuple(map(_interval, value if isinstance(value, list) else [value]))


def _interval(value: Any) -> tuple[int, int]:
    if not isinstance(value, str) or not re.fullmatch(TIMES, value):
        raise ValueError(f"must be local times, as `20:00-08:00`, or `all`, not {_shown(value)}")
    if value == "all":
        return 0, _DAY
    start, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in value.split("-"))
    if start == end:
        raise ValueError(f"starts when it ends, as `{value}` does: say `all` for the whole day")
    return start, end if end > start else end + _DAY


def _calendars(value: Any) -> Any:
    """Turn `FI` or a list of such into a tuple."""
    codes = value if isinstance(value, list) else [value]
    for code in codes or [None]:
        if not isinstance(code, str) or not re.fullmatch(CALENDAR, code):
            raise ValueError(f"must be a country, as `FI`, or a part of one, as `DE-BY`, not {_shown(code)}")
    return tuple(codes)


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str | int | float) else "this"


_Text = Annotated[str, StringConstraints(pattern=TIMES)]
Times = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_times, json_schema_input_type=_Text | list[_Text])]
"""Minutes from the midnight at which the day begins, [start, end); an end beyond 1,440 is on the next day."""

_Code = Annotated[str, StringConstraints(pattern=CALENDAR)]
Calendars = Annotated[tuple[str, ...], BeforeValidator(_calendars, json_schema_input_type=_Code | list[_Code])]
"""Codes of countries and their parts, as `FI` and `DE-BY`."""

_OfWeekday = Annotated[Times, Field(description="The same, from that local weekday on.")]


def _by_name(schema: dict[str, Any]) -> None:
    """Let editors know that what is no key of ours must be a name."""
    schema["patternProperties"] = {f"^(?!holidays$){NAME[1:]}": schema["additionalProperties"]}
    schema["additionalProperties"] = False


class QuietHours(Part):
    """When nobody is contacted, by the recipient's clock.

    Any other key is a channel: when that is quiet, every day. `sms: 20:00-08:00` passes midnight, into the next day; a
    list holds several; `all` is the whole day. All keys that hold for a channel hold together.
    Own channels, `inbound`, are quiet only where they are named.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_by_name)
    __pydantic_extra__: dict[str, Times]

    all: Times = Field((), description="When every channel is quiet, every day.")
    monday: _OfWeekday = ()
    tuesday: _OfWeekday = ()
    wednesday: _OfWeekday = ()
    thursday: _OfWeekday = ()
    friday: _OfWeekday = ()
    saturday: _OfWeekday = ()
    sunday: _OfWeekday = ()
    holidays: Calendars = Field(
        (), description="The country, `FI`, or part of one, `DE-BY`, whose public holidays are quiet; or a list."
    )

    @property
    def channels(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """The times of the channels that have some of their own."""
        return self.__pydantic_extra__

    @property
    def weekdays(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """The times of every channel that start on each weekday, Monday first."""
        return tuple(getattr(self, weekday) for weekday in WEEKDAYS)


def calendar_of(code: str, years: Iterable[int] = ()) -> holidays.HolidayBase:
    """Return the public holidays of a country or a part of one, observed days included.

    Raises:
        NotImplementedError: there is no such country, or it has no such part.
    """
    country, _, part = code.partition("-")
    return holidays.country_holidays(country, subdiv=part or None, years=years)


def known_calendars(country: str) -> list[str]:
    """Return the codes of a country's parts; of all countries, if it is none."""
    countries = holidays.list_supported_countries(include_aliases=False)
    return [f"{country}-{part}" for part in countries[country]] if country in countries else list(countries)
