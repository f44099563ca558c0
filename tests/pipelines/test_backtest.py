"""`segone backtest`: two playbooks over the same history."""

from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.backtest import Comparison, compared
from pipelines.backtest_changes import drawn
from pipelines.backtest_limits import Allowance, Limits
from pipelines.backtest_tables import by_day, customers, tables
from tests.pipelines.written import NOON, candidate, decision, event, write

CAP, QUIET = ("caps", "blocked", "cap_1"), ("quiet", "deferred", "quiet")
A = [
    decision("ann", "offer", candidates=[candidate("topup"), candidate("plan", CAP)]),
    decision("ben", "offer"),
    decision("cat", "no_offer", reason="cap_1", candidates=[candidate("topup", CAP), candidate("plan", CAP)]),
    decision("dan", "offer"),
    decision("dan", "withdrawn", 1, reason="paused"),
    decision("eva", "no_offer", reason="cap_1"),
]
B = [
    decision("ann", "deferred", reason="no_consent", candidates=[candidate("topup", CAP, QUIET)]),
    decision("ann", "offer", 20, n=1),
    decision("ben", "holdout", holdout="global"),
    decision("cat", "offer", offer="plan", candidates=[candidate("plan")]),
    decision("dan", "offer", candidates=[candidate("topup")]),
    decision("eva", "no_offer", reason="cap_2"),
    decision("fay", "deferred", reason="quiet"),
    decision("gus", "deferred", reason="quiet"),
    decision("gus", "no_offer", 1, n=1, reason="segment_exited"),
    decision("hal", "deferred", reason="quiet"),
    decision("hal", "deferred", 1, n=1, reason="quiet"),
    decision("hal", "no_offer", 2, n=2, reason="cap_1"),
]
MEMBERS_A = [event("ann", "heavy", "entered"), event("ben", "heavy", "entered"), event("cat", "heavy", "entered")]
MEMBERS_B = [event("ann", "heavy", "entered"), event("ben", "heavy", "entered"), event("ben", "heavy", "exited")]
MEMBERS_B += [event("dan", "heavy", "refreshed"), event("eva", "heavy", "entered"), event("ann", "new", "entered")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """What the comparison of A and B finds, whatever the order of the rows."""
    folder = tmp_path_factory.mktemp("written")
    return compared(write(folder / "a", A, MEMBERS_A), write(folder / "b", B[::-1], MEMBERS_B))


def test_what_lapsed_on_own_channels_earns_nothing(tmp_path: Path) -> None:
    shown = decision("ann", "offer") | {"channel": "inbound"}
    gone = shown | decision("ann", "withdrawn", 1, reason="expired") | {"decision_id": shown["decision_id"]}
    rows = [shown, gone, decision("ann", "offer", 1, n=1)]
    both = [write(tmp_path / name, part, []) for name, part in (("a", rows), ("b", rows[:1]))]
    assert compared(*both).offers.rows() == [
        ("topup", "app", 1, 0, 2_000_000, 0),
        ("topup", "inbound", 1, 1, 0, 2_000_000),
    ]


def test_what_is_held_out_first_on_own_channels_is_worth_what_it_is_once(tmp_path: Path) -> None:
    held = decision("ann", "holdout", holdout="global") | {"channel": "inbound"}
    again, came = (
        decision("ann", "holdout", 1, n=1, holdout="global"),
        decision("ann", "no_offer", 1, n=1, reason="came_in"),
    )
    both = [write(tmp_path / name, [held, after], []) for name, after in (("a", again), ("b", came))]
    assert compared(*both).holdouts.rows() == [("global", 2, 1, 1, 1, 2_000_000, 2_000_000)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("members", [("subscriber.heavy", 3, 2, 1, 2), ("subscriber.new", 0, 1, 1, 0)]),
        ("triggers", [("subscriber.low", 5, 8)]),
        (
            "actions",
            [("no_offer", 2, 3), ("deferred", 0, 5), ("offer", 3, 3), ("holdout", 0, 1), ("withdrawn", 1, 0)],
        ),
        ("offers", [("plan", "app", 0, 1, 0, 2_000_000), ("topup", "app", 3, 2, 6_000_000, 4_000_000)]),
        ("holdouts", [("global", 0, 1, 0, 1, 0, 2_000_000)]),
        ("deferrals", [("offer", 0, 1), ("no_offer", 0, 1), ("segment_exited", 0, 1), ("deferred", 0, 1)]),
        (
            "gates",
            [
                ("eligibility", "passed", None, 4, 3, 2, 3),
                ("caps", "blocked", "cap_1", 3, 1, 2, 1),
                ("quiet", "deferred", "quiet", 0, 1, 0, 1),
            ],
        ),
        ("caps", [("cap_1", 2, 1, 2, 1)]),
        ("days", [(date(2026, 3, 2), 3, 2, 3, 1, 0, 1), (date(2026, 3, 3), 0, 1, 0, 0, 0, 0)]),
        (
            "blocks_by_day",
            [
                (date(2026, 3, 2), "caps", "blocked", "cap_1", 3, 1),
                (date(2026, 3, 2), "quiet", "deferred", "quiet", 0, 1),
            ],
        ),
    ],
)
def test_counts_of_both_sides(found: Comparison, name: str, rows: list[tuple[Any, ...]]) -> None:
    assert getattr(found, name).rows() == rows


