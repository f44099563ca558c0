"""Sequences by example: what completes them and when, what is kept of them, and what a changed playbook keeps."""

import polars as pl
import pytest

from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal
from transforms.compiler.context_plan import ContextPlan
from transforms.compiler.load import load_plan, load_plans
from transforms.context.conditions import sequences
from transforms.context.grid import Grid, Span
from transforms.context.ingest.source_liveness import feed_batch
from transforms.context.state import shard_state as memories
from transforms.context.state.shard_state import ShardState, StepKey

START = 29_460_000 * MINUTE
HALF = 30_000


def plan_of(moment: str, params: str = "order: trigger.order_id") -> ContextPlan:
    text = f"""
playbook: p
signals: [usage, order, ticket]
allowed_lateness: 1h
subscriber:
  features: {{n: {{count: any, from: usage, window: 5m}}}}
  moments:
    q: {{{moment}}}
offers:
  o: {{for: subscriber.q, family: f, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1d,
       params: {{{params}}}}}
"""
    return load_plan(parse_playbook(text))


def order(minutes: float, state: str | None, order_id: str = "o", **more: object) -> Signal:
    payload = {"order_id": order_id, "state": state, **more}
    name = f"{order_id} {state} {minutes} {len(more)}"
    return Signal("order", name, "net", START + round(minutes * MINUTE), "anna", payload)


def played(plan: ContextPlan, *calls: tuple[float, list[Signal]]) -> Kernel:
    kernel = Kernel(plan)
    for upto, rows in calls:
        kernel.advance(rows, START + round(upto * MINUTE))
    return kernel


def ticks(kernel: Kernel) -> list[float]:
    return [(one.tick - START) / MINUTE for one in kernel.transitions if one.name == "q"]


def memory(kernel: Kernel) -> ShardState:
    assert kernel.advanced is not None
    return memories.load(kernel.advanced.dump())


ABSENCE = "after: {order: state = 'a'}, without: {order: state = 'c'}, same: order_id, within: 10m"
THEN = "after: {order: state = 'a'}, then: {order: state = 'b'}, within: 10m"
BETWEEN = "after: {order: state = 'a'}, then: {order: state = 'b'}, without: {order: state = 'c'}, within: 10m"


@pytest.mark.parametrize(
    ("moment", "rows", "told"),
    [
        (ABSENCE, [(0.5, "a")], [11]),
        (ABSENCE, [(0, "a")], [11]),
        (ABSENCE, [(0.5, "a"), (10.5, "c")], []),
        (ABSENCE, [(0.5, "a"), (0.5, "c")], [11]),
        (ABSENCE, [(0.5, "c"), (1.5, "a"), (11.6, "c")], [12]),
        (ABSENCE, [(0.5, "a"), (0.6, "a")], [11]),
        (ABSENCE, [(0.5, "a"), (1.6, "a"), (1.5, "c")], [12]),
        (THEN, [(0.5, "a"), (10.5, "b")], [11]),
        (THEN, [(0.5, "a"), (10.6, "b")], []),
        (THEN, [(0.5, "a"), (0.5, "b")], []),
        (THEN, [(0.5, "b"), (1.5, "a")], []),
        (THEN, [(0.5, "a"), (1.5, "b"), (2.5, "b"), (3.5, "a"), (4.5, "b")], [2, 5]),
        (THEN, [(0.5, "a"), (1.5, "a"), (2.5, "b"), (3.5, "b")], [3]),
        (BETWEEN, [(0.5, "a"), (1.5, "c"), (2.5, "b")], []),
        (BETWEEN, [(0.5, "a"), (1.5, "c"), (1.5, "b")], [2]),
        (BETWEEN, [(0.5, "a"), (1.5, "b"), (2.5, "c")], [2]),
        (BETWEEN, [(0.5, "a"), (1.5, "c"), (2.5, "a"), (3.5, "b")], [4]),
        (THEN + ", again_after: 3m", [(0.5, "a"), (1.5, "b"), (2.5, "a"), (3.5, "b"), (4.5, "a"), (5.5, "b")], [2, 6]),
        (THEN + ", when: n > 0", [(0.5, "a"), (1.5, "b")], []),
        ("after: {order: any}, then: {order: any}, within: 2m", [(0.5, "a"), (1.5, "b"), (2.5, None)], [2, 3]),
    ],
)
def test_what_completes(moment: str, rows: list[tuple[float, str]], told: list[float]) -> None:
    signals = [order(*row) for row in rows]
    assert ticks(played(plan_of(moment), (30, signals))) == told
    by_the_minute = [(n, [row for row in signals if n - 1 <= (row.time - START) / MINUTE < n]) for n in range(1, 31)]
    assert ticks(played(plan_of(moment), *by_the_minute)) == told


def test_null_correlates_with_nothing() -> None:
    null = Signal("order", "null", "net", START + HALF, "anna", {"order_id": None, "state": "a"})
    assert ticks(played(plan_of(ABSENCE), (30, [null]))) == []


@pytest.mark.parametrize(
    ("moment", "rows", "made"),
    [
        (ABSENCE, [order(0.5, "a", "o1", amount=3.0)], {"order_id": "o1", "amount": 3.0}),
        (ABSENCE, [order(0.5, "a", "o2"), order(0.6, "a", "o1", amount=1.0)], {"order_id": "o1", "amount": 1.0}),
        (ABSENCE, [order(0.5, "a", "o2"), order(0.5, "a", "o1", amount=1.0)], {"order_id": "o2"}),
        (THEN, [order(0.5, "a", "o1", amount=1.0), order(1.5, "b", "o2")], {"order_id": "o2", "amount": 1.0}),
        (THEN, [order(0.5, "a", amount=1.0), order(1.5, "b", amount=2.0)], {"order_id": "o", "amount": 2.0}),
    ],
)
def test_the_latest_signals_are_told(moment: str, rows: list[Signal], made: dict[str, object]) -> None:
    kernel = played(plan_of(moment, "order: trigger.order_id, paid: trigger.amount"), (30, rows))
    assert [one.made for one in kernel.triggers] == [made]


