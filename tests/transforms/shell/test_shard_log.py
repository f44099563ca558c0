"""A stage of a stream: whatever becomes of its worker, blob, log and cell say where it goes on."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.shard_of_a_stage import Cells
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.kernel import Kernel, batches
from tests.reference.kernel import batch as batch_of
from tests.reference.records import MINUTE, Signal
from tests.reference.strategies import START, Case, cases
from tests.transforms.context.test_advance import assert_same, playbook_of, reference
from tests.transforms.context.test_groups import plans_of
from transforms.compiler.features import SUBSCRIBER
from transforms.context.advance_levels import AdvancedLevels, Levels
from transforms.context.live import resident
from transforms.shell import context_stage, shard_log
from transforms.shell.context_stage import Tracked, track_subscribers
from transforms.shell.cuts import Alarm
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.resident_shard import ResidentShard
from transforms.shell.timers import TickTimer

GOES_WELL, LOST, RESTORED, RETRIED = "goes well", "lost", "restored", "retried"


class Stage(track_subscribers):
    """The stage of subscribers of one shard, with what it told in the words of the reference."""

    def __init__(self, playbook: str) -> None:
        tracked = Tracked(Versions((playbook_of(playbook),)), (SUBSCRIBER,))
        super().__init__(tracked, TickTimer("track_subscribers", bounded=False))
        self.setup()
        self._contexts, self._salt = plans_of(playbook), b"a salt for tests"
        self.told, self.cells = Kernel(self._contexts.plans[0]["subscriber"]), Cells()

    def _count(self, advanced: AdvancedLevels) -> None:
        for one in advanced.every:
            self.told.take(one)
        self.told.counts["pending"] = sum(batch.num_rows for batch in advanced.waiting)

    def come(self, packs: list[PackedBatch]) -> None:
        """Take packed batches."""
        for packed in packs:
            self.hold(packed, self._shard, self._alarm)

    def close(self, upto: int) -> None:
        """Advance to a tick."""
        list(self.advance_to(upto, self._shard, self._alarm))

    @property
    def _shard(self) -> ResidentShard[Levels]:
        log, state, cell = map(self.cells.cell, ("log", "state", "cell"))
        return ResidentShard(context_stage._RESIDENTS, self._owner, 0, log, state, cell)

    @property
    def _alarm(self) -> Alarm:
        return Alarm(self._timer, *map(self.cells.cell, ("wake", "cut", "timer")))

    def restart(self) -> None:
        """Lose what the worker held."""
        context_stage._RESIDENTS.take(self._owner, 0, shard_log.Cell(token=b"of another"))

    def restored(self, values: dict[str, object], told: Kernel) -> None:
        """Go back to an older state, under the same worker."""
        self.cells.values, self.told = values, told


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blobs of little, and never advance everybody for it being cheaper."""
    monkeypatch.setattr(shard_log, "LEAST_LOG", 3_000)
    monkeypatch.setattr(resident, "MOST", 2.0)


@examples(30)
@given(cases(), st.lists(st.sampled_from([GOES_WELL, LOST, RESTORED, RETRIED]), min_size=12, max_size=12))
def test_it_tells_what_the_reference_tells(case: Case, fates: list[str]) -> None:
    stage = Stage(case.playbook)
    for (rows, upto), fate in zip(case.calls, fates, strict=False):
        packs = [PackedBatch.of(batch) for batch in batches(stage.told.plan, rows)]
        before = deepcopy(stage.cells.values), deepcopy(stage.told)
        if fate == RESTORED:  # the worker was ahead of what the runner goes back to
            stage.come(packs)
            stage.close(upto)
            stage.restored(*before)
        if fate == RETRIED:  # a bundle of some packs failed
            stage.come(packs[:1])
            stage.restored(*before)
            packs = packs[::-1]
        stage.come(packs)
        if fate == LOST:
            stage.restart()
        stage.close(upto)
    assert_same([stage.told], reference(case))
    assert shard_log.Cell.read(stage.cells.cell("cell")).closed == case.calls[-1][1]


CANARY = "canary 7f31"
ERASURES = """
playbook: p
signals: [usage, erasure]
dedup_horizon: 1h
allowed_lateness: 1h
subscriber: {features: {n: {count: any, from: usage, window: 10m}}, moments: {some: {when: n > 0}}}
"""


@pytest.mark.parametrize("asked", [5, 40])
def test_nothing_of_who_was_erased_is_left_in_the_log(asked: int) -> None:
    stage = Stage(ERASURES)
    rows = [usage(minute, subject) for subject in (CANARY, "somebody") for minute in (1, 2, 30, 50, 90)]
    stage.come([PackedBatch.of(batch) for batch in batches(stage.told.plan, rows)])
    stage.close(START + 4 * MINUTE)
    assert CANARY in kept(stage)
    request = Signal("erasure", "e", "law", START + asked * MINUTE, CANARY, {})
    stage.come([PackedBatch.of(batch_of("erasure", "subscriber", (), [request]))])
    stage.close(START + (asked + 1) * MINUTE)
    assert CANARY not in kept(stage)
    assert "somebody" in kept(stage)


def test_what_is_forgotten_leaves_the_log_within_a_day() -> None:
    stage = Stage(ERASURES)
    stage.come([PackedBatch.of(batch) for batch in batches(stage.told.plan, [usage(1, CANARY)])])
    for hour in (1, 23, 25, 49, 50):
        stage.close(START + hour * 60 * MINUTE)
    assert CANARY not in kept(stage)


def usage(minute: int, subject: str) -> Signal:
    return Signal("usage", f"{minute} {subject}", "net", START + minute * MINUTE, subject, {})


def kept(stage: Stage) -> str:
    """Return all that Beam keeps, as text."""
    log, state = (stage.cells.cell(name).read() for name in ("log", "state"))
    memories = [] if state is None else [one.memory() for one in Levels(state).residents]
    tables = [str(table.to_dicts()) for memory in memories for _, table in memory.tables()]
    subjects = [str(memory.subjects.to_dicts()) for memory in memories]
    return "\n".join([*(str(packed.open().to_pylist()) for packed in log), *tables, *subjects])
