"""Who is told that goals of offers were reached, and when, against the plain program of notices."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import examples
from tests.reference.identity import Root
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import Call, ends, in_time
from tests.transforms.context import test_notices
from tests.transforms.context.test_notices import TEXT, Oracle, Told, at, calls, histories, home, kept, said
from transforms.context.live import resident

GOALS = {
    "again": ("outcome", lambda payload: True),
    "gift": ("outcome", lambda payload: payload["result"] == "seen"),
    "more": ("contact", lambda payload: payload["state"] == "sent"),
}
OFFER = "{for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 7m, goal: {%s}}"
AIMS = {
    "again": "outcome: any, within: 5m",
    "gift": "outcome: \"result = 'seen'\", within: 1m",
    "more": "contact: \"state = 'sent' AND local_hour >= 0 AND source <> ''\", within: 7m",
}
AIMING = TEXT[: TEXT.index("offers:")] + "offers:\n" + "".join(f"  {name}: {OFFER % AIMS[name]}\n" for name in AIMS)
Reached = tuple[Root, Root, str, int]


class _Oracle(Oracle):
    """Who is told which goal at which tick."""

    def _tell(self, tick: int, root: Root, row: Signal, *, again: bool) -> None:
        for offer, (signal, fulfils) in GOALS.items():
            if row.signal == signal and fulfils(row.payload):
                content = (row.time, row.source, row.id, offer)
                self.told.append(Told(tick, root, (row.subject_kind, row.subject), "goal", content))


def effective(told: Iterable[Told]) -> dict[Reached, int]:
    """Return from which tick on each root knows that somebody reached a goal at an own tick."""
    found: dict[Reached, int] = {}
    for one in sorted(told, key=lambda one: one.tick):
        time, *_, offer = one.row
        found.setdefault((one.root, one.who, str(offer), int(str(time)) // MINUTE), one.tick)
    return found


def played(
    history: Sequence[Call], text: str = AIMING, shards: int = 1, *, live: bool = False
) -> tuple[Stages, list[Told]]:
    """Play calls by the kernel, and return which goals were told."""
    made = test_notices.played(history, text, shards, live=live)
    return made.stages, [one for one in made.told if one.signal == "goal"]


def expected(history: Iterable[Call]) -> dict[Reached, int]:
    oracle = _Oracle()
    for rows, upto in history:
        oracle.advance(rows, upto)
    return effective(oracle.told)


@examples(30)
@given(calls(), st.integers(1, 3))
def test_contact_roots_are_told_of_goals_as_the_oracle_says(history: list[Call], shards: int) -> None:
    assert effective(played(history, shards=shards)[1]) == expected(history)


@examples(15)
@given(calls())
def test_so_they_are_by_shards_that_stay_decoded(history: list[Call]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident, "MOST", 2.0)
        assert effective(played(history, live=True)[1]) == expected(history)


@examples(15)
@given(histories(), ends())
def test_spans_may_be_cut_anywhere(rows: list[Signal], spans: list[int]) -> None:
    """The same is told, of one subject, offer and tick once to each root and tick, and the same is kept."""
    (cut, told), (whole, once) = (played(in_time(rows, where)) for where in (spans, spans[-1:]))
    assert sorted(told, key=repr) == sorted(once, key=repr)
    keys = [(one.tick, one.root, one.who, one.row[-1], int(str(one.row[0])) // MINUTE) for one in once]
    assert len(set(keys)) == len(keys)
    assert kept(cut) == kept(whole)


def seen(minute: float, **more: object) -> Signal:
    return said(minute, "outcome", result="seen", **more)


CASES = {
    "of one tick once, and of each offer": (
        [([seen(0.5), seen(0.6), said(1.5, "outcome", result="ignored")], 5)],
        [(1, "b", "again", 0.5), (1, "b", "gift", 0.5), (2, "b", "again", 1.5)],
    ),
    "again to a new root while it may matter": (
        [([seen(0.2), seen(4.5), home(17.3, "h1")], 30)],
        [(1, "b", 0.2), (5, "b", 4.5), (18, "h1", 4.5)],
    ),
    "late, from the first open tick; what was told of that tick is kept": (
        [([seen(1.8)], 4), ([seen(1.2), home(6, "h1")], 9)],
        [(2, "b", 1.8), (5, "b", 1.2), (7, "h1", 1.8)],
    ),
    "a group of its own": ([([seen(0.5, who="h1", kind="household")], 3)], [(1, "h1", 0.5)]),
    "nothing of who is erased": ([([seen(0.5)], 2), ([said(2.5, "erasure"), home(5, "h1")], 9)], [(1, "b", 0.5)]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_root_is_told(name: str) -> None:
    given_, wanted = CASES[name]
    told = [(one, (one.tick - at(0)) // MINUTE, one.root[1]) for one in played([(r, at(m)) for r, m in given_])[1]]
    by: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for one, tick, root in told:
        time = (int(str(one.row[0])) - at(0)) / MINUTE
        by[4].append((tick, root, one.row[-1], time))
        by[3] += [(tick, root, time)] if one.row[-1] == "gift" else []
    assert sorted(by[len(wanted[0])], key=repr) == sorted(wanted, key=repr)


def test_without_goals_nothing_is_told_or_kept_of_them() -> None:
    stages, told = played([([seen(0.5), home(3, "h1")], at(9))], TEXT)
    assert (told, "goal" in {name for tables in kept(stages) for name in tables}) == ([], False)
    assert "goal" in {name for tables in kept(played([([seen(0.5)], at(2))])[0]) for name in tables}