@pytest.mark.parametrize(
    ("moment", "late", "told"),
    [
        (ABSENCE, order(5, "c"), []),
        (THEN, order(5, "b"), [10]),
        (BETWEEN, order(5, "c"), []),
        (ABSENCE, order(3, "a", "o2"), [11, 14]),
        (ABSENCE, order(-30, "a", "o2"), [10, 11]),
    ],
)
def test_late_rows_correct_what_waits(moment: str, late: Signal, told: list[float]) -> None:
    kernel = played(plan_of(moment), (9, [order(0.5, "a")]), (20, [late, order(20.5, "a", "later")]))
    assert ticks(kernel) == told
    assert kernel.counts["late"] == 1


def test_what_has_ended_stays_so() -> None:
    rows = [order(0.5, "a"), order(1.5, "b")]
    kernel = played(plan_of(BETWEEN), (9, rows), (20, [order(1, "c")]), (30, [order(1.2, "a")]))
    assert ticks(kernel) == [2, 21]


def test_only_what_may_still_matter_is_kept() -> None:
    kernel = played(plan_of(ABSENCE), (5, [order(0.5, "a", "o1"), order(0.5, "a", "o2"), order(1, "c", "o1")]))
    assert [len(table) for table in memory(kernel).steps.values()] == [1, 1]
    assert memory(kernel).subjects.height == 1
    kernel.advance([], START + 62 * MINUTE)
    assert memory(kernel).steps == {}


def test_a_pending_sequence_outlives_all_else_that_is_known() -> None:
    kernel = played(plan_of(ABSENCE.replace("10m", "3d")), (60 * 48, [order(0.5, "a")]))
    assert memory(kernel).seen.is_empty()
    kernel.advance([], START + 73 * 60 * MINUTE)
    assert ticks(kernel) == [3 * 24 * 60 + 1]


def test_an_idle_shard_wakes_for_an_absence_alone() -> None:
    advanced = [played(plan_of(moment), (5, [order(0.5, "a")])).advanced for moment in (ABSENCE, THEN)]
    assert [one and one.wake for one in advanced] == [START + 11 * MINUTE, None]


@pytest.mark.parametrize(
    ("moment", "params", "told"),
    [
        (ABSENCE + ", when: n = 0, again_after: 1h", "order: trigger.order_id, paid: trigger.amount", [11]),
        (ABSENCE.replace("10m", "11m"), "order: trigger.order_id", []),
    ],
)
def test_a_changed_playbook_keeps_what_did_not_change(moment: str, params: str, told: list[float]) -> None:
    kernel = played(plan_of(ABSENCE), (5, [order(0.5, "a", amount=2.0)]))
    kernel.plan = plan_of(moment, params)
    kernel.advance([], START + 30 * MINUTE)
    assert ticks(kernel) == told
    assert [one.made for one in kernel.triggers] == [{"order_id": "o"}] * len(told)


@pytest.mark.parametrize(("down", "told"), [("ticket", [11]), ("order", [])])
def test_an_absence_waits_for_the_feed_that_could_end_it_alone(down: str, told: list[float]) -> None:
    kernel = Kernel(plan_of("after: {ticket: any}, without: {order: state = 'c'}, within: 10m"))
    ticket = Signal("ticket", "t", "net", START + HALF, "anna", {})
    feed = feed_batch("subscriber", (START + 5 * MINUTE, down, "net", True))
    kernel.advance([ticket], START + 15 * MINUTE, feeds=[feed])
    assert ticks(kernel) == told


OF_A_HOUSEHOLD = """
playbook: p
signals: [usage, order, membership]
household:
  moments:
    q: {after: {order: state = 'a'}, then: {order: state = 'b'}, within: 10m}
"""


@pytest.mark.parametrize(("left", "told"), [((), [4, 7]), ((1, 3), [7]), ((1, 2), [4, 7]), ((2, 6), [4])])
def test_what_a_member_began_goes_with_it(left: tuple[int, ...], told: list[int]) -> None:
    (moment,) = load_plans(parse_playbook(OF_A_HOUSEHOLD))["household"].moments
    sequence = moment.sequence
    assert sequence is not None
    rows = {"after": [(0, 1, 2, "a"), (0, 2, 5, "a")], "then": [(0, 1, 3, "b"), (0, 2, 6, "b")]}
    names = ("code", "member", "time", "id")
    new = {
        StepKey(sequence.key, part): pl.DataFrame(
            [(code, member, minute * MINUTE, key) for code, member, minute, key in mine], names, orient="row"
        ).with_columns(source=pl.lit("net"))
        for part, mine in rows.items()
    }
    schema = dict.fromkeys(("code", "member", "tick"), pl.Int64)
    leaves = pl.DataFrame([(0, *left)], schema, orient="row").with_columns(pl.col("tick") * MINUTE) if left else None
    made = sequences.run(sequence, Span(Grid(MINUTE), 0, 20 * MINUTE), 0, {}, new, leaves=leaves)
    assert (made.points.ticks // MINUTE).tolist() == told
