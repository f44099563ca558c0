"""Sentences of stories about households and SMEs: who, and to whom."""

from typing import Any

import pytest

from pipelines.stories.reading import read_story
from tests.pipelines.stories.conftest import WriteStory
from tests.transforms.decision.small_policies import HOUR, Offer, Policy, Trigger, batch_of, plan_of
from transforms.decision.decide import decide
from transforms.decision.offers import offers_of

HOME = {"kind": "household", "subject": "h", "trigger": "household.t"}


@pytest.mark.parametrize(
    ("given", "decision", "offers"),
    [
        (
            {"trigger": "subscriber.t", "in_root": ("household", "h")},
            "1970-01-01 01:00 s, t: offer a",
            ["1970-01-01 01:00 s gets a by app"],
        ),
        (
            HOME | {"to": "anna"},
            "1970-01-01 01:00 household/h, t: offer a to anna",
            ["1970-01-01 01:00 anna gets a by app for household/h"],
        ),
        (HOME, "1970-01-01 01:00 household/h, t: no_offer because no_recipient", []),
        (
            HOME | {"to": "anna", "moved_until": 2 * HOUR},
            "1970-01-01 01:00 household/h, t: no_offer because moved",
            [],
        ),
    ],
)
def test_who_gets_it_for_whom(write_story: WriteStory, given: dict[str, Any], decision: str, offers: list[str]) -> None:
    story, trigger = read_story(write_story()), Trigger(tick=HOUR, **given)
    plan = plan_of(Policy((Offer("a", (trigger.trigger,)),)))
    decisions = decide(plan, None, [batch_of([trigger])], HOUR).decisions
    assert story.sentences("decisions", decisions.to_pylist()) == [decision]
    assert story.sentences("offers", offers_of(plan, decisions).to_pylist()) == offers
