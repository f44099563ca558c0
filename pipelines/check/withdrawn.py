"""The invariant of withdrawals: what is overtaken while it is valid, that and nothing else, once."""

from collections.abc import Iterator

from pipelines.check.known import Known
from pipelines.check.played import Played, Row
from pipelines.check.reached import Reached
from schemas.playbook_levels import LEVELS
from schemas.playbook_offers import INBOUND

Found = Iterator[tuple[Row, str]]


def wrong_withdrawals(known: Known, played: Played) -> Found:
    """Yield withdrawals of what was not out or not overtaken, and offers that are out although they are overtaken."""
    reached = Reached(known)
    offers, done = {row["decision_id"]: row for row in played.sent}, set[str]()
    for row in played.decisions:
        if row["action"] == "withdrawn":
            if problem := _problem(known, reached, row, offers.get(row["decision_id"]), done):
                yield row, problem
            done.add(row["decision_id"])
    withdrawn = {row["decision_id"]: row["tick"] for row in played.decisions if row["action"] == "withdrawn"}
    for row in played.sent:
        due = _overtaken(known, reached, row) or _lapsed(known, row)
        if _of_group(row) and withdrawn.get(row["decision_id"], due) != due:
            continue  # what others of the group did overtakes it, too
        if row["recipient"] not in known.movers and due is not None and withdrawn.get(row["decision_id"]) != due:
            yield row, "it is not withdrawn when a pause, a lost consent or a goal overtakes it, or it lapses"


def _problem(known: Known, reached: Reached, row: Row, offer: Row | None, done: set[str]) -> str | None:
    if offer is None:
        return "it was never offered"
    if row["decision_id"] in done:
        return "it was withdrawn before"
    lapses = row["reason"] == "expired" and row["tick"] == _lapse(known, offer)
    if not (offer["tick"] < row["tick"] < offer["valid_until"] or lapses):
        return "it was valid no longer"
    if row["tick"] >= known.settled(offer):
        return "it was settled before"
    about = {**offer, **{name: row[name] for name in ("offer", "channel", "message", "recipient")}}
    if about != {**offer}:
        return "it is another offer than was made"
    shut = lapses or _shut(known, reached, offer, row["tick"]) or _by_others(known, row)
    return None if shut else "nothing overtook it"


def _overtaken(known: Known, reached: Reached, row: Row) -> int | None:
    """Return the first tick in the world at which an offer that is valid is overtaken."""
    end = min(row["valid_until"] - 1, known.settled(row) - 1, known.world.until)
    return min(
        (
            tick
            for tick in (*known.turns(row), *_goals(known, reached, row))
            if row["tick"] < tick <= end and _shut(known, reached, row, tick)
        ),
        default=None,
    )


def _shut(known: Known, reached: Reached, row: Row, tick: int) -> bool:
    paused = known.reads("control") and known.is_paused(row, tick)
    return known.lacks_consent(row, tick) or paused or tick in _goals(known, reached, row)


def _goals(known: Known, reached: Reached, row: Row) -> set[int]:
    """Return the ticks at which goals of the offer's family overtake it."""
    return {acts for own, acts in reached.by_kin(row) if own > row["tick"]}


def _by_others(known: Known, row: Row) -> bool:
    """Tell whether a goal may have been reached of which nobody says here what the contact root knows when."""
    return row["reason"] == "goal_reached" and (_of_group(row) or row["recipient"] in known.movers)


def _of_group(row: Row) -> bool:
    return bool(
        row["root_kind"] != LEVELS[0] and (row["subject_kind"], row["subject"]) == (row["root_kind"], row["root"])
    )


def _lapse(known: Known, row: Row) -> int | None:
    """Return the tick at which an offer lapses on own channels."""
    tick = known.world.tick
    return -(-int(row["valid_until"]) // tick) * tick if row["channel"] == INBOUND else None


def _lapsed(known: Known, row: Row) -> int | None:
    """Return that tick if it is in the world, and nothing was settled by then."""
    tick = _lapse(known, row)
    return tick if tick is not None and tick <= known.world.until and tick < known.settled(row) else None
