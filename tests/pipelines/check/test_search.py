"""The invariant kit: what is sound passes, and each of many faults is found."""

from functools import cache

import pytest

from pipelines.check.generate import Worlds
from pipelines.check.played import play
from pipelines.check.reports import reported
from pipelines.check.search import Trial, day_of
from pipelines.check.world import World
from tests.pipelines.check.everything import everything
from tests.pipelines.check.faults import FAULTS

SEEDS = tuple(f"faults/{number}" for number in range(3))


@cache
def world_of(seed: str) -> World:
    """Return a world with reports of its decisions, as they are without a fault."""
    world = Worlds(everything()).world(seed)
    return reported(world, everything(), play(everything(), world.events(), day_of(world)), seed)


def test_without_a_fault_nothing_is_found() -> None:
    assert [Trial(everything(), seed).broken(world_of(seed)) for seed in SEEDS] == [None] * len(SEEDS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(found(name, seed, monkeypatch) for seed in SEEDS)


def found(name: str, seed: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return which invariant a fault breaks in a world; none for nothing."""
    world = world_of(seed)
    with monkeypatch.context() as patch:
        FAULTS[name](patch)
        broken = Trial(everything(), seed).broken(world)
    return broken.name if broken else ""
