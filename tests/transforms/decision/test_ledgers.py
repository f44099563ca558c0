"""Ledgers of many contact roots: what a call that concerns a few makes of what nobody has looked at for long."""

from dataclasses import replace

import pytest

from tests.transforms.decision.kernel import plan_of, play
from tests.transforms.decision.reference_policy import DAY, HOUR, Cap, Notice, Offer, Policy, Trigger
from tests.transforms.decision.small_policies import batches_of
from tests.transforms.decision.strategies import Case
from transforms.decision import ledgers
from transforms.decision.ledgers import Ledgers

PLAN = plan_of(Policy((Offer("a"),), (Cap(2, 9 * HOUR, per="household"),)))


@pytest.fixture(params=[0, 0.25, 100], ids="MOST {}".format, autouse=True)
def _most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST", request.param)


def test_what_no_tick_can_see_is_not_erased() -> None:
    known = Ledgers.load(None)
    known.decide(PLAN, batches_of([Trigger("anna", tick=HOUR)]), HOUR)
    for hour in range(2, 31):
        known.decide(PLAN, batches_of([Trigger(f"other{hour % 20}", tick=hour * HOUR)]), hour * HOUR)
    assert "anna" not in known.memory().reservations["root"].to_pylist()


def test_a_blob_lets_go_of_what_is_not_in_it() -> None:
    known, held = Ledgers.load(None), []
    for hour in range(1, 60):
        known.decide(PLAN, batches_of([Trigger(f"other{hour}", tick=hour * HOUR)]), hour * HOUR)
        if hour % 20 == 0:
            held.append((len(Ledgers.load(known.dump()).memory().reservations), len(known.memory().reservations)))
    assert held == [(9, 9), (9, 9)]


def test_a_ticket_that_stops_sales_in_a_later_version_is_remembered() -> None:
    policy = Policy((Offer("a"),), listed=frozenset({"ticket"}), no_sales=1)
    opened = {"ticket_id": "1", "state": "open", "severity": 3}
    ticket = Notice(("subscriber", "anna"), "subscriber", "anna", "ticket", HOUR, HOUR - 1, "s", "1", opened)
    triggers = [*(Trigger(f"other{day}", tick=day * DAY) for day in range(1, 40)), Trigger("anna", tick=41 * DAY)]
    later = [(40 * DAY, replace(policy, no_sales=4))]
    case = Case(policy, triggers, [], [ticket], 42 * DAY, later)
    expected = case.decide()
    assert expected[-1]["action"] == "no_offer"
    for cuts in ((), [day * DAY for day in range(1, 42)]):
        assert play(case, cuts)[0] == expected
