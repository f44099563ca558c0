"""What decisions cost: many triggers, ten candidates each, through gates, ledger and the full record.

python -m benchmarks.decisions [--triggers N] [--json]
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import measure
from pipelines.thrift import IN_THE_ENVIRONMENT, keep_little_memory
from schemas.durations import DAY, HOUR
from schemas.playbook_file import parse_playbook
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.offer_plan import load_offers
from transforms.decision.decide import decide

MAIN, SMALLEST = 100_000, 2_000
PLAIN = 2_000
"""So many triggers the plain program decides."""
LEAST_A_SECOND = 50_000
_AS_WORKERS = {**measure.ONE_THREAD, **IN_THE_ENVIRONMENT}
START = 1_793_620_800_000  # 2026-11-02T12:00:00Z, a Monday
CHANNELS = ("app", "push")
OFFERS = 5
CAPS = (
    "{per: subscriber, max: 1, in: day}",
    "{per: household, max: 3, in: 7d}",
    "{per: household, channel: push, max: 2, in: month}",
)


def _offer(number: int) -> str:
    """Return one of the offers, for the same trigger as the others."""
    return (
        f"  offer_{number}: {{for: subscriber.low, family: f{number % 2}, owner: us, value: left_mb / 100 + {number}, "
        "cost: 0.02, p_accept: 0.2, send: [app, push], valid_for: 6h, cooldown: 3d, params: {left_mb: left_mb}}"
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


Columns = Mapping[str, list[Any]]
"""Rows by column."""


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
    few = [{name: batch.column(name)[:PLAIN].to_pylist() for name in batch.schema.names} for batch in batches]
    plainly, answers = _timed(lambda: _plain(*few))
    theirs = decided.decisions.filter(pc.is_in(decided.decisions["subject"], pa.array(sorted(set(few[-1]["subject"])))))
    assert sum(one["action"] == "offer" for one in answers) == pc.sum(pc.equal(theirs["action"], "offer")).as_py()
    return DecisionsCost(triggers, OFFERS * len(CHANNELS), triggers / spent, len(answers) / plainly)


def apart(triggers: int) -> DecisionsCost:
    """Measure it in a process of its own, with one thread and its memory as workers have theirs."""
    arguments = ("--json", "--here", "--triggers", str(triggers))
    return DecisionsCost(**measure.apart("benchmarks.decisions", *arguments, environment=_AS_WORKERS))


def _plain(consents: Columns, profiles: Columns, triggers: Columns) -> list[dict[str, Any]]:
    """Decide as one would write it first: a trigger after the other, a candidate after the other, a dict a record."""
    consented = dict(zip(consents["subject"], consents["state"], strict=True))
    zones = dict(zip(profiles["subject"], profiles["zone"], strict=True))
    sent: dict[str, list[tuple[datetime, str, str]]] = {}
    answers = []
    for tick, who, home, context in sorted(
        zip(*(triggers[name] for name in ("tick", "subject", "root", "context")), strict=True), key=lambda row: row[:3]
    ):
        now = datetime.fromtimestamp(tick / 1000, ZoneInfo(zones[who]))
        every = sorted(
            ((context["left_mb"] / 100 + n) * 0.2 - 0.02, f"offer_{n}", channel)
            for n in range(OFFERS)
            for channel in CHANNELS
        )
        candidates = []
        for value, offer, channel in reversed(every):
            mine, theirs = sent.get(who, []), sent.get(home, [])
            gates = {
                "consent": consented.get(who) == "granted",
                "eligibility": value >= 0,
                "cooldown": not any(o == offer and now - at < timedelta(days=3) for at, o, _ in mine),
                "day": not any(at.date() == now.date() for at, _, _ in mine),
                "week": sum(now - at < timedelta(days=7) for at, _, _ in theirs) < 3,
                "month": channel != "push" or sum(c == "push" and at.month == now.month for at, _, c in theirs) < 2,
                "quiet": now.isoweekday() < 7 and (channel != "push" or 8 <= now.hour < 21),
            }
            candidates.append({"offer": offer, "channel": channel, "value": value, "gates": gates})
        best = next((one for one in candidates if all(one["gates"].values())), None)
        if best:
            for whose in (who, home):
                sent.setdefault(whose, []).append((now, best["offer"], best["channel"]))
        action = "offer" if best else "no_offer"
        answers.append({"subject": who, "tick": now, "action": action, "best": best, "candidates": candidates})
    return answers


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
    said: dict[str, dict[str, Any]] = {
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


def _words(found: DecisionsCost) -> str:
    times = found.a_second / found.plain_a_second
    return f"{found.a_second:,.0f} decisions a core second, {times:.0f} times as many as in plain Python"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what decisions cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=MAIN)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--here", action="store_true", help="in this process, as its environment is")
    given = parser.parse_args(arguments)
    if given.here:
        keep_little_memory()
        found = cost(given.triggers)
    else:  # libraries read the environment when they are imported
        found = apart(given.triggers)
    print(json.dumps(asdict(found)) if given.json else _words(found))


if __name__ == "__main__":
    main()
