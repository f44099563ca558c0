"""A playbook that was changed takes over from a cut as a version does that is there from the beginning."""

from dataclasses import replace
from random import Random
from typing import Any

import msgspec

from pipelines.stories.signals import salted
from pipelines.stories.story import Story
from schemas.versions import Versions
from tests.transforms.cuts.flow import Flow
from tests.transforms.cuts.test_cuts import LAST, STORIES, events_of, from_cut, kept_at, on_streams, play, rows
from transforms.shell.cuts import Kept
from transforms.shell.timers import Cuts

NOT_ALIKE = {
    "a_playbook_changes_how_an_intent_fades",  # the second reads a field of profiles that came before, and was not kept
    "a_version_offers_nothing",  # alone it reads nothing for offers
    "who_waits_since_an_older_version",  # alone it tells nobody of moves and segments: nobody waits under it
}
"""Those of which the second version does not know alone what it knows after the first."""

CHANGING = [
    one for one in STORIES if "stream" in one.engines and len(one.versions.playbooks) == 2 and one.name not in NOT_ALIKE
]


def waking(kept: bytes, tick: int) -> bytes:
    """Return what a shard starts from when another playbook takes over."""
    return msgspec.structs.replace(Kept.read(kept), wake=tick).packed()


def shown(value: Any) -> Any:
    """Return a row without what is NULL: columns of the versions before are not there."""
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items() if one is not None}
    return value


@on_streams(CHANGING)
def test_a_changed_playbook_takes_over_after_the_cut(story: Story) -> None:
    (start,) = story.versions.starts
    tick, random = story.playbook.tick, Random(story.name)
    cut, (first, second) = start - tick, (replace(story, versions=Versions((one,))) for one in story.versions.playbooks)
    with salted():
        whole = Flow(story, 2, None, random, shown=shown)
        play(whole, events_of(story, whole))
        before = Flow(first, 2, Cuts(tick, tick), random, shown=shown)
        play(before, events_of(first, before))
        after = Flow(second, 2, Cuts(tick, tick), random, shown=shown)
        kept = {key: waking(blob, cut + tick) for key, blob in kept_at(before, 2, cut, anew=True).items()}
        again = from_cut(after, kept, events_of(second, after), cut)
    assert rows(again.made) == rows([one for one in whole.made if one.stamp > cut + LAST])
