"""Who lives in the simulated town: what people do with their lines, and since when."""

from dataclasses import dataclass

import numpy as np

from pipelines.simulation.arrays import NEVER, Bools, Floats, Ints, chosen, days_between, numbered, since_day
from pipelines.simulation.lines import Lines, draw_lines

SMALLEST = 100
TARIFFS = ("small", "medium", "large", "huge", "unlimited")
PLAN_MB = np.array([2_000.0, 6_000.0, 15_000.0, 40_000.0, np.inf])
WEEKDAYS = np.arange(7) < 5


@dataclass(frozen=True)
class Town:
    """The people of one town, one array position a subscriber; days count from the first, NEVER if it does not happen.

    Attributes:
        subscribers: Their ids; `households`, `companies` and `cells` hold the ids of those.
        lines: Where they belong.
        homeworks: The day from which a living is earned at home; `homeworks_no_more`: the day from which it is not.
        sells: The day from which an unregistered business runs on the line.
        leaves: The day from which it is used less and less.
        curious: The day on which the way to fibre is looked up for a week.
        tariff: A position in TARIFFS.
        cell: A position in `cells`.
        heavy: How much more than others its data sessions weigh.
        eager: Whether an empty bucket is topped up.
        faulty: Of a cell: the first of seven days of dropped calls.
        rates: Of each stream: the mean number of uses a day, (subscribers, 7) from Monday.
        spells: Of a stream that not everybody always has: the first day, and the first day after it.
    """

    subscribers: tuple[str, ...]
    households: tuple[str, ...]
    companies: tuple[str, ...]
    cells: tuple[str, ...]
    lines: Lines
    homeworks: Ints
    homeworks_no_more: Ints
    sells: Ints
    leaves: Ints
    curious: Ints
    tariff: Ints
    cell: Ints
    heavy: Floats
    eager: Bools
    faulty: Ints
    rates: dict[str, Floats]
    spells: dict[str, tuple[Ints, Ints]]


def draw_town(rng: np.random.Generator, subscribers: int, days: int) -> Town:
    """Draw a town of exactly `subscribers` lines.

    Raises:
        ValueError: There are too few subscribers for a town, or no days.
    """
    if subscribers < SMALLEST or days < 1:
        raise ValueError(f"a town needs at least {SMALLEST} subscribers and 1 day, not {subscribers} and {days}")
    lines, cells = draw_lines(rng, subscribers, days), numbered("cell", max(4, subscribers // 200))

    def some(share: float) -> Bools:
        return rng.random(subscribers) < share

    homeworks = since_day(rng, lines.is_primary & some(0.15), days)
    no_more = np.where((homeworks == 0) & some(0.3), days_between(rng, 0.5, 0.8, days, subscribers), NEVER)
    sells = since_day(rng, lines.is_primary & some(0.06), days)
    leaves = days_between(rng, 0.25, 0.6, days, subscribers)
    curious = days_between(rng, 0, 0.8, days, subscribers)
    heavy = rng.lognormal(0, 0.6, subscribers)
    return Town(
        subscribers=tuple(np.array(numbered("s", subscribers))[rng.permutation(subscribers)].tolist()),
        households=numbered("h", int(lines.household.max()) + 1),
        companies=numbered("c", len(lines.grows)),
        cells=cells,
        lines=lines,
        homeworks=homeworks,
        homeworks_no_more=no_more,
        sells=sells,
        leaves=np.where(lines.is_consumer & some(0.05), leaves, NEVER),
        curious=np.where(lines.is_primary & some(0.04), curious, NEVER),
        tariff=_tariffs(rng, heavy),
        cell=rng.integers(len(cells), size=subscribers),
        heavy=heavy,
        eager=some(0.6),
        faulty=np.where(rng.random(len(cells)) < 0.1, days_between(rng, 0, 0.8, days, len(cells)), NEVER),
        rates=_rates(rng, lines, homeworks < NEVER, sells < NEVER),
        spells={
            "work": (np.where(homeworks < NEVER, homeworks, 0), no_more),
            "shop": (np.where(sells < NEVER, sells, 0), np.full(subscribers, NEVER)),
        },
    )


def _tariffs(rng: np.random.Generator, heavy: Floats) -> Ints:
    """Return the smallest plan for what people believe they need in four weeks; one in seven takes no chances."""
    believed = 5_000 * heavy * rng.lognormal(0, 0.35, len(heavy))
    return np.where(rng.random(len(heavy)) < 0.15, len(TARIFFS) - 1, np.searchsorted(PLAN_MB, believed))


def _rates(rng: np.random.Generator, lines: Lines, works: Bools, sells: Bools) -> dict[str, Floats]:
    """Return the mean uses a weekday of each stream; some people resemble homeworkers and sellers without being any."""
    count, every_day = len(works), np.ones(7)
    adult = lines.is_primary | (rng.random(count) < 0.6)
    draw = rng.random((3, count))
    some_weekdays = rng.random((count, 5)).argsort(axis=1) < 3 + chosen(rng, (15, 35, 50), count)[:, None]
    office_days = np.pad(some_weekdays, ((0, 0), (0, 2)))
    one_weekday = np.arange(7) == rng.integers(5, size=count)[:, None]
    closed = np.arange(7) == rng.choice([0, 6], size=count)[:, None]
    hybrid = (~works & lines.is_consumer & adult & (draw[0] < 0.2))[:, None]
    student = (lines.is_consumer & ~adult & (draw[1] < 0.4))[:, None]
    hobby = (~sells & lines.is_consumer & (draw[2] < 0.05))[:, None]
    employed, works, sells = ~lines.is_consumer[:, None], works[:, None], sells[:, None]
    return {
        "leisure": rng.lognormal(2.4, 0.4, (count, 1)) * np.where(employed, 0.5, 1.0) * every_day,
        "work": 7.0 * (works & office_days) + 3.0 * (hybrid & one_weekday),
        "study": 1.5 * (student & WEEKDAYS),
        "shop": 18.0 * (sells & ~closed) + 1.5 * (hobby & ~WEEKDAYS),
        "company": 9.0 * (employed & WEEKDAYS),
        "private_call": rng.lognormal(0.1, 0.6, (count, 1)) * every_day,
        "business_call": (0.15 + 4.0 * (sells | employed)) * WEEKDAYS,
        "text": rng.lognormal(0.6, 0.8, (count, 1)) * every_day,
    }
