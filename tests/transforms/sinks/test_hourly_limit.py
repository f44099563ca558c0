"""The hourly limit lets out what a plain program lets out, however its ticks are cut into calls."""

from typing import NamedTuple

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import HOUR, MINUTE
from tests.transforms.sinks.offers import Row, offers
from transforms.decision.offers import ROOTED
from transforms.sinks.hourly_limit import Kept, release

START = 1_772_445_600_000  # 2026-03-02T10:00:00Z
FAR = START + 1_000 * HOUR


def told(rows: list[Row]) -> list[tuple[str, bool]]:
    return [(row.id, row.made) for row in rows]


class Plain(NamedTuple):
    """What went out, whose offers became invalid, who waits at the end; when it was told of an hour, and how many."""

    out: list[Row]
    expired: set[str]
    waits: list[Row]
    holding: list[tuple[int, int]]


def plain(most: int, rows: list[Row], upto: int) -> Plain:
    """Let offers out one by one."""
    out, expired, waits, holding = list[Row](), set[str](), list[Row](), list[tuple[int, int]]()
    for hour in range(START, upto + 1, HOUR):
        expired |= {row.id for row in waits if row.valid_until <= hour}
        waits = [row for row in waits if row.valid_until > hour]
        sent, told = min(most, len(waits)), False
        out, waits = out + waits[:sent], waits[sent:]
        of_hour = sorted(row for row in rows if row.time // HOUR * HOUR == hour)
        for time in sorted({row.time for row in of_hour}):
            made = [row for row in of_hour if row.time == time and row.made]
            out, waits = out + made[: max(most - sent, 0)], waits + made[max(most - sent, 0) :]
            if len(made) > most - sent and not told:
                holding, told = [*holding, (time, len(waits))], True
            sent = min(most, sent + len(made))
            gone = [row for row in of_hour if row.time == time and not row.made]
            out, waits = out + gone, [one for one in waits if one.id not in {row.id for row in gone}]
    return Plain(out, expired, waits, holding)


@st.composite
def streams(draw: st.DrawFn) -> list[Row]:
    made = []
    for n in range(draw(st.integers(0, 25))):
        time = START + MINUTE * draw(st.integers(0, 5 * 60))
        made.append(Row(f"{n:02}", time, time + draw(st.sampled_from([90 * MINUTE, 5 * HOUR]))))
        if draw(st.integers(0, 3)) == 0:
            made.append(Row(f"{n:02}", time + MINUTE * draw(st.integers(1, 180)), made[-1].valid_until, made=False))
    return made


@given(rows=streams(), most=st.integers(1, 4), cuts=st.sets(st.integers(1, 9 * 60), max_size=6))
def test_any_cut_lets_out_what_the_plain_program_does(rows: list[Row], most: int, cuts: set[int]) -> None:
    upto, kept, holding = START - 1, Kept(), list[tuple[int, int]]()
    out, gone, waiting = list[tuple[str, bool]](), set[str](), 0
    for cut in sorted({*cuts, 9 * 60 + 1}):
        before, upto = upto, START + cut * MINUTE
        given_now = offers(row for row in rows if before < row.time <= upto)
        released = release(most, Kept.read(kept.packed()), given_now, upto)
        kept, waiting = released.kept, released.waiting
        ids, types = (released.offers[name].to_pylist() for name in ("id", "type"))
        out += [(id_, type_ == "offer.made") for id_, type_ in zip(ids, types, strict=True)]
        holding += [(one.time, one.waiting) for one in released.holding]
        gone |= set(released.expired["id"].to_pylist())
        assert (released.wake is None) == (waiting == 0)
    expected = plain(most, rows, upto)
    assert (sorted(out), gone, waiting) == (sorted(told(expected.out)), expected.expired, len(expected.waits))
    assert [one for one in out if one[1]] == [one for one in told(expected.out) if one[1]]
    assert holding == expected.holding


def test_what_is_too_much_goes_out_at_the_next_hours() -> None:
    rows = [Row(name, START + n * MINUTE, FAR) for n, name in enumerate("abcde")]
    first = release(2, Kept(), offers(rows), START + 10 * MINUTE)
    assert first.offers["id"].to_pylist() == ["a", "b"]
    assert (first.waiting, first.wake, first.holding) == (
        3,
        START + HOUR,
        [("/segment-of-one/test", START + 2 * MINUTE, 1)],
    )
    assert first.held["id"].to_pylist() == ["c", "d", "e"]
    again = release(2, first.kept, offers([Row("f", START + 20 * MINUTE, FAR)]), START + 20 * MINUTE)
    assert (again.offers.num_rows, again.waiting, again.holding) == (0, 4, [])
    assert again.held["id"].to_pylist() == ["f"]
    later = release(2, again.kept, offers([]), START + HOUR)
    assert later.offers["id"].to_pylist() == ["c", "d"]
    last = release(2, later.kept, offers([]), START + 3 * HOUR)
    assert (last.offers["id"].to_pylist(), last.wake) == (["e", "f"], None)


@pytest.mark.parametrize(("until", "out", "expired"), [(0, [], ["b"]), (1, ["b"], [])])
def test_what_is_over_at_the_hour_does_not_go_out(until: int, out: list[str], expired: list[str]) -> None:
    rows = [Row("a", START, FAR), Row("b", START, START + HOUR + until)]
    first = release(1, Kept(), offers(rows), START)
    later = release(1, first.kept, offers([]), START + HOUR)
    assert (later.offers["id"].to_pylist(), later.expired["id"].to_pylist()) == (out, expired)


def test_what_is_late_goes_out_in_the_hour_that_is_open() -> None:
    first = release(2, Kept(), offers([Row("a", START + HOUR, FAR)]), START + HOUR)
    late = release(2, first.kept, offers([Row("b", START, FAR), Row("c", START, FAR)]), START + MINUTE)
    assert (late.offers["id"].to_pylist(), late.waiting, late.wake) == (["b"], 1, START + 2 * HOUR)


def test_a_lower_limit_takes_effect_at_once() -> None:
    first = release(5, Kept(), offers([Row(name, START, FAR) for name in "abc"]), START)
    assert release(1, first.kept, offers([Row("d", START + 1, FAR)]), START + 1).waiting == 1


def test_what_was_held_before_there_were_causes_goes_out() -> None:
    first = release(1, Kept(), offers([Row("a", START, FAR), Row("b", START, FAR)]), START)
    held = pa.ipc.open_stream(first.kept.held).read_all()
    place, whole = held.schema.get_field_index("data"), held["data"].combine_chunks()
    fields = [field for field in whole.type if field.name != "cause"]
    data = pa.StructArray.from_arrays([whole.field(field.name) for field in fields], fields=fields)
    sink = pa.BufferOutputStream()
    older = held.set_column(place, pa.field("data", data.type, nullable=False), data)
    with pa.ipc.new_stream(sink, older.schema) as writer:
        writer.write_table(older)
    kept = msgspec.structs.replace(first.kept, held=sink.getvalue().to_pybytes())
    later = release(1, kept, offers([]), START + HOUR)
    assert (later.offers["id"].to_pylist(), later.offers.schema) == (["b"], ROOTED)
