"""What is bad about outcomes is counted once, however ticks are cut; what is forgotten is so in every cut."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from schemas.records import AGAIN
from tests.transforms.decision.kernel import plan_of, play
from tests.transforms.decision.reference_policy import DAY, HOUR, Cap, Fact, Notice, Policy
from tests.transforms.decision.reference_words import (
    EVERY,
    FIRST,
    MONDAY,
    REPORTS,
    A,
    answers,
    at,
    contact,
    outcome,
    paused,
)
from tests.transforms.decision.small_policies import batches_of
from tests.transforms.decision.strategies import Case
from transforms.decision.decide import decide

UNKNOWN, CONTRADICTING = "outcome_of_unknown_decision", "contradicting_outcome"
SECOND = at(5)[0].id()
UPTO = MONDAY + 30 * DAY
CUTS = ((), (3,), (2, 3, 9), (1, 4, 6, 100, 167, 168, 169, 170, 200, 239))


def told(notices: Iterable[Notice], schema: pa.Schema) -> list[pa.RecordBatch]:
    """Return notices as batches, one each."""
    rows = [
        {"root_kind": one.root[0], "root": one.root[1], "subject_kind": one.subject_kind, "subject": one.subject}
        | {"tick": one.tick, "time": one.time, "source": one.source, "id": one.id, **one.payload}
        for one in notices
    ]
    return [pa.RecordBatch.from_pylist([row], schema=schema) for row in rows]


def counted(said: Sequence[Notice], cuts: Iterable[int], again: bool = False) -> dict[str, int]:
    """Return what is bad about outcomes, triggers at 0 and 5 o'clock given, in calls that end at some hours."""
    plan, found, before, state = plan_of(REPORTS), Counter[str](), -1, None
    waiting: list[pa.RecordBatch] = []
    schema = plan.notices["outcome"]
    schema = schema.with_metadata({**schema.metadata, AGAIN: b""}) if again else schema
    for end in (*(MONDAY + cut * HOUR for cut in cuts), UPTO):
        new = told([one for one in said if before < one.tick <= end], schema)
        came = [one for one in at(0, 5) if before < one.tick <= end]
        decided = decide(plan, state, [*batches_of(came), *new, *waiting], end)
        state, before, waiting = decided.ledger, end, decided.waiting
        found.update(decided.bad)
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([outcome(3, FIRST, "rejected")], {}, id="all is well"),
        pytest.param([outcome(3, "x", "rejected"), outcome(4, "x", "seen")], {UNKNOWN: 2}, id="of no decision"),
        pytest.param([outcome(3, None, "rejected")], {}, id="of nothing of ours"),
        pytest.param([outcome(5, SECOND, "seen"), outcome(6, SECOND, "seen")], {UNKNOWN: 1}, id="at its very tick"),
        pytest.param([outcome(24 * 7, FIRST, "seen")], {}, id="a week later"),
        pytest.param([outcome(24 * 7 + 1, FIRST, "seen")], {UNKNOWN: 1}, id="forgotten"),
        pytest.param(
            [outcome(24 * 7 - 1, FIRST, "seen"), outcome(24 * 7 + 1, FIRST, "seen")],
            {UNKNOWN: 1},
            id="forgotten though somebody remembers it",
        ),
        pytest.param(
            [outcome(1, FIRST, "accepted"), outcome(3, FIRST, "declined"), outcome(4, FIRST, "complained")],
            {CONTRADICTING: 1},
            id="contradicted, and once more",
        ),
        pytest.param(
            [outcome(3, FIRST, "rejected"), outcome(3, FIRST, "fulfilled"), outcome(4, FIRST, "fulfilled")],
            {CONTRADICTING: 1},
            id="at one tick",
        ),
        pytest.param(
            [outcome(6, SECOND, "complained"), outcome(2, FIRST, "accepted")], {}, id="each of another decision"
        ),
        pytest.param(
            [outcome(1, FIRST, "fulfilled"), outcome(24 * 7, FIRST, "rejected")], {CONTRADICTING: 1}, id="at last"
        ),
        pytest.param(
            [outcome(1, FIRST, "fulfilled"), outcome(24 * 7 + 1, FIRST, "rejected")], {UNKNOWN: 1}, id="too late"
        ),
        pytest.param(
            [outcome(1, "x", "fulfilled"), outcome(2, "x", "rejected")], {UNKNOWN: 2}, id="of what nobody knows"
        ),
    ],
)
def test_bad_outcomes(said: list[Notice], expected: dict[str, int]) -> None:
    for cuts in CUTS:
        assert counted(said, cuts) == expected, cuts
    assert counted(said[::-1], ()) == expected
    again = {name: count for name, count in expected.items() if name != UNKNOWN}
    assert counted(said, (), again=True) == again  # others may know


LATE = Policy((A,), (Cap(1, 3 * DAY),), listed=EVERY)
SENT, CAPPED = ("a/app", None), ("no_offer", "cap_0")


@pytest.mark.parametrize(
    ("hours", "reports", "expected"),
    [
        pytest.param([0, 8 * 24], [contact(6 * 24, FIRST, "sent")], [SENT, SENT], id="known when it was reported"),
        pytest.param([0, 10 * 24], [contact(9 * 24, FIRST, "sent")], [SENT, CAPPED], id="forgotten: of others"),
        pytest.param(
            [0, 10 * 24],
            [outcome(6 * 24, FIRST, "accepted"), contact(9 * 24, FIRST, "sent")],
            [SENT, CAPPED],
            id="forgotten though a report of it is remembered",
        ),
        pytest.param(
            [0, 7 * 24 + 1], [contact(7 * 24, FIRST, "sent")], [SENT, SENT], id="the last tick at which it is known"
        ),
        pytest.param([0, 7 * 24 + 2], [contact(7 * 24 + 1, FIRST, "sent")], [SENT, CAPPED], id="the tick after"),
    ],
)
def test_a_decision_is_known_for_a_week_in_every_cut(
    hours: list[int], reports: list[Notice], expected: list[tuple[str, str | None]]
) -> None:
    assert [(done, why) for _, done, why, _ in answers(LATE, at(*hours), reports)] == expected
    case = Case(LATE, at(*hours), list[Fact](), reports, UPTO)
    every = [play(case, [MONDAY + hour * HOUR for hour in cuts])[0] for cuts in CUTS]
    brief = [[((row["offer"] and "a/app") or row["action"], row["reason"]) for row in rows] for rows in every]
    assert brief == [expected] * len(CUTS)


def test_what_is_taken_up_is_not_withdrawn_although_its_decision_is_forgotten() -> None:
    offer = Policy((replace(A, valid_for=20 * DAY),), listed=EVERY)
    said = [outcome(9 * 24, FIRST, "accepted"), paused(10 * 24)]
    assert [done for _, done, _, _ in answers(offer, at(0), said)] == ["a/app"]
    for cuts in CUTS:
        rows, _ = play(Case(offer, at(0), [], said, UPTO), [MONDAY + hour * HOUR for hour in cuts])
        assert [row["action"] for row in rows] == ["offer"]
