"""The second pass: what becomes of the contacts that decisions made in the first."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipelines.check.played import Played, Row
from pipelines.check.world import Sent, World
from pipelines.stories.story import Signal
from schemas.durations import HOUR
from schemas.playbook import Playbook

_STATES = ("sent", "delivered", "failed", "failed")
_RESULTS = ("accepted", "rejected", "rejected", "declined", "failed", "ignored")


def reported(world: World, playbook: Playbook, played: Played, seed: str) -> World:
    """Return a world in which the decisions that were made in it are reported on, where the playbook reads that."""
    chance = random.Random(f"{seed}/reports")
    told = [each for row in played.reserved for each in _reports(playbook, chance, row)]
    made = [
        Signal(name, f"r{n}", "crm", time, "subscriber", row["recipient"], payload)
        for n, (name, row, time, payload) in enumerate(told)
        if time < world.until - playbook.tick
    ]
    return replace(world, sent=(*world.sent, *map(Sent, made)))


def _reports(playbook: Playbook, chance: random.Random, row: Row) -> Iterator[tuple[str, Row, int, dict[str, Any]]]:
    within = playbook.policy.contacts_reported_within or HOUR
    for name, share in (("contact", 0.5), ("outcome", 0.4)):
        while name in playbook.signals and chance.random() < share:
            said: dict[str, Any] = {"decision_id": row["decision_id"], "offer": row["offer"]}
            if name == "contact":
                said |= {"channel": row["channel"], "state": chance.choice(_STATES)}
            else:
                said["result"] = chance.choice(_RESULTS)
            late = chance.choice((chance.randint(0, 3 * playbook.tick), chance.randint(0, within), 2 * within))
            yield name, row, row["tick"] + late, said
