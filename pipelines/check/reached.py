"""The invariants of goals: who did what an offer is for is not asked for it again."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.check.known import Known, concerned
from pipelines.check.played import Played, Row
from pipelines.check.world import Sent
from schemas.playbook_offers import INBOUND
from schemas.versions import Versions
from transforms.compiler.features import DTYPES
from transforms.compiler.goals import compile_goals
from transforms.shell.versions import contracts_of

Found = Iterator[tuple[Row, str]]


class Reached:
    """Which signals of a world reach which goals.

    Of people who change groups, and of others of a group that is its own contact root, nobody says here what their
    contact roots know when.
    """

    def __init__(self, known: Known) -> None:
        """Evaluate all goals, by the compiler of expressions."""
        self._known = known
        contracts = contracts_of(Versions((known.playbook,)))
        goals, _ = compile_goals(known.playbook, contracts)
        self._done: dict[str, set[int]] = {}
        for signal, mine in goals.items():
            sent = [one for one in known.world.sent if one.signal.signal == signal]
            types = {
                one.name: DTYPES[one.type] for one in contracts[signal].fields if one.name in contracts[signal].payload
            }
            frame = _frame(known, sent, types)
            for offer, where in mine:
                holds = [True] * len(sent) if where is None else frame.select(where.expr).to_series().to_list()
                self._done[offer] = {id(one) for one, fulfils in zip(sent, holds, strict=True) if fulfils}

    def by(self, row: Row, offer: str) -> list[tuple[int, int]]:
        """Return own tick and the tick from which on it acts of each signal by which a decision's people reached it."""
        tick, goal = self._known.world.tick, self._known.playbook.offers[offer].goal
        if goal is None or row["recipient"] in self._known.movers:
            return []
        done = self._done.get(offer, set())
        said = [one for name in goal.signals for who in concerned(row) for one in self._known.said(name, who)]
        return [(one.signal.time // tick * tick + tick, self._known.world.acts(one)) for one in said if id(one) in done]

    def by_kin(self, row: Row) -> list[tuple[int, int]]:
        """Return the same of all offers of the decision's family."""
        offers = self._known.playbook.offers
        kin = (name for name, offer in offers.items() if offer.family == offers[row["offer"]].family)
        return [one for name in kin for one in self.by(row, name)]


def _frame(known: Known, sent: list[Sent], types: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return what goals see of signals, a row each."""
    zone = ZoneInfo(known.playbook.time_zone)
    rows = []
    for one in (one.signal for one in sent):
        local = datetime.fromtimestamp(one.time / 1000, zone)
        clock = {"local_hour": local.hour, "local_weekday": local.isoweekday(), "local_date": f"{local:%Y-%m-%d}"}
        rows.append({name: one.payload.get(name) for name in types} | {"source": one.source or ""} | clock)
    more = {"source": pl.String(), "local_hour": pl.Int64(), "local_weekday": pl.Int64(), "local_date": pl.String()}
    return pl.DataFrame(rows, schema=types | more, orient="row")


def reached_before(known: Known, played: Played) -> Found:
    """Yield offers to who did already what they are for, since the trigger or since they were made the last time."""
    goals = {name: offer.goal for name, offer in known.playbook.offers.items() if offer.goal}
    reached = Reached(known) if goals else None
    for row in played.reserved if reached else ():
        goal = goals.get(row["offer"])
        if reached is not None and _kin_reached(reached, played, row):
            yield row, f"a goal of the family of {row['offer']} was reached since own channels showed an offer"
        if goal is None or reached is None:
            continue
        if any(own > row["trigger_tick"] and acts <= row["tick"] for own, acts in reached.by(row, row["offer"])):
            yield row, f"the goal of {row['offer']} was reached since the trigger"
        for one in played.reserved:
            same = all(one[name] == row[name] for name in ("subject_kind", "subject", "offer", "root_kind", "root"))
            if same and one["tick"] < row["tick"] < one["tick"] + goal.within:
                ticks = [own for own, acts in reached.by(one, row["offer"]) if acts <= row["tick"]]
                if any(one["tick"] < own <= one["tick"] + goal.within for own in ticks):
                    yield row, f"{row['offer']} reached its goal before, and was made again"


def _kin_reached(reached: Reached, played: Played, row: Row) -> bool:
    """Tell whether what is pushed after own channels is of a family of which a goal was reached since."""
    answers = ("subject_kind", "subject", "trigger", "trigger_tick")
    before = [one for one in played.reserved if all(one[name] == row[name] for name in answers) and one["n"] < row["n"]]
    shown = [one["tick"] for one in before if one["channel"] == INBOUND]
    return bool(shown) and any(own > shown[0] and acts <= row["tick"] for own, acts in reached.by_kin(row))
