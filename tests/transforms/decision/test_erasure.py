"""Erasures in the ledger: what goes, what still counts without names, and when."""

from dataclasses import replace

import pyarrow as pa
import pytest

from schemas.records import ERASED
from tests.transforms.decision.small_policies import (
    HOUR,
    Cap,
    Fact,
    Offer,
    Policy,
    Trigger,
    batches_of,
    facts_of,
    plan_of,
)
from transforms.decision.erasure import decide_and_erase
from transforms.decision.ledger_state import LedgerState
from transforms.decision.ledgers import Ledgers

HOME, KINDS = ("household", "h"), ("household", "subscriber")
PLAN = plan_of(Policy((Offer("a"),), (Cap(2, 9 * HOUR, per="household"), Cap(1, 9 * HOUR))))


def at_home(who: str, tick: int, **more: str) -> Trigger:
    return Trigger(who, tick=tick * HOUR, in_root=HOME, household="h", **more)


def erasure(kind: str, who: str, tick: int) -> pa.RecordBatch:
    row = {"root_kind": kind, "root": who, "subject_kind": kind, "subject": who, "token": f"#{who}"}
    return pa.RecordBatch.from_pylist([{**row, "source": "law", "id": "e1", "tick": tick * HOUR}], schema=ERASED)


def played(batches: list[pa.RecordBatch], *ends: int) -> tuple[dict[tuple[int, str], str], dict[str, int], LedgerState]:
    """Return actions by hour and subject, rows removed by table, and the last state, of calls up to each hour."""
    ledgers, actions = Ledgers.load(None), dict[tuple[int, str], str]()
    removed: dict[str, int] = {}
    for end in ends:
        for decided, gone in decide_and_erase(PLAN, ledgers, batches, end * HOUR):
            for row in decided.decisions.to_pylist():
                actions[row["tick"].hour, row["subject"]] = row["action"]
            for row in gone.to_pylist():
                removed[str(row["table"])] = removed.get(str(row["table"]), 0) + row["rows"]
            batches = decided.waiting
    return actions, removed, ledgers.memory()


@pytest.mark.parametrize("ends", [(8,), (1, 2, 3, 8), (2, 8)])
def test_contacts_of_others_still_count(ends: tuple[int, ...]) -> None:
    triggers = batches_of([at_home("anna", 1), at_home("ben", 2), at_home("carl", 4)])
    actions, removed, state = played([*triggers, erasure("subscriber", "anna", 3)], *ends)
    assert actions == {(1, "anna"): "offer", (2, "ben"): "offer", (4, "carl"): "no_offer"}
    assert removed == {"None": 0, "names": 1}
    rows = state.reservations.select(["subject", "recipient"]).to_pylist()
    assert rows == [{"subject": "", "recipient": ""}, {"subject": "ben", "recipient": "ben"}]


@pytest.mark.parametrize("ends", [(8,), (1, 2, 3, 8), (2, 8)])
def test_the_ledger_of_who_is_erased_goes(ends: tuple[int, ...]) -> None:
    triggers = batches_of([Trigger("anna", tick=HOUR), Trigger("anna", tick=2 * HOUR), Trigger("anna", tick=6 * HOUR)])
    facts = facts_of([Fact(("subscriber", "anna"), "subscriber.g", "anna", True, HOUR)])
    facts_at_home = facts_of([Fact(HOME, "subscriber.g", "anna", True, HOUR), Fact(HOME, "sme.g", "anna", True, HOUR)])
    actions, removed, state = played([*triggers, facts, facts_at_home, erasure("subscriber", "anna", 3)], *ends)
    assert actions == {(1, "anna"): "offer", (2, "anna"): "no_offer", (6, "anna"): "offer"}
    assert removed == {"None": 0, "reservations": 1, "memberships": 2, "numbers": 1}
    assert state.memberships["segment"].to_pylist() == ["sme.g"]


