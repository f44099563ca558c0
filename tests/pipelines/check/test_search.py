"""The invariant kit: what is sound passes, and each of many faults is found."""

from dataclasses import replace
from functools import cache

import pytest

from pipelines.check.generate import Worlds
from pipelines.check.played import play
from pipelines.check.reports import reported
from pipelines.check.sameness import NAME
from pipelines.check.search import Broken, Trial, day_of, search
from pipelines.check.world import World
from schemas.playbook_file import parse_playbook
from tests.pipelines.check.everything import TEXT, everything, that_explores, with_goals
from tests.pipelines.check.faults import EXPLORATION, FAULTS, no_goals
from transforms.decision import decide
from transforms.decision.ledger_state import LedgerState

SEEDS = ("faults/6", "faults/4", "faults/1")


@cache
def world_of(seed: str) -> World:
    """Return a world with reports of its decisions, as they are without a fault."""
    world = Worlds(everything()).world(seed)
    return reported(world, everything(), play(everything(), world.events(), day_of(world)), seed)


def test_without_a_fault_nothing_is_found() -> None:
    assert Trial(everything(), SEEDS[0]).broken(world_of(SEEDS[0])) is None


def test_own_channels_first_is_sound() -> None:
    text = TEXT.replace("policy:\n", "policy:\n  inbound_first: {marketing: 4h, care: 1h}\n")
    seen = search(parse_playbook(text, "everything.yaml"), cases=1, seed=5)
    assert seen.broken is None


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(breaks(name, seed, monkeypatch) for seed in SEEDS)


def test_ignored_goals_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, world = Trial(with_goals(), SEEDS[0]), Worlds(with_goals()).world(SEEDS[0])
    assert trial.broken(world) is None
    no_goals(monkeypatch)
    assert trial.broken(world) is not None


def test_exploration_as_the_policy_says_is_sound() -> None:
    assert explored() is None


@pytest.mark.parametrize("name", EXPLORATION)
def test_wrong_exploration_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    EXPLORATION[name](monkeypatch)
    broken = explored()
    assert broken is not None
    assert broken.name == "exploration"


def test_what_is_forgotten_between_calls_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "LedgerState", lambda *given: replace(LedgerState(*given), deferred=None))
    broken = Trial(everything(), SEEDS[0]).broken(world_of(SEEDS[0]), only=NAME)
    assert broken is not None
    assert broken.name == NAME


def breaks(name: str, seed: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether an invariant breaks in a world that is played with a fault."""
    world = world_of(seed)
    with monkeypatch.context() as patch:
        FAULTS[name](patch)
        played = play(everything(), world.events(), day_of(world))
        return Trial(everything(), seed).broken_at_once(world, played) is not None


def explored() -> Broken | None:
    """Return what breaks in a world of the playbook that explores."""
    book = that_explores()
    world = Worlds(book).world(SEEDS[0])
    return Trial(book, SEEDS[0]).broken_at_once(world, play(book, world.events(), day_of(world)))
