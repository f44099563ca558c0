"""The invariant of answers: every trigger gets exactly one that is final, in time."""

from collections import defaultdict
from collections.abc import Iterator

from pipelines.check.known import Known
from pipelines.check.played import Played, Row
from schemas.playbook_offers import INBOUND

Found = Iterator[tuple[Row, str]]
_TELLS = {"entered": "", "fired": "", "exited": ".exited"}


def wrong_answers(known: Known, played: Played) -> Found:
    """Yield answers after the final one, gaps in `n`, waits that nobody ended, triggers that nobody answered."""
    answers: dict[tuple[str, str, str, int], list[Row]] = defaultdict(list)
    for row in played.answers:
        answers[row["subject_kind"], row["subject"], row["trigger"], row["trigger_tick"]].append(row)
    for every in answers.values():
        yield from _wrong(known, every)
    yield from _unanswered(known, played, set(answers))


def _wrong(known: Known, rows: list[Row]) -> Found:
    for number, row in enumerate(rows):
        if row["n"] != number:
            yield row, f"its `n` is {row['n']}, not {number}"
        before = rows[number - 1] if number else None
        lapses = _lapses(known, before) if before is not None else None
        if before is not None and before["action"] != "deferred" and lapses is None:
            yield row, f"it comes after the final answer: {before['action']}"
        if before is not None and not before["tick"] < row["tick"] <= (lapses or _last(known, row)):
            yield row, "it comes out of time"
        if lapses is not None and row["tick"] < lapses and row["reason"] not in ("segment_exited", "moved"):
            yield row, "own channels have not had their time"
        if row["channel"] == INBOUND and any(_lapses(known, one) for one in rows[:number]):
            yield row, "it was on own channels before"
    last = rows[-1]
    if (lapses := _lapses(known, last)) is not None and lapses <= known.world.until:
        yield last, "nobody answered again when it lapsed on own channels"
    if last["action"] == "deferred" and last["until"] is not None and last["until"] <= known.world.until:
        yield last, "it waits for a time that passed"
    if last["action"] == "deferred" and _last(known, last) <= known.world.until:
        yield last, "it waits for longer than any of its offers"


def _lapses(known: Known, row: Row) -> int | None:
    """Return when a trigger is answered again that went to own channels first; None: its answer is final."""
    if row["channel"] != INBOUND or row["action"] not in ("offer", "holdout"):
        return None
    offer = known.playbook.offers[row["offer"]]
    first = known.playbook.inbound_first(offer)
    return int(row["tick"]) + first if first is not None and first < offer.valid_for else None


def _last(known: Known, row: Row) -> int:
    """Return the tick at which a trigger is answered at the latest."""
    playbook, tick = known.playbook, known.world.tick
    offers = [offer for offer in playbook.offers.values() if row["trigger"] in offer.for_]
    waits = [offer.wait or (offer.valid_for if playbook.policy.quiet is not None else 0) for offer in offers]
    return -(-(int(row["trigger_tick"]) + max(waits, default=0)) // tick) * tick


def _unanswered(known: Known, played: Played, answered: set[tuple[str, str, str, int]]) -> Found:
    """Yield transitions that are triggers of offers and have no answer."""
    triggers = {name for offer in known.playbook.offers.values() for name in offer.for_}
    for row in played.of("transitions"):
        name = f"{row['subject_kind']}.{row['name']}{_TELLS.get(row['event'], '.?')}"
        at = (row["subject_kind"], row["subject"], name, row["tick"])
        if name in triggers and not row["late"] and at not in answered:
            yield {**row, "decision_id": "", "trigger": name}, "nobody answered the trigger"
