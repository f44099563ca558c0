"""Goals of offers: which rows fulfil them, how long they matter, what is wrong with them."""

import polars as pl
import pytest

from schemas.durations import DAY, MINUTE
from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plans
from transforms.compiler.notices import GOAL
from transforms.compiler.offer_definitions import COOLDOWN, SUBJECT, Limit
from transforms.compiler.offer_plan import load_offers

TEXT = """
playbook: p
let: {bought: state = 'completed'}
signals: [usage, order, membership]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}, moments: {busy: {when: n > 0}}}
household: {}
offers:
  gift: {for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h, cooldown: 7m,
         goal: {order: GOAL, within: 2d}}
  kin: {for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 3d}
  other: {for: subscriber.busy, family: g, owner: us, value: 1, p_accept: 1, send: app, valid_for: 9d}
"""
BOOK = parse_playbook(TEXT.replace("GOAL", "bought AND local_hour >= 8"))


def test_a_goal_reads_columns_local_times_and_let_at_every_level() -> None:
    for plan in load_plans(BOOK).values():
        (goal,) = plan.signals["order"].goals
        assert goal.offer == "gift"
        assert goal.where is not None
        rows = pl.DataFrame({"state": ["completed", "started", "completed", None], "local_hour": [8, 9, 7, 9]})
        assert rows.select(goal.where.expr).to_series().to_list() == [True, False, False, None]
        assert plan.signals["order"].columns == ("state",)
        assert plan.signals["usage"].goals == ()
        assert plan.notice_schemas[GOAL].names[-1] == "offer"


@pytest.mark.parametrize(
    ("edit", "days"),
    [
        (("valid_for: 9d", "valid_for: 9d, wait: 8d"), 8),
        (("offers:", "policy: {inbound_first: {marketing: 7d}}\noffers:"), 7),
        (("offers:", "policy: {quiet: {app: all}, inbound_first: {marketing: 7d}}\noffers:"), 16),
    ],
)
def test_it_matters_as_long_as_a_trigger_waits_for_any_offer(edit: tuple[str, str], days: int) -> None:
    text = TEXT.replace("GOAL", "any").replace("signals: [", "signals: [contact, ")
    assert parse_playbook(text.replace(*edit)).goals_matter == days * DAY


def test_it_matters_as_long_as_what_its_family_offers() -> None:
    assert BOOK.goals_matter == 3 * DAY
    assert load_plans(BOOK)["subscriber"].kept_for(GOAL) == 4 * DAY
    assert load_offers(BOOK).goals_kept == 4 * DAY


def test_it_is_the_first_limit_of_its_offer() -> None:
    plan = load_offers(BOOK)
    assert plan.limits[0] == Limit(COOLDOWN, "goal_reached", SUBJECT, 1, 2 * DAY, ("gift",), reached=True)
    assert [offer.goal_within for offer in plan.offers] == [2 * DAY, 0, 0]
    assert plan.memory == max(4 * DAY, *(offer.valid_for for offer in plan.offers))


@pytest.mark.parametrize(
    ("goal", "told"),
    [
        ("stat = 'x'", "9: `offers.gift.goal.order`: no `stat` here"),
        ("amount + 1", "`offers.gift.goal.order`: "),
        ("n > 0", "no `n` here"),
        ("subscriber = 'a'", "no `subscriber` here"),
    ],
)
def test_what_is_wrong_is_told(goal: str, told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        load_offers(parse_playbook(TEXT.replace("GOAL", goal)))
    assert told in str(caught.value)


def test_without_goals_there_is_nothing_of_them() -> None:
    book = parse_playbook(TEXT.replace(",\n         goal: {order: GOAL, within: 2d}", ""))
    plan = load_offers(book)
    assert (book.goals_matter, plan.goals_kept) == (0, 0)
    assert plan.memory == max(7 * MINUTE, *(offer.valid_for for offer in plan.offers))
    for plan in load_plans(book).values():
        assert GOAL not in plan.notices
        assert not any(signal.goals for signal in plan.signals.values())