def test_decisions_are_matched_by_trigger_and_number(found: Comparison) -> None:
    assert found.changes == {"same": 0, "reason": 1, "decision": 4, "only_a": 0, "only_b": 7}
    assert {row[:2]: row[2] for row in found.moved.iter_rows()}[("offer", "deferred")] == 1


def test_what_was_done_and_why_not_is_told(found: Comparison) -> None:
    told = {who: (trigger, a, b, why) for who, _, trigger, a, b, why in customers(found)}
    assert told == {
        "subscriber/ann": (
            "subscriber.low (and 1 more)",
            "offer topup by app",
            "deferred: no_consent",
            "topup by app with B: blocked by caps, cap_1",
        ),
        "subscriber/ben": ("subscriber.low", "offer topup by app", "held out by global, else topup by app", ""),
        "subscriber/cat": (
            "subscriber.low",
            "no offer: cap_1",
            "offer plan by app",
            "plan by app with A: blocked by caps, cap_1",
        ),
        "subscriber/dan": ("subscriber.low", "offer topup by app, then withdrawn", "offer topup by app", ""),
        "subscriber/fay": ("subscriber.low", "no such trigger", "deferred: quiet", ""),
        "subscriber/gus": ("subscriber.low (and 1 more)", "no such trigger", "deferred: quiet", ""),
        "subscriber/hal": ("subscriber.low (and 2 more)", "no such trigger", "deferred: quiet", ""),
    }


def test_what_is_no_candidate_is_told_so(tmp_path: Path) -> None:
    other = [decision("ann", "no_offer", reason="not_eligible", candidates=[candidate("plan", CAP)])]
    found = compared(write(tmp_path / "a", A[:1], []), write(tmp_path / "b", other, []))
    assert found.customers["why"].to_list() == ["topup by app with B: not a candidate"]


def test_the_same_outputs_differ_in_nothing(tmp_path: Path) -> None:
    out = write(tmp_path / "a", A, MEMBERS_A)
    found = compared(out, out)
    assert (found.changes["same"], found.changed.is_empty(), found.customers.is_empty()) == (5, True, True)
    assert found.members.rows() == [("subscriber.heavy", 3, 3, 0, 0)]


def test_nothing_at_all_is_no_table(tmp_path: Path) -> None:
    found = compared(write(tmp_path / "a", [], []), write(tmp_path / "b", [], []))
    assert [one.heads[0] for one in tables(found)] == ["decisions of A and B"]
    assert by_day(found).rows == []


def test_customers_are_drawn_by_hash() -> None:
    """Neither the first by id nor by time, the same for any order, and of fewer those of more."""
    ids = [f"s{number:03d}" for number in range(200)]
    did = {"trigger": "t", "did_a": "x", "did_b": "y"}
    frame = pl.DataFrame([{"subject_kind": "subscriber", "subject": each, "tick": NOON, **did} for each in ids])
    chosen = drawn(frame)["subject"].to_list()
    assert (len(chosen), chosen == sorted(chosen), chosen == ids[:20]) == (20, True, False)
    assert max(chosen) > "s150"
    assert drawn(frame[::-1])["subject"].to_list() == chosen
    assert {*drawn(frame, 5)["subject"]} < {*chosen}


@pytest.mark.parametrize(
    ("text", "share"), [("+5%", Fraction(5, 100)), ("5%", Fraction(5, 100)), ("0.5%", Fraction(5, 1000)), ("0%", 0)]
)
def test_limits_are_shares(text: str, share: Fraction) -> None:
    assert Allowance(text).share == share


@pytest.mark.parametrize("text", ["", "5", "-5%", "5 %", "%", "++5%", "5%%", "1e1%", ".5%", "5.%", "+5%\n", "nan%"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share with `%`, as `5%`, `\\+5%`"):
        Allowance(text)


def _offers(a: int, b: int, value_a: int = 0, value_b: int = 0) -> pl.DataFrame:
    row = {"sent_a": a, "sent_b": b, "value_micros_a": value_a * 1_000_000, "value_micros_b": value_b * 1_000_000}
    return pl.DataFrame([row])


@pytest.mark.parametrize(
    ("limit", "offers", "lost", "told"),
    [
        ("max_contacts", _offers(100, 105), 0, []),
        ("max_contacts", _offers(100, 106), 0, ["A sends 100 offers, B 106: 6 more, 6.0 %"]),
        ("max_contacts", _offers(0, 0), 0, []),
        ("max_contacts", _offers(0, 1), 0, ["A sends 0 offers, B 1: 1 more"]),
        ("max_lost_members", _offers(0, 9), 1, []),
        (
            "max_lost_members",
            _offers(0, 9),
            2,
            ["subscriber.heavy has 20 members with A, and B loses 2 of them, 10.0 %"],
        ),
        ("max_lost_value", _offers(1, 1, 100, 95), 0, []),
        (
            "max_lost_value",
            _offers(1, 1, 100, 94),
            0,
            ["offers are worth 100.00 with A, 94.00 with B: 6.00 less, 6.0 %"],
        ),
        ("max_lost_value", _offers(1, 1, -100, -90), 0, []),
    ],
)
def test_what_is_beyond_a_limit_is_told_with_both_numbers(
    limit: str, offers: pl.DataFrame, lost: int, told: list[str]
) -> None:
    members = pl.DataFrame([{"segment": "subscriber.heavy", "members_a": 20, "lost": lost}])
    found = Limits(**{limit: Allowance("5%")}).beyond(offers, members)
    assert found == [f"--{limit.replace('_', '-')} 5%: {one}" for one in told]
    assert Limits().beyond(offers, members) == []
