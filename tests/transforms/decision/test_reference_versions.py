"""The reference: policies that follow one another, worked by hand from the specification."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.transforms.decision.reference_policy import DAY, HOUR, Cap, Notice, Offer, Policy
from tests.transforms.decision.reference_words import (
    EVERY,
    MONDAY,
    SENT,
    A,
    answers,
    at,
    consent,
    paused,
)

LONG = Policy((replace(A, valid_for=DAY),), listed=EVERY)
CALM = Policy((replace(A, wait=9 * HOUR),), (Cap(1, 5 * HOUR),), listed=EVERY)
B = Policy((Offer("b"),), listed=EVERY)
SILENT = replace(CALM, contacts_reported_within=2 * HOUR, on_silence="release")
WAITS_TILL_5 = (1, "deferred", "cap_0", 5)


@pytest.mark.parametrize(
    ("first", "start", "second", "hours", "told", "expected"),
    [
        pytest.param(LONG, 2, B, [1, 2], [], [(1, *SENT), (2, "b/app", None, None)], id="a tick is of its version"),
        pytest.param(
            CALM, 3, replace(CALM, caps=()), [0, 1], [], [(0, *SENT), WAITS_TILL_5, (5, *SENT)], id="no event by itself"
        ),
        pytest.param(
            CALM,
            3,
            replace(CALM, caps=()),
            [0, 1],
            [paused(4, scope="offer", target="z")],
            [(0, *SENT), WAITS_TILL_5, (4, *SENT)],
            id="but whatever else wakes it",
        ),
        pytest.param(
            CALM, 3, B, [0, 1], [], [(0, *SENT), WAITS_TILL_5, (5, "b/app", None, None)], id="another offer may be made"
        ),
        pytest.param(
            CALM,
            3,
            replace(CALM, caps=(Cap(1, 8 * HOUR),)),
            [0, 1],
            [],
            [(0, *SENT), WAITS_TILL_5, (5, "deferred", "cap_0", 8), (8, *SENT)],
            id="it may wait on",
        ),
        pytest.param(
            replace(LONG, offers=(replace(A, cooldown=9 * HOUR),)),
            2,
            replace(LONG, offers=(replace(A, cooldown=3 * HOUR),)),
            [0, 1, 2, 3],
            [],
            [(0, *SENT), *[(hour, "no_offer", "cooldown", None) for hour in (1, 2)], (3, *SENT)],
            id="limits look back over what others made",
        ),
        pytest.param(
            LONG,
            3,
            replace(LONG, bases={"marketing": "opt_in"}),
            [0],
            [],
            [(0, *SENT), (3, "withdrawn", "no_consent", None)],
            id="who is not asked until then has not consented",
        ),
        pytest.param(
            LONG,
            3,
            replace(LONG, bases={"marketing": "opt_in"}),
            [0],
            [consent(1, "granted"), consent(5, "withdrawn")],
            [(0, *SENT), (5, "withdrawn", "no_consent", None)],
            id="what was told before is known",
        ),
        pytest.param(
            LONG,
            3,
            B,
            [0],
            [paused(4, scope="offer", target="a")],
            [(0, *SENT), (4, "withdrawn", "paused", None)],
            id="what is no longer offered is withdrawn, too",
        ),
        pytest.param(
            SILENT,
            1,
            replace(SILENT, contacts_reported_within=4 * HOUR),
            [0, 1],
            [],
            [(0, *SENT), WAITS_TILL_5, (4, *SENT)],
            id="silence is that of the version of now",
        ),
        pytest.param(
            replace(SILENT, contacts_reported_within=4 * HOUR),
            3,
            SILENT,
            [0, 1, 3],
            [],
            [(0, *SENT), WAITS_TILL_5, (3, *SENT), (5, *SENT)],
            id="and what it released before is no event",
        ),
    ],
)
def test_versions(
    first: Policy,
    start: int,
    second: Policy,
    hours: Sequence[int],
    told: list[Notice],
    expected: list[tuple[Any, ...]],
) -> None:
    later = [(MONDAY + start * HOUR, second)]
    found = answers(first, at(*hours), told, later)
    assert sorted(found, key=repr) == sorted(expected, key=repr)
