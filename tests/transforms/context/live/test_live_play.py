"""A shard that stays decoded, and advances only those whom a tick concerns, tells what the reference tells."""

import pytest
from hypothesis import given

from tests.cases import examples
from tests.reference.group_playbooks import group_cases
from tests.reference.kernel import Kernel, batches
from tests.reference.playbooks import LARGE_REACHES
from tests.reference.records import MINUTE, Grid, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, Case, cases, consent_cases
from tests.transforms.context import test_advance as bulk
from tests.transforms.context import test_groups as bulk_groups
from transforms.blobs import table_blob
from transforms.context.ingest.source_liveness import feed_batch
from transforms.context.live import resident
from transforms.context.live.resident import Resident
from transforms.context.state.shard_state import KIND


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never advance everybody for it being cheaper."""
    monkeypatch.setattr(resident, "MOST", 2.0)


def live(case: Case, grid: Grid = bulk.SMALL) -> tuple[Kernel, Resident]:
    """Play a case on one shard that stays decoded."""
    kernel, shard = Kernel(bulk.plan_of(case.playbook, grid)), Resident.load(None)
    for rows, upto in case.calls:
        waiting = kernel.advanced.waiting if kernel.advanced else []
        kernel.take(shard.advance(kernel.plan, [*waiting, *batches(kernel.plan, rows)], upto))
    return kernel, shard


def content(blob: bytes) -> tuple[dict[str, object], dict[str, list[dict[str, object]]]]:
    """Return what a state says; whether a column has room for NULLs that are not there is not part of it."""
    header, tables = table_blob.load(KIND, blob)
    return header, {name: table.to_pylist() for name, table in tables.items()}


@examples(40)
@given(cases())
def test_it_agrees_with_the_reference_and_comes_to_the_same_state(case: Case) -> None:
    kernel, shard = live(case)
    bulk.assert_same([kernel], bulk.reference(case))
    made = bulk.kernel(case).advanced
    assert made is not None
    assert content(shard.dump()) == content(made.dump())


def test_a_sequence_that_goes_on_no_more_is_forgotten() -> None:
    """Of somebody of whom nothing happens any more, and so nobody looks at, nothing is left either."""
    book = """\
playbook: p
tick: 1m
allowed_lateness: 10m
signals: [usage]
subscriber:
  moments: {again: {after: {usage: any}, then: {usage: any}, within: 8m}}
"""
    said = [Signal("usage", f"u{n}", "net", START + n * MINUTE, who, {}) for n, who in enumerate(["a", "x", "b"])]
    calls = [([one], START + (n + 1) * MINUTE) for n, one in enumerate(said)]
    case = Case(book, [*calls, *(([], START + n * MINUTE) for n in (5, 12, 40))])
    made = bulk.kernel(case).advanced
    assert made is not None
    assert content(live(case)[1].dump()) == content(made.dump())


@examples(20)
@given(consent_cases())
def test_consents_agree_with_the_reference(case: Case) -> None:
    bulk.assert_same([live(case)[0]], bulk.reference(case))


@examples(30)
@given(cases(ticks=15, sequences=2))
def test_sequences_agree_with_the_reference(case: Case) -> None:
    bulk.assert_same([live(case)[0]], bulk.reference(case))


@examples(10)
@given(cases(tick=5, ticks=900, reaches=LARGE_REACHES))
def test_it_agrees_with_the_reference_on_the_grid_of_the_design(case: Case) -> None:
    bulk.assert_same([live(case, Grid())[0]], bulk.reference(case, Grid()))


@examples(30)
@given(group_cases())
def test_groups_agree_with_the_reference(case: Case) -> None:
    stages = Stages(bulk_groups.plans_of(case.playbook), live=True)
    for rows, upto in case.calls:
        stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
    bulk_groups.assert_alike(stages, bulk_groups.reference(case))


UNREAD = """
playbook: p
tick: 1m
contexts_every: 10m
signals: [usage, order]
subscriber:
  features:
    n: {count: any, from: usage, window: 2m}
    long: {count: any, from: usage, window: 25m}
    orders: {count: any, from: order, window: 1d}
  moments: {some: {when: n > 0}}
