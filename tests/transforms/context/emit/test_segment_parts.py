"""The parts that spans tell of segments, against counting by hand from the reference, however spans are cut."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from tests.cases import examples
from tests.reference.group_playbooks import erased_group_cases
from tests.reference.kernel import batches
from tests.reference.playbooks import playbooks
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Call, Case, cases, ends, erased_cases, in_time, signals
from tests.transforms.context.erasure.test_erase import aimed
from tests.transforms.context.test_advance import plan_of, reference
from tests.transforms.context.test_groups import plans_of
from tests.transforms.context.test_groups import reference as world_of
from transforms.compiler.load import load_plan, load_plans
from transforms.context.advance import advance
from transforms.context.advance_levels import advance_levels
from transforms.context.run import Options
from transforms.statistics.segment_statistics import merged

WIDTHS = (4 * MINUTE, 12 * MINUTE)
Key = tuple[int, int, str, str]


def parts_of(
    playbook: str, calls: Iterable[Call], widths: Sequence[int] = WIDTHS, final: int | None = None
) -> pl.DataFrame:
    """Return the merged parts of one shard, advanced call by call; the run ends with the tick `final`."""
    plan, state, waiting, found = plan_of(playbook), None, [], []
    for rows, upto in calls:
        made = advance(plan, state, [*waiting, *batches(plan, rows)], upto, stats=widths, final=upto == final)
        state, waiting = made.dump(), made.waiting
        found += made.outputs.stats.to_batches()
    return merged(found)


def counted(parts: pl.DataFrame, *measures: str) -> dict[tuple[Any, ...], int]:
    """Return the counts of some measures by width, end, segment and measure or name."""
    rows = parts.filter(pl.col("measure").is_in(measures)).select(
        "width", "end", "segment", pl.coalesce("name", "measure"), "n"
    )
    return {row[:4]: row[4] for row in rows.iter_rows()}


def end_of(tick: int, width: int) -> int:
    return -(-tick // width) * width


@examples(20)
@given(cases())
def test_counts_are_those_of_the_reference(case: Case) -> None:
    truth, parts = reference(case), parts_of(case.playbook, case.calls)
    flows, levels, also, sums = Counter(), Counter(), Counter(), Counter()
    for one in truth.transitions:
        if one.kind == "segment" and one.event in ("entered", "exited"):
            flows.update((width, end_of(one.tick, width), one.name, one.event) for width in WIDTHS)
    for (_, tick), context in truth.contexts.items():
        for width in (width for width in WIDTHS if tick % width == 0):
            levels.update((width, tick, name, "members") for name in context.segments)
            also.update((width, tick, a, b) for a in context.segments for b in context.segments if a != b)
            if width == WIDTHS[-1]:
                sums.update({(width, tick, a, "n"): round(context.values["n"] * 10_000) for a in context.segments})
    assert counted(parts, "entered", "exited") == flows
    assert counted(parts, "members") == levels
    assert counted(parts, "also") == also
    numbers = parts.filter((pl.col("name") == "n") & (pl.col("measure") == "number") & pl.col("segment").is_not_null())
    told = numbers.select("width", "end", "segment", "name", "total").rows()
    assert {row[:4]: int(row[4]) for row in told if row[4]} == {key: total for key, total in sums.items() if total}


@examples(20)
@given(playbooks(), signals(), ends())
def test_spans_may_be_cut_anywhere(playbook: str, rows: list[Signal], spans: list[int]) -> None:
    cut = parts_of(playbook, in_time(rows, spans), final=spans[-1])
    assert cut.equals(parts_of(playbook, in_time(rows, spans[-1:]), final=spans[-1]))


@examples(20)
@given(playbooks(), signals(), ends())
def test_shards_add_up(playbook: str, rows: list[Signal], spans: list[int]) -> None:
    shards = [[row for row in rows if row.subject in shard] for shard in (SUBSCRIBERS[:1], SUBSCRIBERS[1:])]
    parts = [parts_of(playbook, in_time(shard, spans)) for shard in shards]
    whole = parts_of(playbook, in_time(rows, spans))
    again = merged(
        [batch for one in parts for batch in one.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()]
    )
    assert again.equals(whole)


def assert_sizes_add_up(parts: pl.DataFrame, segments: Iterable[str], until: int) -> None:
    """Check that at each end of a window before a time a size is that before, and who came, less who left."""
    measures = ("members", "entered", "exited")
    found = counted(parts, *measures)
    for width in WIDTHS:
        ends = range(START // width * width, until + 1, width)
        for segment in segments:
            size = 0
            for end in ends:
                there, came, left = (found.get((width, end, segment, one), 0) for one in measures)
                assert there == size + came - left
                size = there


@examples(15)
@given(st.one_of(aimed(erased_cases()), aimed(erased_group_cases())), st.integers(1, 2), st.integers(1, 2))
def test_sizes_add_up_whoever_is_erased(case: Case, subscribers: int, groups: int) -> None:
    world, stages = world_of(case), Stages(plans_of(case.playbook), subscribers, groups, stats=WIDTHS)
    for rows, upto in case.calls:
        stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
    for kind, shards in stages.shards.items():
        parts = merged(one for shard in shards for one in shard.stats)
        changes = [one for one in world.levels[kind].transitions if one.event in ("entered", "exited")]
        flows = Counter((width, end_of(one.tick, width), one.name, one.event) for one in changes for width in WIDTHS)
        assert counted(parts, "entered", "exited") == flows
        dwell = parts.filter(pl.col("measure") == "dwell")["n"].sum()
        assert dwell == sum(n for (*_, event), n in flows.items() if event == "exited")
        assert_sizes_add_up(parts, {one.name for one in changes}, case.calls[-1][1])


BOOK = """\
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments: {busy: {enter: n >= 2, hold: 8m}}
"""


def usage(id_: str, subject: str, minute: int) -> Signal:
    return Signal("usage", id_, "net", minute * MINUTE, subject, {})


ROWS = [usage("1", "a", 1), usage("2", "a", 2), usage("3", "b", 2), usage("4", "c", 20)]


@pytest.mark.parametrize(
    ("measure", "counts"),
    [
        ("known", {4: 2, 8: 1, 12: 0, 16: 0, 20: 0, 24: 1, 28: 0}),  # b while its window has a row, a while a member
        ("members", {4: 1, 8: 1, 12: 0, 16: 0, 20: 0, 24: 0, 28: 0}),
        ("entered", {4: 1, 8: 0, 12: 0, 16: 0, 20: 0, 24: 0, 28: 0}),
        ("exited", {4: 0, 8: 0, 12: 1, 16: 0, 20: 0, 24: 0, 28: 0}),
    ],
)
def test_who_is_counted_when(measure: str, counts: dict[int, int]) -> None:
    parts = parts_of(BOOK, [(ROWS, 28 * MINUTE)], widths=(4 * MINUTE,)).filter(pl.col("measure") == measure)
    found = {end // MINUTE: n for end, n in parts.select("end", "n").iter_rows()}
    assert found == {end: n for end, n in counts.items() if n}


def test_dwell_is_from_the_tick_of_entry_to_that_of_exit() -> None:
    parts = parts_of(BOOK, [(ROWS, 5 * MINUTE), ([], 28 * MINUTE)])
    dwell = parts.filter(pl.col("measure") == "dwell").select("width", "end", "value", "n").rows()
    assert dwell == [(4 * MINUTE, 12 * MINUTE, f"{8 * MINUTE}", 1), (12 * MINUTE, 12 * MINUTE, f"{8 * MINUTE}", 1)]


def test_who_is_erased_leaves_after_a_stay() -> None:
    plans = plans_of(BOOK.replace("[usage]", "[usage, erasure]"))
    stages = Stages(plans, stats=WIDTHS)
    stages.advance([*ROWS, Signal("erasure", "e", "law", 3 * MINUTE, "a", {})], 28 * MINUTE)
    (shard,) = stages.shards["subscriber"]
    left = merged(shard.stats).filter(pl.col("measure").is_in(["exited", "dwell"]))
    assert left.select("width", "end", "measure", "value", "n").rows() == [
        (width, end_of(4 * MINUTE, width), measure, value, 1)
        for width in WIDTHS
        for measure, value in (("dwell", f"{MINUTE}"), ("exited", None))
    ]


def test_the_last_window_of_a_run_is_told_as_of_its_end() -> None:
    whole, ended = (parts_of(BOOK, [(ROWS, 22 * MINUTE)], final=final) for final in (None, 22 * MINUTE))
    known = (pl.col("measure") == "known") & (pl.col("end") == 24 * MINUTE)
    assert whole.filter(known).is_empty()
    assert ended.filter(known)["n"].to_list() == [1, 1]


def test_windows_that_are_no_multiple_of_the_tick_are_left_out() -> None:
    parts = parts_of(
        BOOK.replace("signals", "tick: 3m\nsignals").replace("5m", "6m").replace("8m", "9m"),
        [(ROWS, 27 * MINUTE)],
        widths=(4 * MINUTE, 9 * MINUTE),
    )
    assert parts["width"].unique().to_list() == [9 * MINUTE]


def test_what_everybody_has_sets_nobody_apart() -> None:
    book = BOOK.replace("  segments", "  derived: {twice: {expr: 2 * n}, version: {expr: \"'x'\"}}\n  segments")
    named = parts_of(book, [(ROWS, 28 * MINUTE)])["name"].drop_nulls().unique()
    assert {"n", "twice"} <= {*named}
    assert "version" not in named


def test_without_segments_or_windows_nothing_is_told() -> None:
    bare = BOOK.partition("  segments")[0]
    assert parts_of(bare, [(ROWS, 28 * MINUTE)]).is_empty()
    assert parts_of(BOOK, [(ROWS, 28 * MINUTE)], widths=()).is_empty()


def test_a_silent_shard_does_not_wake_for_windows_for_ever() -> None:
    book = BOOK.replace("window: 5m", "window: 2d").replace("hold: 8m", "expire: 20d")
    made, wakes = None, []
    while made is None or made.wake is not None:
        upto = 3 * MINUTE if made is None else made.wake
        state = None if made is None else made.dump()
        made = advance(
            plan_of(book),
            state,
            batches(plan_of(book), ROWS[:3]) if state is None else [],
            upto,
            stats=(60 * MINUTE,),
        )
        wakes.append(upto)
    hours = [wake // (60 * MINUTE) for wake in wakes if wake % (60 * MINUTE) == 0]
    assert hours[:168] == [*range(1, 169)]
    assert len(hours) < 175


HOUSEHOLDS = """\
playbook: p
signals: [usage, membership]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments: {busy: {enter: n >= 2}}
household:
  features:
    uses:   {count: any, from: usage, window: 10m}
    busies: {count: any, from: members, where: busy}
  segments:
    shared: {enter: uses >= 3}
    worked: {enter: busies >= 1, hold: 3m}
