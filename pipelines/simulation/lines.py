"""The lines of the simulated town: in which household or company each is, and since when."""

from dataclasses import dataclass

import numpy as np

from pipelines.simulation.arrays import NEVER, Bools, Ints, chosen, days_between, since_day


@dataclass(frozen=True)
class Lines:
    """One array position a line; days count from the town's first.

    Attributes:
        household: Position of the household, -1 for none; an owner's line may be in a household too.
        company: Position of the company, -1 for a consumer's line.
        is_primary: Whether it is the household's first.
        is_owner: Whether it is the company's owner's.
        joined: The day on which the line begins.
        grows: Of each company: the day from which it adds lines, NEVER if it does not.
    """

    household: Ints
    company: Ints
    is_primary: Bools
    is_owner: Bools
    joined: Ints
    grows: Ints

    @property
    def is_consumer(self) -> Bools:
        """Whether it is in no company."""
        return self.company < 0


def draw_lines(rng: np.random.Generator, count: int, days: int) -> Lines:
    """Draw exactly `count` lines: about one in seven in a company, the others in households of one to five."""
    company, is_owner, joined, grows = _companies(rng, count, days)
    consumers = count - len(company)
    size = 1 + chosen(rng, (40, 30, 14, 11, 5), consumers)
    household = np.repeat(np.arange(consumers), size)[:consumers]
    lives_here = is_owner & (rng.random(len(company)) < 0.4)
    owners_home = np.where(lives_here, rng.integers(household[-1] + 1, size=len(company)), -1)
    no = np.zeros(len(company), bool)
    return Lines(
        household=np.concatenate([owners_home, household]),
        company=np.concatenate([company, np.full(consumers, -1)]),
        is_primary=np.concatenate([no, np.diff(household, prepend=-1) > 0]),
        is_owner=np.concatenate([is_owner, np.zeros(consumers, bool)]),
        joined=np.concatenate([joined, np.zeros(consumers, np.int64)]),
        grows=grows,
    )


def _companies(rng: np.random.Generator, lines: int, days: int) -> tuple[Ints, Bools, Ints, Ints]:
    """Return of each company line: its company, whether it is the owner's, its first day; and `grows`.

    A company that grows adds 1.8 to 3 % of its first size a day; a few others hire one person.
    """
    count = max(2, round(lines * 0.012))
    size = np.clip(rng.lognormal(np.log(7), 0.5, count), 3, 30).astype(np.int64)
    grows = since_day(rng, rng.random(count) < 0.35, days)
    per_day = size * rng.uniform(0.018, 0.03, count)
    one = (size >= 8) & (rng.random(count) < 0.3)
    added = np.where(grows < NEVER, np.ceil(per_day * (days - grows)), one).astype(np.int64)
    company = np.repeat(np.arange(count), size + added)
    place = np.arange(len(company)) - np.repeat(np.cumsum(size + added) - size - added, size + added)
    nth = place - size[company]
    grown = np.minimum(grows[company] + (nth + 1) / per_day[company], days - 1).astype(np.int64)
    hired = np.where(grows[company] < NEVER, grown, days_between(rng, 0, 1, days, len(company)))
    return company, place == 0, np.where(nth < 0, 0, hired), grows