"""
LAST = 60


def test_it_wakes_for_what_no_condition_reads() -> None:
    """On the small grid the long window moves in coarse panes: it sees the rows for more than 25 minutes."""
    plan = bulk.plan_of(UNREAD)
    rows = [Signal("usage", f"{minute}", "net", minute * MINUTE, "ab"[minute % 2], {}) for minute in (1, 12, 13)]
    rows.append(Signal("order", "o", "shop", 33 * MINUTE, "a", {}))
    kernel, shard, ticks, closed = Kernel(plan), Resident.load(None), set[int](), 0
    while closed < LAST * MINUTE:
        come = min((plan.grid.at_least(row.time + 1) for row in rows if row.time >= closed), default=LAST * MINUTE)
        upto = min(come, (closed and shard.wake) or come)
        mine = [row for row in rows if closed <= row.time < upto]
        kernel.take(shard.advance(plan, batches(plan, mine), upto))
        ticks.add(upto // MINUTE)
        closed = upto
    whole = Kernel(plan)
    whole.advance(rows, LAST * MINUTE)
    assert kernel.contexts == whole.contexts
    periodic = {(who, tick // MINUTE) for who, tick in whole.contexts if tick % (10 * MINUTE) == 0}
    assert periodic == {("b", 10), ("b", 20), ("a", 20), ("b", 30), ("a", 40), ("b", 50), ("a", 50)}
    assert {minute for _, minute in periodic} <= ticks
    assert len(ticks) < LAST / 2


def test_what_is_told_of_feeds_concerns_everybody() -> None:
    plan = bulk.plan_of(UNREAD)
    shard = Resident.load(None)
    shard.advance(plan, batches(plan, [Signal("usage", "1", "net", 1, "a", {})]), MINUTE)
    shard.advance(plan, [], 2 * MINUTE)
    shard.advance(plan, [feed_batch("subscriber", (3 * MINUTE, "usage", "net", True))], 3 * MINUTE)
    assert shard.memory().down.rows() == [("usage", "net")]


HOMES = """
playbook: p
tick: 1m
signals: [usage, membership]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}}
household:
  features: {uses: {count: any, from: usage, window: 30m}, users: {distinct: subscriber, from: usage, window: 30m},
             active: {count: any, from: members, where: n > 0}}
  segments: {busy: {enter: uses > 1}, awake: {enter: active > 1}}
"""


def homes(minute: float, subscriber: str, group: str | None) -> Signal:
    """Return a usage, or who joins or leaves a household."""
    time, name = round(minute * MINUTE), f"{minute} {subscriber}"
    if group is None:
        return Signal("usage", name, "net", time, subscriber, {})
    state = "left" if group.startswith("-") else "joined"
    payload = {"group": group.strip("-"), "group_kind": "household", "role": "member", "state": state}
    return Signal("membership", name, "crm", time, subscriber, payload)


def test_what_a_group_loses_is_lost_live_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "MOST", 100.0)
    joined = [(0.1 * n, who, "hi"[n % 2]) for n, who in enumerate("abcdef")]
    used = [(minute + 0.5, who, None) for minute in range(1, 12) for who in "abcdef" if minute % 3 or who in "ade"]
    rows = [homes(*one) for one in [*joined, *used, (6.2, "a", "-h"), (8.2, "d", "-i")]]
    found = []
    for live in (True, False):
        stages = Stages(bulk_groups.plans_of(HOMES), live=live)
        for upto in range(MINUTE, 20 * MINUTE, MINUTE):
            stages.advance([row for row in rows if upto - MINUTE <= row.time < upto], upto)
        (shard,) = stages.shards["household"]
        found.append(shard)
    assert found[0].transitions == found[1].transitions
    assert found[0].contexts == found[1].contexts
    begun = {(one.name, one.subject) for one in found[0].transitions if one.event == "entered"}
    assert begun == {(name, home) for name in ("busy", "awake") for home in "hi"}
