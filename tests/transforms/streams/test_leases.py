"""Leases: what is open is renewed, given once, and let go when it is done, given back or too old."""

from hypothesis import given
from hypothesis import strategies as st

from transforms.streams.leases import Leases


def _leases() -> Leases:
    return Leases(margin=10.0, hold=100.0)


def test_a_message_that_comes_again_while_it_is_open_is_not_new() -> None:
    leases = _leases()
    assert leases.take("m", "a1", 0.0)
    assert not leases.take("m", "a2", 1.0)
    assert leases.give(["m"], 1) == ["a2"]
    assert leases.done(["a1"]) == ["a2"]
    assert leases.take("m", "a3", 2.0)


def test_what_was_given_out_behind_a_pull_is_taken_back() -> None:
    leases = _leases()
    for number in (1, 2, 3):
        leases.take(f"m{number}", f"a{number}", 0.0)
    leases.give(["m1"], 1)
    leases.give(["m2"], 2)
    assert leases.take_back(1) == ["a2"]
    assert leases.take_back(1) == []
    assert leases.due(0.0) == ["a1", "a3"]


def test_what_is_renewed_is_due_again_near_its_end_and_forgotten_when_it_is_old() -> None:
    leases = _leases()
    leases.take("m", "a", 0.0)
    assert leases.due(0.0) == ["a"]
    leases.renewed(["a", "gone"], 20.0)
    assert leases.due(9.0) == []
    assert leases.due(11.0) == ["a"]
    assert leases.due(101.0) == []
    assert (len(leases), leases.give(["m"], 1)) == (0, [])


def test_an_id_of_another_process_is_passed_on_and_one_that_is_done_is_not_sent_twice() -> None:
    leases = _leases()
    leases.take("m", "a1", 0.0)
    leases.take("m", "a2", 0.0)
    assert leases.done(["other", "a1", "a2"]) == ["other", "a2"]
    assert leases.done(["a1"]) == ["a1"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 4)),
        st.tuples(st.just("give"), st.integers(0, 4)),
        st.tuples(st.just("back"), st.integers(0, 30)),
        st.tuples(st.just("done"), st.integers(0, 30)),
    ),
    max_size=30,
)


@given(STEPS)
def test_each_id_that_comes_leaves_once_at_most_and_what_is_open_is_renewed(steps: list[tuple[str, int]]) -> None:
    leases, came, left, gave = _leases(), list[str](), list[str](), dict[str, str]()
    for number, (step, which) in enumerate(steps):
        if step == "take":
            came.append(f"{which}/{number}")
            assert leases.take(str(which), came[-1], 0.0) == (str(which) not in gave)
            gave[str(which)] = came[-1]
        elif step == "give":
            assert leases.give([str(which)], number) == [gave[each] for each in [str(which)] if each in gave]
        else:
            gone = leases.take_back(which) if step == "back" else leases.done(came[which : which + 1])
            for ack in gone:
                if gave.get(ack.partition("/")[0]) == ack:
                    del gave[ack.partition("/")[0]]
                    left.append(ack)
        assert sorted(leases.due(0.0)) == sorted(gave.values())
    assert len(left) == len({*left})
