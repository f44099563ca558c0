"""The timer of a key that is cut, and what manifests name: whatever comes in whatever order."""

from itertools import pairwise
from random import Random

from apache_beam.utils.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.shell.test_timers import Cell
from transforms.shell.cuts import Alarm
from transforms.shell.timers import Backlog, Cuts, TickTimer
from transforms.streams.manifests import BlobFile
from transforms.streams.told_of_cuts import Known, Told

TICK = 10


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
    st.integers(1, 5),
    st.sampled_from([None, Backlog(until=300, span=40)]),
)
def test_a_key_acts_at_each_wake_and_is_cut_after_each_change(
    wakes: list[int], every: int, backlog: Backlog | None
) -> None:
    cuts = Cuts(TICK, every * TICK)
    rule = TickTimer("track_subscribers", bounded=False, backlog=backlog, cuts=cuts)
    wake, cut, timer = Cell(), Cell(), Cell()
    alarm, left, acted, blobs = Alarm(rule, wake, cut, timer), sorted({n * TICK for n in wakes}), [], []
    alarm.at(left[0])
    while timer.value is not None:
        fired, timer.value = timer.value, None
        ring = alarm.rings(fired)
        assert ring is not None
        if not ring.acts:
            blobs.append(ring.tick)
            continue
        acted.append(ring.tick)
        left = [tick for tick in left if tick > ring.tick]
        if left:
            alarm.at(left[0])
        if alarm.is_cut(ring.tick):
            blobs.append(ring.tick)
    assert left == []
    assert all(one < other for some in (acted, blobs) for one, other in pairwise(some))
    assert blobs == sorted({cuts.at(tick, backlog) for tick in acted})


def test_nothing_acts_at_a_tick_that_may_be_closed_behind() -> None:
    cuts = Cuts(TICK, TICK)
    for stage, position in (("watch_feeds", 0), ("track_subscribers", 1), ("decide_offers", 3)):
        for time in range(100, 125):
            tick = cuts.open_at(stage, Timestamp(micros=1000 * time))
            assert tick % TICK == 0
            assert tick + position >= time > tick + position - TICK


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), unique=True, max_size=20), st.randoms(), st.data()
)
def test_a_manifest_names_the_newest_of_each_as_of_its_cut(
    blobs: list[tuple[str, int]], random: Random, data: st.DataObject
) -> None:
    known, coming = Known(), blobs[:]
    random.shuffle(coming)
    for cut in data.draw(st.lists(st.integers(1, 9), unique=True).map(sorted)):
        ahead = data.draw(st.integers(0, 9))
        for owner, tick in [one for one in coming if one[1] <= cut + ahead]:
            known.take(Told.read(Told(tick, owner, BlobFile(f"{owner}{tick}", tick, 0, 0)).packed()))
            coming.remove((owner, tick))
        known = Known.read(known.packed())
        newest = {
            owner: max(tick for whose, tick in blobs if whose == owner and tick <= cut)
            for owner, tick in blobs
            if tick <= cut
        }
        assert {owner: file.tick for owner, file in known.close(cut).items()} == newest
