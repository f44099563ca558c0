"""How large the state of all three stages is where subscribers live in households: one shard of each measured.

python -m benchmarks.state_of_households
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from benchmarks.state import DENSITIES, HOUR, STEPS, SUBSCRIBERS, Density, level, signals
from benchmarks.yardstick import START_MS
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plans
from transforms.compiler.offer_plan import load_offers
from transforms.context.advance_levels import advance_levels
from transforms.decision.ledgers import Ledgers

PER_HOUSEHOLD = 2.5
MOST_BYTES = 2_000
HOUSEHOLD = """
household:
  features:
    bytes_1h:  {sum: bytes, from: usage, window: 1h}
    lines:     {distinct: subscriber, from: usage, window: 24h}
    biggest:   {max: bytes, from: usage, window: 24h}
  moments:
    busy: {when: bytes_1h > 100000000 AND lines > 1}
offers:
  more_data: {for: subscriber.surge, family: data, owner: consumer, value: 4, cost: 0.02, p_accept: 0.2, send: app,
              valid_for: 1h, cooldown: 3d}
  home: {for: household.busy, family: fixed, owner: consumer, value: 40, cost: 0.02, p_accept: 0.1, send: app,
         valid_for: 1d, cooldown: 30d}
"""


@dataclass(frozen=True)
class StagesCost:
    """What subscribers in households cost.

    Attributes:
        subscribers: Those of the shard that is measured.
        households: Theirs.
        stages: Bytes of state a subscriber, compressed, by stage.
    """

    subscribers: int
    households: int
    stages: dict[str, float]

    @property
    def bytes_each(self) -> float:
        """Bytes of state a subscriber over all stages."""
        return sum(self.stages.values())

    @property
    def gigabytes(self) -> float:
        """State of a million subscribers."""
        return self.bytes_each * SUBSCRIBERS / 1e9


def memberships(density: Density, households: int, seed: int = 7) -> pa.RecordBatch:
    """Return who joined which household, each at the start."""
    rng = np.random.default_rng(seed)
    names = [f"s{number:08d}" for number in range(density.shard)]
    homes = [f"h{number:07d}" for number in rng.integers(0, households, density.shard).tolist()]
    columns = {
        "id": names,
        "source": ["crm"] * density.shard,
        "time": [START_MS] * density.shard,
        "subject": names,
        "group_kind": ["household"] * density.shard,
        "group": homes,
        "state": ["joined"] * density.shard,
        "role": pa.array(rng.choice(["primary", "member"], density.shard)),
        "confidence": pa.nulls(density.shard, pa.float64()),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    return batch.replace_schema_metadata({b"signal": b"membership", b"subject_kind": b"subscriber"})


def cost(density: Density) -> StagesCost:
    """Build the states of one shard of each stage in a few steps."""
    households = int(density.shard / PER_HOUSEHOLD)
    playbook = parse_playbook(f"playbook: state\nsignals: [usage, membership]\n{level()}{HOUSEHOLD}")
    plans, offers = load_plans(playbook), load_offers(playbook)
    usage, joined = signals(density), [memberships(density, households)]
    step = density.hours * HOUR // STEPS
    subscribers = groups = None
    ledgers = Ledgers.load(None)
    for upto in range(START_MS + step, START_MS + density.hours * HOUR + 1, step):
        first, stop = np.searchsorted(usage["time"].to_numpy(), [upto - step, upto])
        mine = advance_levels([plans["subscriber"]], subscribers, [*joined, usage.slice(first, stop - first)], upto)
        told = [batch for one in mine.every for batch in one.forwarded]
        theirs = advance_levels([plans["household"]], groups, told, upto)
        every = [*mine.every, *theirs.every]
        made = [batch for one in every for batch in (one.outputs.triggers, *one.facts)]
        ledgers.decide(offers, [batch for batch in made if batch.num_rows], upto)
        subscribers, groups, joined = mine.dump(), theirs.dump(), []
    states = {"subscribers": subscribers, "households": groups, "decisions": ledgers.dump()}
    each = {name: len(state or b"") / density.shard for name, state in states.items()}
    return StagesCost(density.shard, households, each)


if __name__ == "__main__":
    found = cost(DENSITIES[0])
    print(json.dumps(asdict(found)), f"{found.bytes_each:.0f} bytes each")
