"""The stage of decisions in a stream: whatever becomes of its worker, blob, log and cell say where it goes on."""

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest

from benchmarks.shard_of_a_stage import Cells
from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from tests.cases import TIMES
from tests.transforms.decision.kernel import calls, told_by
from tests.transforms.decision.reference_erasure import Erasure
from tests.transforms.decision.reference_policy import HOUR, Fact, Offer, Policy, Trigger
from tests.transforms.decision.small_policies import batches_of, facts_of
from tests.transforms.decision.strategies import FEATURES, Case, case_of
from tests.transforms.decision.strategies_world import STARTS, TICKS
from transforms.decision import ledgers
from transforms.decision.ledgers import Ledgers
from transforms.shell import decision_stage, shard_log
from transforms.shell.cuts import Alarm
from transforms.shell.decision_stage import DecisionStage, Made
from transforms.shell.packed_batch import PackedBatch
from transforms.shell.resident_shard import ResidentShard
from transforms.shell.timers import TickTimer
from transforms.shell.versions import OfferPlans

GOES_WELL, LOST, RESTORED, RETRIED, CUT = "goes well", "lost", "restored", "retried", "cut"
CASES, GROUPS_OF = round(60 * TIMES), 6
CELLS = ("log", "state", "cell")
BOOK = parse_playbook("""
playbook: p
tick: 1h
signals: [usage]
subscriber: {features: {n: {count: any, from: usage, window: 1h}}}
""")


class Stage(DecisionStage):
    """The stage of one shard, with what it told in the words of the reference."""

    def __init__(self, case: Case) -> None:
        super().__init__(Versions((BOOK,)), TickTimer("decide_offers", bounded=False), "live", None)
        self.setup()
        ((plan, *_), *_) = calls(case)
        self._offers, self._case = OfferPlans(self._versions, (plan,)), case
        self.told, self.cells = list[dict[str, Any]](), Cells()

    def _elements(self, made: Sequence[Made]) -> Iterator[Any]:
        for plan, decided, _ in made:
            self.told += told_by(self._case.policy, plan, decided)
        yield from ()

    def come(self, packs: Sequence[PackedBatch]) -> None:
        """Take packed batches."""
        given = {name: self.cells.cell(name) for name in (*CELLS, "wake", "cut", "timer")}
        for packed in packs:
            self.process((0, packed), **given)

    def close(self, upto: int) -> None:
        """Decide what is due at a tick."""
        self.decide_at(upto, self._shard, self._alarm)

    def cut(self, upto: int) -> None:
        """Give what is known."""
        self._cut(upto, self._shard, self._alarm)

    @property
    def _shard(self) -> ResidentShard[Ledgers]:
        log, state, cell = map(self.cells.cell, CELLS)
        return ResidentShard(decision_stage._RESIDENTS, self._owner, 0, log, state, cell)

    @property
    def _alarm(self) -> Alarm:
        wake, cut, timer = map(self.cells.cell, ("wake", "cut", "timer"))
        return Alarm(self._timer, wake, cut, timer)

    def restart(self) -> None:
        """Lose what the worker held."""
        decision_stage._RESIDENTS.take(self._owner, 0, shard_log.Cell(token=b"of another"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blobs of little, and pick out whom a call concerns."""
    monkeypatch.setattr(shard_log, "LEAST_LOG", 20_000)
    monkeypatch.setattr(ledgers, "MOST", 100)


@pytest.mark.cases
@pytest.mark.parametrize("group", range(GROUPS_OF))
def test_it_tells_what_the_reference_tells(group: int) -> None:
    for seed in range(group, CASES, GROUPS_OF):
        chance = random.Random(seed)
        case = case_of(chance, (FEATURES if seed // GROUPS_OF % 2 else frozenset()) - {"versions"})
        start = case.upto - (TICKS + 48) * HOUR
        cuts = [start + chance.randint(0, TICKS + 48) * HOUR for _ in range(12)]
        assert live(case, cuts, chance) == case.decide(), f"case {seed}"


@pytest.mark.parametrize("lost", [False, True])
def test_a_late_fact_acts_as_it_did_where_a_worker_is_lost(lost: bool) -> None:
    start, home, segment = STARTS[0], ("household", "h"), "household.w"
    trigger = Trigger("anna", tick=start + 9 * HOUR, in_root=home, household="h")
    policy = Policy((Offer("a", only=segment),), segments=frozenset({segment}))
    stage = Stage(Case(policy, [trigger], [], [], start + 10 * HOUR))
    for came, closed in ([(2, True), (5, False)], 6), ([(4, True)], 7):
        facts = (facts_of([Fact(home, segment, "h", member, start + hour * HOUR)]) for hour, member in came)
        stage.come([PackedBatch.of(batch, "tick") for batch in facts])
        stage.close(start + closed * HOUR)
    if lost:
        stage.restart()
    stage.come([PackedBatch.of(batch, "tick") for batch in batches_of([trigger])])
    stage.close(start + 9 * HOUR)
    assert [one["action"] for one in stage.told] == ["offer"]


def test_nothing_of_who_was_erased_is_left_in_the_log() -> None:
    start = STARTS[0]
    triggers = [Trigger(name, tick=start + HOUR) for name in ("canary-7f31", "somebody")]
    erased = (Erasure(start + 5 * HOUR, ("subscriber", "canary-7f31")),)
    case = Case(Policy((Offer("a", cooldown=HOUR),)), triggers, [], [], start + 6 * HOUR, erasures=erased)
    stage, kept = Stage(case), []
    for _, batches, upto in calls(case, [start + 2 * HOUR, start + 4 * HOUR]):
        stage.come([PackedBatch.of(batch, "tick") for batch in batches if batch.num_rows])
        stage.close(upto)
        kept.append({name: name in str(_opened(stage)) for name in ("canary-7f31", "somebody")})
    assert kept[1:] == [dict.fromkeys(kept[0], True), {"canary-7f31": False, "somebody": True}]


def _opened(stage: Stage) -> list[Any]:
    """Return all that Beam keeps of log and blob."""
    log, state = (stage.cells.cell(name).read() for name in ("log", "state"))
    tables = Ledgers.load(state).memory().tables()
    return [*(packed.open().to_pylist() for packed in log), *(table.to_pylist() for table in tables.values())]


def live(case: Case, cuts: Sequence[int], chance: random.Random) -> list[dict[str, Any]]:
    """Return what a stage tells whose worker has one fate or another at each of its ticks."""
    stage = Stage(case)
    for _, batches, upto in calls(case, cuts):
        fate = chance.choice((GOES_WELL, LOST, RESTORED, RETRIED, CUT))
        packs = [PackedBatch.of(batch, "tick") for batch in batches if batch.num_rows]
        before = deepcopy(stage.cells.values), [*stage.told]
        if fate == RESTORED:  # the worker was ahead of what the runner goes back to
            stage.come(packs)
            stage.close(upto)
            stage.cells.values, stage.told = before
        if fate == RETRIED:  # a bundle of some packs failed
            stage.come(packs[:1])
            stage.cells.values, stage.told = before
            packs = packs[::-1]
        stage.come(packs)
        if fate == LOST:
            stage.restart()
        stage.close(upto)
        if fate == CUT:
            stage.cut(upto)
    return stage.told
