"""Several addresses as one: turns, watermark, marks, and when what was read may be acknowledged."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.errors import LoadError, LoadErrors
from schemas.sources import Source
from tests.transforms.streams.pullers import Clock, Script
from transforms.parsing.parser import Parsed
from transforms.parsing.raw import PARTITION, PUBLISHED
from transforms.streams.acks import Acks, Taken
from transforms.streams.element import Element
from transforms.streams.progress import Rules
from transforms.streams.pull import MOST_ROWS, Pulled
from transforms.streams.reading import Answer, Input, Reading
from transforms.streams.threads import on_its_thread
from transforms.streams.watermark import ENDED

USAGE = Source(contract("usage"))
GRACE, TICK = 10, 100
SECOND, MINUTE = 1_000, 60_000
FAR = 10**15
CALM = Rules(idle=FAR, patience=FAR)
LIVE = Rules(idle=30 * SECOND, patience=5 * MINUTE)


def row(time: int | None, partition: str = "0", published: int | None = None) -> dict[str, Any]:
    return {"time": time, PARTITION: partition, PUBLISHED: published}


def _parse(block: pa.RecordBatch) -> Parsed:
    """Take all rows that have a time for signals."""
    times = block["time"].cast(pa.int64())
    good = len(times) - times.null_count
    counts = {"in": len(times), "parsed": good, "rejected": times.null_count}
    return Parsed([], None, {("signals", name): count for name, count in counts.items()}, times)


def at_once(_: str, what: Callable[[], Answer]) -> "Future[Answer]":
    """Ask on the thread that asks."""
    future: Future[Answer] = Future()
    future.set_result(what())
    return future


def reading(scripts: Sequence[Script], rules: Rules = CALM, **options: Any) -> Reading:
    inputs = [Input(str(n), USAGE, script, rules) for n, script in enumerate(scripts)]
    clock = scripts[0].clock
    return Reading(
        inputs, lambda _: _parse, **{"grace": GRACE, "tick": TICK, "clock": clock, "submit": at_once, **options}
    )


def _times(element: Element) -> list[int | None]:
    return [time for parsed in element.parsed for time in parsed.times.to_pylist()]


def _told(one: Reading, clock: Clock, moments: Sequence[int]) -> list[int | None]:
    """Return the watermark at some processing times, with everything read that was there, second by second."""
    told = []
    for moment in moments:
        since = clock.now + SECOND
        for clock.now in (*range(since, moment, SECOND), moment):
            while one.read() is not None:
                pass
        told.append(one.watermark.told)
    return told


def test_the_least_of_the_partitions_less_the_grace() -> None:
    clock = Clock()
    first = Script(clock, [(0, [row(500, "0"), row(900, "1")]), (2, [row(700, "0"), row(100, "0")])], ("0", "1"))
    second = Script(clock, [(1, [row(600)])])
    assert _told(reading([first, second]), clock, [0, 1, 2]) == [None, 490, 590]


def test_a_time_ahead_counts_as_when_it_was_published() -> None:
    clock = Clock()
    ahead = Script(clock, [(0, [row(400, published=450), row(390, published=300)])])
    assert _told(reading([ahead]), clock, [0]) == [390]


def test_a_partition_without_a_signal_holds_until_it_is_idle() -> None:
    clock = Clock()
    script = Script(clock, [(n * SECOND, [row(n * SECOND, "0")]) for n in range(40)], ("0", "1"))
    told = _told(reading([script], LIVE), clock, [n * SECOND for n in range(40)])
    assert told == [None] * 30 + [n * SECOND - GRACE for n in range(30, 40)]


@pytest.mark.parametrize("replay", [False, True])
def test_when_all_are_idle_the_clock_counts_but_not_in_a_replay(replay: bool) -> None:
    clock = Clock(10 * MINUTE)
    rules = Rules(idle=30 * SECOND, patience=5 * MINUTE, replay=replay)
    script = Script(clock, [(0, [row(5)]), (12 * MINUTE, [row(12 * MINUTE - 5)])])
    one = reading([script, Script(clock, [])], rules)
    moments = [10 * MINUTE, 10 * MINUTE + 29_999, 10 * MINUTE + 30_000, 11 * MINUTE, 12 * MINUTE]
    idle = [10 * MINUTE - GRACE, 11 * MINUTE - 30 * SECOND - GRACE]
    assert _told(one, clock, moments) == [None, None, *([None, None] if replay else idle), 12 * MINUTE - 5 - GRACE]


def test_the_watermark_of_an_idle_stream_does_not_go_back() -> None:
    clock = Clock()
    script = Script(clock, [(0, [row(90 * SECOND)]), (MINUTE, [row(0)])])
    told = _told(reading([script], LIVE), clock, [0, 40 * SECOND, MINUTE, 3 * MINUTE])
    assert told == [90 * SECOND - GRACE] * 3 + [150 * SECOND - GRACE]


STEPS = range(0, 20 * MINUTE, 10 * SECOND)


def _held(lag: Callable[[int], int]) -> tuple[dict[int, int | None], Reading]:
    """Return the watermark over 20 minutes, of a partition that is in time and another that has a lag."""
    clock = Clock()
    one = reading([Script(clock, [(now, [row(now, "0"), row(now - lag(now), "1")]) for now in STEPS])], LIVE)
    return dict(zip(STEPS, _told(one, clock, STEPS), strict=True)), one


def test_a_partition_that_stands_still_is_left_out_after_a_while() -> None:
    told, one = _held(lambda now: now - 7)
    held = max(now for now, time in told.items() if time == 7 - GRACE)
    assert 5 * MINUTE <= held <= 5 * MINUTE + 20 * SECOND
    assert all(time == now - GRACE for now, time in told.items() if now > held)
    assert one.watermark.left_out == {("0", "1")}


def test_a_partition_that_always_lags_is_left_out() -> None:
    told, one = _held(lambda _: 10 * MINUTE)
    assert all(time == now - 10 * MINUTE - GRACE for now, time in told.items() if now < 5 * MINUTE)
    assert one.watermark.left_out == {("0", "1")}


@pytest.mark.parametrize("lag", [lambda _: 200 * SECOND, lambda now: 30 * MINUTE - now, lambda now: now // 10])
def test_a_partition_that_catches_up_or_lags_little_is_waited_for(lag: Callable[[int], int]) -> None:
    told, _ = _held(lag)
    assert told == {now: now - lag(now) - GRACE for now in STEPS}


def test_a_backlog_without_an_order_is_waited_for_and_what_is_live_is_not() -> None:
    clock = Clock()
    old = [(2_000 + n, [row(time, published=1_000 + n)]) for n, time in enumerate([900, 500, 700])]
    script = Script(clock, [*old, (4_000, [row(3_990, published=3_999)])])
    one = reading([script], Rules(idle=FAR, patience=FAR, replay=True, scatter=5))
    assert _told(one, clock, [2_000, 2_004, 2_005, 2_006, 4_000]) == [None, None, 890, 890, 3_980]


def test_of_a_backlog_the_newest_does_not_go_before_what_was_published_before() -> None:
    clock = Clock()
    mixed = [(20, [row(1, published=2), row(19, published=20)]), (24, [row(3, published=4)])]
    one = reading([Script(clock, mixed)], Rules(idle=FAR, patience=FAR, scatter=5))
    assert _told(one, clock, [20, 25, 28]) == [None, 2 - GRACE, 2 - GRACE]
    assert _told(one, clock, [30]) == [19 - GRACE]


def test_addresses_end_when_nothing_came_from_any() -> None:
    clock = Clock()
    scripts = [Script(clock, [(0, [row(5)])]), Script(clock, [(0, [row(9)]), (8 * SECOND, [row(20)])])]
    one = reading(scripts, Rules(idle=FAR, patience=FAR, ends=10 * SECOND))
    assert _told(one, clock, [0, 9_999, 17_900, 18_900]) == [-5, -5, -5, ENDED]
    again = reading(scripts, CALM, mark=json.loads(json.dumps(one.mark())))
    assert (again.read(), again.watermark.told) == (None, ENDED)


def test_silence_ends_nothing_while_another_process_may_hold_messages() -> None:
    clock = Clock()
    held = Script(clock, [(0, [row(5)])], settles=25 * SECOND)
    one = reading([held, Script(clock, [(0, [row(9)])])], Rules(idle=FAR, patience=FAR, ends=10 * SECOND))
    moments = [0, 9_999, 19_000, 24_900, 34_000, 34_950]
    assert _told(one, clock, moments) == [-5, -5, -5, -5, -5, ENDED]


def test_only_what_is_good_tells_that_a_partition_lives() -> None:
    clock = Clock()
    good = [(n * SECOND, [row(n * SECOND, "0")]) for n in range(60)]
    bad = [(n * SECOND, [row(None, "1")]) for n in range(60)]
    script = Script(clock, sorted(good + bad, key=lambda each: each[0]), ("0", "1"))
    told = _told(reading([script], LIVE), clock, [n * SECOND for n in range(31)])
    assert told == [None] * 30 + [30 * SECOND - GRACE]


def test_a_rest_is_no_silence() -> None:
    """The first pull after a rest is of one partition: the other one is not idle for that."""
    clock = Clock()
    batches = [(0, [row(10, "0"), row(20, "1")]), (5 * MINUTE, [row(5 * MINUTE, "0")])]
    one = reading([Script(clock, batches, ("0", "1"))], LIVE)
    assert _told(one, clock, [0]) == [10 - GRACE]
    for clock.now in range(SECOND, 5 * MINUTE, SECOND):
        one.rest()
    assert _told(one, clock, [5 * MINUTE, 5 * MINUTE + 20 * SECOND]) == [20 - GRACE] * 2
    assert _told(one, clock, [5 * MINUTE + 40 * SECOND]) == [5 * MINUTE + 10 * SECOND - GRACE]


def test_time_in_which_an_engine_did_not_read_is_no_silence() -> None:
    """The first pull after a stall is of one partition: the other one has nearly all of its time left."""
    clock = Clock()
    batches = [(0, [row(10, "0"), row(20, "1")]), (5 * MINUTE, [row(5 * MINUTE, "0")])]
    one = reading([Script(clock, batches, ("0", "1"))], LIVE)
    assert _told(one, clock, [0]) == [10 - GRACE]
    clock.now = 5 * MINUTE
    assert _told(one, clock, [5 * MINUTE, 5 * MINUTE + 20 * SECOND]) == [20 - GRACE] * 2
    assert _told(one, clock, [5 * MINUTE + 29 * SECOND]) == [5 * MINUTE - GRACE]


def test_a_partition_is_not_idle_while_an_answer_is_overdue() -> None:
    clock, asked = Clock(), list[Any]()

    def later(_: str, what: Callable[[], Answer]) -> "Future[Answer]":
        future: Future[Answer] = Future()
        asked.append((future, what))
        return future

    def answer() -> None:
        future, what = asked.pop()
        future.set_result(what())

    script = Script(clock, [(0, [row(10, "0"), row(20, "1")])], ("0", "1"))
    one = reading([script], Rules(idle=30 * SECOND, patience=FAR), submit=later)
    with patch("transforms.streams.reading.WAIT", 0):
        assert one.read() is None
        answer()
        assert _told(one, clock, [0, 10 * MINUTE]) == [10 - GRACE] * 2
        answer()
        assert _told(one, clock, [10 * MINUTE]) == [10 - GRACE]


def test_a_rest_exhausts_no_patience() -> None:
    """A partition that is a little behind is waited for, however long stages were late."""
    clock = Clock()
    batches = [(0, [row(20 * SECOND, "0"), row(10 * SECOND, "1")]), (6 * MINUTE, [row(60 * SECOND, "0")])]
    one = reading([Script(clock, batches, ("0", "1"))], LIVE)
    assert _told(one, clock, [0]) == [10 * SECOND - GRACE]
    for clock.now in range(SECOND, 6 * MINUTE, SECOND):
        one.rest()
    assert _told(one, clock, [6 * MINUTE]) == [10 * SECOND - GRACE]
    assert one.watermark.left_out == frozenset()


def test_nothing_ends_in_a_rest() -> None:
    clock = Clock()
    one = reading([Script(clock, [(0, [row(10)])])], Rules(idle=FAR, patience=FAR, ends=5 * SECOND))
    assert _told(one, clock, [0]) == [10 - GRACE]
    for clock.now in range(SECOND, MINUTE, SECOND):
        one.rest()
    assert _told(one, clock, [MINUTE, MINUTE + 2 * SECOND]) == [10 - GRACE] * 2
    assert _told(one, clock, [MINUTE + 7 * SECOND]) == [ENDED]


def test_addresses_take_turns() -> None:
    clock = Clock()
    scripts = [Script(clock, [(0, [row(10 * n + k)]) for k in range(3)]) for n in range(2)]
    one = reading(scripts)
    assert [_times(element) for element in iter(one.read, None)] == [[0], [10], [1], [11], [2], [12]]


def test_no_address_waits_for_one_that_does_not_answer() -> None:
    answer = threading.Event()

    class Slow(Script):
        def pull(self, position: Any) -> Any:
            assert answer.wait(60)
            return super().pull(position)

    clock = Clock()
    scripts = [Slow(clock, [(0, [row(1)])]), Script(clock, [(0, [row(n)]) for n in range(20)])]
    one = reading(scripts, submit=on_its_thread)
    try:
        found = [one.read() for _ in range(21)]
        assert [_times(each) for each in found if each is not None] == [[n] for n in range(20)]
        assert one.watermark.told is None
    finally:
        answer.set()
    deadline = time.monotonic() + 60
    while (element := one.read()) is None and time.monotonic() < deadline:
        pass
    assert element is not None
    assert _times(element) == [1]


def test_the_watermark_goes_on_though_an_engine_is_slow_between_full_pulls() -> None:
    clock = Clock()
    with full_at(2):
        one = reading([Script(clock, [(0, [row(n), row(n)]) for n in (100, 200, 300)])], LIVE)
        told = []
        for clock.now in range(0, 4_500, 1_500):
            assert one.read() is not None
            told.append(one.watermark.told)
    assert told == [90, 190, 290]


def test_a_partition_is_not_idle_while_silence_says_nothing() -> None:
    clock = Clock()
    script = Script(clock, [(0, [row(10, "0"), row(10, "1")])], ("0", "1"), settles=5 * MINUTE)
    one = reading([script], LIVE)
    assert _told(one, clock, range(0, 5 * MINUTE, 20 * SECOND)) == [0] * 15
    told = _told(one, clock, [5 * MINUTE, 5 * MINUTE + 20 * SECOND, 5 * MINUTE + 30 * SECOND])
    assert told == [0, 0, 5 * MINUTE - GRACE]


_rows = st.lists(
    st.builds(row, st.one_of(st.none(), st.integers(0, 2_000)), st.sampled_from("01")), min_size=1, max_size=4
)
_scripts = st.lists(st.lists(st.tuples(st.integers(0, 20), _rows), max_size=6), min_size=1, max_size=3)
_most = st.sampled_from([2, MOST_ROWS])
"""Rows of a full pull, behind which the next one is asked for at once."""


@contextmanager
def full_at(rows: int) -> Iterator[None]:
    with patch("transforms.streams.reading.MOST_ROWS", rows):
        yield


def test_what_follows_a_full_pull_is_asked_for_at_once_and_is_in_no_mark_before_it_is_read() -> None:
    clock, asked = Clock(), list[Any]()

    class Asked(Script):
        def pull(self, position: Any) -> Pulled:
            asked.append(dict(position))
            return super().pull(position)

    with full_at(4):
        one = reading([Asked(clock, [(0, [row(1), row(2)]), (0, [row(3)])])])
        assert one.read() is not None
        assert (asked, one.more, one.mark()["positions"]) == ([{}, {"batch": 1}], True, {"0": {"batch": 1}})
        last = one.read()
        assert last is not None
        assert (_times(last), len(asked), one.more) == ([3], 2, False)


def _sorted(clock: Clock, batches: list[list[tuple[int, Any]]]) -> list[Script]:
    return [Script(clock, sorted(each, key=lambda batch: batch[0]), ("0", "1")) for each in batches]


@given(_scripts, st.sampled_from([CALM, Rules(idle=5, patience=7), Rules(idle=3, patience=4, replay=True)]), _most)
def test_elements_and_watermarks(batches: list[list[tuple[int, Any]]], rules: Rules, most: int) -> None:
    with full_at(most):
        _tell_elements_and_watermarks(batches, rules)


def _tell_elements_and_watermarks(batches: list[list[tuple[int, Any]]], rules: Rules) -> None:
    clock = Clock()
    scripts = _sorted(clock, batches)
    one = reading(scripts, rules)
    latest: dict[tuple[int, str], int] = {}
    read = 0
    for clock.now in range(40):
        while True:
            told = one.watermark.told
            element = one.read()
            after = one.watermark.told
            assert told is None or (after is not None and after >= told)
            if element is None:
                break
            read += 1
            good = [time for time in _times(element) if time is not None]
            known = [*([told] if told is not None else []), *([min(good)] if good else [])]
            assert element.time == max(known, default=0 if rules.replay else clock.now)
            counts = {name: number for (_, name), number in element.counts.items()}
            assert counts["in"] == counts["parsed"] + counts["rejected"] == len(_times(element))
    assert read == sum(map(len, batches))
    for n, script in enumerate(batches):
        for _, rows in script:
            for each in rows:
                if each["time"] is not None:
                    key = (n, each[PARTITION])
                    latest[key] = max(latest.get(key, -FAR), each["time"])
    if rules == CALM:
        whole = len(latest) == 2 * len(batches)
        assert one.watermark.told == (min(latest.values()) - GRACE if whole else None)


@given(_scripts, st.integers(0, 20), st.booleans(), _most)
def test_a_mark_goes_on_as_if_nothing_had_been(
    batches: list[list[tuple[int, Any]]], at: int, again: bool, most: int
) -> None:
    def told(cut: int | None) -> list[Any]:
        clock = Clock()
        scripts = _sorted(clock, batches)
        one = reading(scripts)
        seen: list[Any] = []
        for n in range(60):
            if n == cut:
                mark = json.loads(json.dumps(one.mark()))
                one.read() if again else None  # what a failed bundle read
                one = reading(scripts, mark=mark)
            clock.now = n
            if (element := one.read()) is not None:
                seen.append((_times(element), element.time))
            seen.append(one.watermark.told)
        return seen

    with full_at(most):
        whole, cut = told(None), told(at)
    elements = [sorted(map(str, (each for each in seen if isinstance(each, tuple)))) for seen in (whole, cut)]
    if len(batches) == 1 and most == MOST_ROWS:  # else who goes on asks later than who asked ahead
        assert whole == cut
    assert whole[-1] == cut[-1]
    assert [len(each) for each in elements] == [sum(map(len, batches))] * 2


@given(_scripts, st.lists(st.integers(0, 25), max_size=6), st.integers(0, 5) | st.none(), _most)
def test_acks_follow_cuts(batches: list[list[tuple[int, Any]]], cuts: list[int], first: int | None, most: int) -> None:
    with full_at(most):
        _tell_acks_of_cuts(batches, cuts, first)


def _tell_acks_of_cuts(batches: list[list[tuple[int, Any]]], cuts: list[int], first: int | None) -> None:
    clock = Clock()
    scripts = _sorted(clock, batches)
    newest = None if first is None else first * TICK
    one = reading(scripts, cut=newest)
    found: list[int | None] = [newest]
    acks = Acks(lambda: found[0])
    pullers = {str(n): script for n, script in enumerate(scripts)}
    covers: dict[str, list[int]] = {label: [] for label in pullers}
    acts = dict.fromkeys(pullers, 0)
    for clock.now in range(40):
        told = one.watermark.told
        element = one.read()
        taken = one.taken()
        for each in taken:
            assert element is not None
            good = [time for time in _times(element) if time is not None]
            assert newest is None or element.time > newest
            last = acts[each.label] = max([*good, element.time, acts[each.label]])
            assert told is None or last >= told
            assert each.cover % TICK == 0
            assert last < each.cover <= last + TICK
            covers[each.label].append(each.cover)
        acks.finalized(taken, pullers)
    for cut in sorted(cuts):
        found[0] = cut * TICK
        acks.finalized([], pullers)
        for label, script in pullers.items():
            held = [n for n, cover in enumerate(covers[label]) if cover > cut * TICK]
            assert script.acknowledged == [*range(min(held, default=len(covers[label])))]
    acks.acknowledge(None)
    assert [script.acknowledged for script in scripts] == [[*range(len(each))] for each in batches]
    assert len(acks) == 0


def test_acks_of_several_pulls_wait_until_a_cut_covers_all_of_them() -> None:
    class Whole(Script):
        def pull(self, position: Any) -> Pulled:
            pulled = super().pull(position)
            return pulled if pulled.acks == 1 else pulled._replace(acks=None)

    clock = Clock()
    script = Whole(clock, [(0, [row(5_000)]), (0, [row(1_000)])])
    one = reading([script], grace=4_000)
    assert one.read() is not None
    again = reading([script], grace=4_000, mark=json.loads(json.dumps(one.mark())))
    assert one.read() is not None
    assert again.read() is not None
    assert [one.taken(), again.taken()] == [[Taken("0", 1, 5_100)]] * 2


def test_a_replay_that_begins_with_what_is_bad_is_covered_by_its_first_cut() -> None:
    clock = Clock(10**12)
    one = reading([Script(clock, [(0, [row(None)]), (0, [row(500)])])], Rules(replay=True))
    assert [element.time for element in iter(one.read, None)] == [0, 500]
    assert [each.cover for each in one.taken()] == [TICK, 600]


def test_a_block_that_the_map_does_not_fit_is_refused_and_ends_nothing() -> None:
    def parse(block: pa.RecordBatch) -> Parsed:
        if block["time"][0].as_py() == 7:
            raise LoadErrors([LoadError("sources.yaml", 3, "`mb` is a list")])
        return _parse(block)

    clock = Clock()
    inputs = [Input("0", USAGE, Script(clock, [(0, [row(7), row(8, "3")]), (0, [row(9)])]), CALM)]
    one = Reading(inputs, lambda _: parse, grace=GRACE, tick=TICK, clock=clock)  # type: ignore[arg-type,return-value]
    first, second = one.read(), one.read()
    assert first is not None
    rejected = [each for batch in first.rejected for each in batch.to_pylist()]
    assert [each["position"] for each in rejected] == ["partition 0 offset 0", "partition 3 offset 1"]
    assert {(each["reason"], each["message"]) for each in rejected} == {("misfit", "sources.yaml:3: `mb` is a list")}
    told = {("fed", "usage"): 2, ("refused", "usage"): 2}
    assert first.counts == {("signals", "in"): 2, ("signals", "rejected"): 2, **told}
    assert second is not None
    assert _times(second) == [9]