def test_an_erased_household_is_forgotten_and_one_that_is_late_acts_next() -> None:
    batches = batches_of([at_home("anna", 1), Trigger("h", tick=2 * HOUR, kind="household", in_root=HOME, to="ben")])
    _, before, state = played(batches, 4)
    assert not before
    ledgers = Ledgers(state)
    made = [*decide_and_erase(PLAN, ledgers, [erasure("household", "h", 3)], 5 * HOUR)]
    assert ledgers.memory().reservations.num_rows == 0
    assert {*made[0][1]["tick"].to_pylist()} == {5 * HOUR}


def test_an_erasure_of_a_later_tick_waits() -> None:
    (decided, _), *others = decide_and_erase(PLAN, Ledgers.load(None), [erasure("subscriber", "anna", 3)], HOUR)
    assert not others
    assert decided.wake == 3 * HOUR
    assert [batch.schema.metadata for batch in decided.waiting] == [ERASED.metadata]


def test_erasures_act_in_the_order_of_their_ticks() -> None:
    triggers = batches_of([Trigger("zoe", tick=HOUR), Trigger("zoe", tick=4 * HOUR)])
    erasures = [erasure("subscriber", "anna", 5), erasure("subscriber", "zoe", 3)]
    actions, _, _ = played([*triggers, *erasures], 8)
    assert actions == {(1, "zoe"): "offer", (4, "zoe"): "offer"}


@pytest.mark.parametrize("ends", [(8,), (1, 2, 3, 4, 8), (2, 8)])
def test_who_is_erased_begins_anew_and_others_go_on(ends: tuple[int, ...]) -> None:
    plan = plan_of(Policy((Offer("a", valid_for=9 * HOUR),), ()))
    alone = [Trigger("anna", tick=tick * HOUR) for tick in (1, 2, 3, 6)]
    batches = batches_of([*alone, at_home("anna", 1), at_home("ben", 2), at_home("anna", 3), at_home("ben", 6)])
    batches, ledgers, found = [*batches, erasure("subscriber", "anna", 3)], Ledgers.load(None), []
    for end in ends:
        for decided, _ in decide_and_erase(plan, ledgers, batches, end * HOUR):
            found += decided.decisions.to_pylist()
            batches = decided.waiting
    told = {kind: [(row["sequence"], row["action"]) for row in found if row["root_kind"] == kind] for kind in KINDS}
    assert told["household"] == [(1, "offer"), (2, "offer"), (3, "withdrawn"), (4, "offer"), (5, "offer")]
    assert told["subscriber"] == [
        *((1, "offer"), (2, "offer"), (3, "withdrawn"), (4, "withdrawn")),  # of the old count
        *((1, "offer"), (2, "offer")),
    ]
    assert ledgers.memory().sequences.sort_by("root_kind").to_pylist() == [
        {"root_kind": "household", "root": "h", "sequence": 5},
        {"root_kind": "subscriber", "root": "anna", "sequence": 2},
    ]


@pytest.mark.parametrize("ends", [(12,), (*range(13),), (3, 5)])
@pytest.mark.parametrize("erased", [3, 5])
def test_what_is_on_own_channels_is_withdrawn_once(erased: int, ends: tuple[int, ...]) -> None:
    published = replace(Offer("a", valid_for=8 * HOUR), send=("inbound", "app"))
    plan = plan_of(Policy((published,), (Cap(2, 9 * HOUR, per="household"),)))
    plan = replace(plan, offers=tuple(replace(one, inbound=4 * HOUR) for one in plan.offers))
    batches = [*batches_of([at_home("anna", 1)]), erasure("subscriber", "anna", erased)]
    ledgers, rows = Ledgers.load(None), []
    for end in ends:
        for decided, _ in decide_and_erase(plan, ledgers, batches, end * HOUR):
            rows += decided.decisions.to_pylist()
            batches = decided.waiting
    told = [(row["tick"].hour, row["subject"], row["action"], row["channel"], row["reason"]) for row in rows]
    assert told == [(1, "anna", "offer", "inbound", None), (erased, "anna", "withdrawn", "inbound", "erased")]
