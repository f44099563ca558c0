"""Quiet hours, as the kernel of decisions reads them."""

from dataclasses import dataclass

from schemas.playbook import Playbook

Times = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Quiet:
    """When nobody is contacted through which channel, by the local clock.

    Attributes:
        channels: The channels that have times of their own, in ascending order.
        times: For each of them, and last for all others, what begins on each weekday, Monday first: minutes from that
            midnight, [start, end); an end beyond 1,440 is on the next day.
        holidays: Codes of the countries, and parts of them, whose public holidays are quiet all day.
    """

    channels: tuple[str, ...]
    times: tuple[tuple[Times, ...], ...]
    holidays: tuple[str, ...]


def quiet_of(playbook: Playbook) -> Quiet | None:
    """Return the quiet hours of a playbook; None if it has none."""
    quiet = playbook.policy.quiet
    if quiet is None:
        return None
    channels = tuple(sorted(quiet.channels))
    daily = [*(quiet.channels[name] for name in channels), ()]
    times = tuple(tuple(quiet.all + own + weekday for weekday in quiet.weekdays) for own in daily)
    return Quiet(channels, times, quiet.holidays)