"""


def membership(id_: str, subject: str, minute: int, state: str, group: str = "home") -> Signal:
    told = {"group_kind": "household", "group": group, "state": state, "role": "member"}
    return Signal("membership", id_, "crm", minute * MINUTE, subject, told)


HOUSEHOLD_ROWS = [
    membership("m1", "a", 1, "joined"),
    membership("m2", "b", 1, "joined"),
    membership("m3", "c", 2, "joined", "other"),
    *(usage(f"u{minute}", "a", minute) for minute in (3, 4, 5, 9)),
    usage("u20", "b", 8),
    membership("m4", "a", 11, "left"),
    usage("u21", "b", 12),
    usage("u22", "c", 30),
]


def household_parts(spans: list[int]) -> pl.DataFrame:
    """Return the merged parts of households, told by subscribers span by span."""
    plans = load_plans(parse_playbook(HOUSEHOLDS))
    states: dict[str, bytes | None] = dict.fromkeys(plans)
    waiting: dict[str, list[pa.RecordBatch]] = {kind: [] for kind in plans}
    found = []
    for n, end in enumerate(spans):
        rows = [row for row in HOUSEHOLD_ROWS if (spans[n - 1] if n else 0) <= row.time < end]
        given = batches(plans["subscriber"], rows)
        for kind, plan in plans.items():
            made = advance_levels([plan], states[kind], [*waiting[kind], *given], end, Options(stats=WIDTHS))
            states[kind], waiting[kind] = made.dump(), made.waiting
            given = [batch for one in made.every for batch in one.forwarded]
            found += [b for one in made.every for b in one.outputs.stats.to_batches() if kind == "household"]
    return merged(found)


@pytest.mark.parametrize("cuts", [[], [12], [5, 11, 12, 13], [*range(1, 48)]], ids=len)
def test_groups_are_told_as_they_are_without_who_left(cuts: list[int]) -> None:
    parts = household_parts([minute * MINUTE for minute in [*cuts, 48]])
    assert parts.equals(household_parts([48 * MINUTE]))
    short = parts.filter(pl.col("width") == WIDTHS[0])
    members = short.filter(pl.col("measure") == "members").select("segment", pl.col("end") // MINUTE, "n").rows()
    assert members == [("shared", 8, 1), ("worked", 8, 1)]
    known = short.filter(pl.col("measure") == "known").select(pl.col("end") // MINUTE, "n").rows()
    assert known == [(end, 2) for end in range(4, 52, 4)]  # both have a member who told something


def test_members_of_a_segment_that_is_no_more_leave() -> None:
    before = advance(plan_of(BOOK), None, batches(plan_of(BOOK), ROWS[:3]), 4 * MINUTE, stats=WIDTHS)
    later = plan_of(BOOK.replace("busy", "other").replace("n >= 2", "n >= 9"))
    after = advance(later, before.dump(), [], 12 * MINUTE, stats=WIDTHS)
    parts = merged(after.outputs.stats.to_batches())
    assert counted(parts, "exited") == {(width, end_of(5 * MINUTE, width), "busy", "exited"): 1 for width in WIDTHS}
    dwell = parts.filter(pl.col("measure") == "dwell")
    assert dwell["value"].to_list() == [f"{2 * MINUTE}", f"{2 * MINUTE}"]  # from 3 to 5


def test_who_has_a_row_in_the_longest_window_is_known() -> None:
    text = BOOK.partition("  features")[0]
    book = f"""{text}  features:
    a: {{count: any, from: usage, window: 15m}}
    b: {{count: any, from: usage, window: 2m}}
  segments: {{never: {{enter: a > 99}}}}
"""
    made = advance(load_plan(parse_playbook(book)), None, batches(plan_of(book), ROWS[:1]), 28 * MINUTE, stats=WIDTHS)
    known = merged(made.outputs.stats.to_batches()).filter(pl.col("measure") == "known", pl.col("width") == WIDTHS[0])
    assert known.select(pl.col("end") // MINUTE, "n").rows() == [(4, 1), (8, 1), (12, 1), (16, 1)]
