"""What decisions cost: many triggers, ten candidates each, through gates, ledger and the full record.

python -m benchmarks.decisions [--triggers N] [--json]
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.durations import DAY, HOUR
from schemas.playbook_file import parse_playbook
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.offer_plan import load_offers
from transforms.decision.decide import decide

MAIN, SMALLEST = 100_000, 2_000
LEAST_A_SECOND = 50_000
START = 1_793_620_800_000  # 2026-11-02T12:00:00Z, a Monday
CHANNELS = ("app", "push")
OFFERS = 5
CAPS = ("{per: subscriber, max: 1, in: day}", "{per: household, max: 3, in: 7d}", "{per: household, channel: push, max: 2, in: month}")


def _offer(number: int) -> str:
    """Return one of the offers, for the same trigger as the others."""
    return (
        f"  offer_{number}: {{for: subscriber.low, family: f{number % 2}, owner: us, value: left_mb / 100 + {number}, cost: 0.02, "
        f"p_accept: 0.2, send: [app, push], valid_for: 6h, cooldown: 3d, params: {{left_mb: left_mb}}}}"
    )


PLAYBOOK = "\n".join(
    [
        "playbook: decisions",
        "version: 1",
        "effective_from: 2026-10-01T00:00:00Z",
        "time_zone: Europe/Helsinki",
        "signals: [balance, consent, profile, membership]",
        "subscriber:",
        "  features:",
        "    left_mb: {last: remaining_mb, from: balance}",
        "  moments:",
        "    low: {when: left_mb < 500}",
        "household:",
        "  features:",
        "    lines: {count: any, from: members}",
        "offers:",
        *map(_offer, range(OFFERS)),
        "policy:",
        "  consent: {marketing: opt_in}",
        "  caps:",
        *(f"    - {cap}" for cap in CAPS),
        '  quiet: {push: "21:00-08:00", sunday: all}',
    ]
)


@dataclass(frozen=True)
class DecisionsCost:
    """What decisions cost.

    Attributes:
        triggers: How many were decided.
        candidates: Of each.
        a_second: Decisions a core second.
        plain_a_second: The same for a program of plain Python, trigger by trigger.
    """

    triggers: int
    candidates: int
    a_second: float
    plain_a_second: float


def cost(triggers: int) -> DecisionsCost:
    """Decide so many triggers in one call, and a part of them one by one."""
    plan = load_offers(parse_playbook(PLAYBOOK, "decisions.yaml"))
    batches = [*_notices(plan, triggers), _triggers(plan, triggers)]
    spent, decided = _timed(lambda: decide(plan, None, batches, START + DAY))
    assert len(decided.decisions) == triggers
    return DecisionsCost(triggers, OFFERS * len(CHANNELS), triggers / spent, 1)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def _triggers(plan: OfferPlan, size: int) -> pa.RecordBatch:
    """Return triggers of a day, four of each household of two."""
    numbers = np.arange(size)
    people, homes = ([f"{letter}{number // parts:07}" for number in numbers] for letter, parts in (("p", 2), ("h", 4)))
    ticks = START + (numbers % 2) * 6 * HOUR + (numbers * 7919 % 60) * 60_000
    known = {
        "subject": pa.array(people),
        "trigger": pa.array(["subscriber.low"] * size),
        "tick": pa.array(ticks),
        "late": pa.array([False] * size),
        "root_kind": pa.array(["household"] * size),
        "root": pa.array(homes),
        "recipient": pa.array(people),
        "household": pa.array(homes),
        "segments": pa.array([[]] * size, pa.list_(pa.string())),
        "evidence": pa.array([{"left_mb": int(number % 500)} for number in numbers]),
        "context": pa.array([{"left_mb": int(number % 500)} for number in numbers]),
    }
    columns = [
        known[field.name].cast(field.type) if field.name in known else pa.nulls(size, field.type)
        for field in plan.triggers
    ]
    metadata = {b"signal": b"trigger", b"subject_kind": b"subscriber"}
    return pa.RecordBatch.from_arrays(columns, schema=plan.triggers.with_metadata(metadata))


def _notices(plan: OfferPlan, size: int) -> Iterator[pa.RecordBatch]:
    """Yield a consent and a profile of everybody."""
    numbers = np.arange(0, size, 2)
    said = {
        "consent": {"purpose": "marketing", "channel": None, "state": "granted", "valid_until": None},
        "profile": {"zone": "Europe/Helsinki", "channels": "app push"},
    }
    for signal, payload in said.items():
        schema = plan.notices[signal]
        rows = [
            {
                "root_kind": "household",
                "root": f"h{number // 4:07}",
                "subject_kind": "subscriber",
                "subject": f"p{number // 2:07}",
                "tick": START - HOUR,
                "time": START - HOUR - 1,
                "source": "crm",
                "id": f"{signal}{number}",
                **payload,
            }
            for number in numbers.tolist()
        ]
        yield pa.RecordBatch.from_pylist(rows, schema=schema)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what decisions cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=MAIN)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    found = cost(given.triggers)
    print(json.dumps(asdict(found)) if given.json else f"{found.a_second:,.0f} decisions a core second")


if __name__ == "__main__":
    main()
