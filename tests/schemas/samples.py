"""A small case under the playbook of the consumer: an offer, what takes it back, and decisions that send nothing."""

from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.playbook_file import load_playbook
from schemas.versions import Versions
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.decide import decide
from transforms.shell.versions import load_all_offers
from transforms.sinks.hourly_limit import Holding
from transforms.sinks.operations import offers_held

PLAYBOOK = Path(__file__).parents[2] / "examples" / "consumer" / "playbook.yaml"
NINE = 1_772_442_000_000  # 2026-03-02T09:00:00Z
MINUTE = 60_000
HOUR = 60 * MINUTE


@cache
def plan() -> OfferPlan:
    """Return the policy of the playbook, live."""
    return load_all_offers(Versions.of([load_playbook(PLAYBOOK)]), "live").plans[0]


@cache
def decisions() -> pa.Table:
    """Return what is decided of anna, whose offer is paused later, and of ben, who does not consent."""
    triggers = [_trigger("anna", NINE), _trigger("ben", NINE), _trigger("anna", NINE + HOUR)]
    pause = {"action": "pause", "scope": "offer", "target": "topup_5gb"}
    told = [
        pa.RecordBatch.from_pylist(triggers, plan().triggers.with_metadata(_SIGNAL)),
        consent(),
        _notice("control", ("*", "*"), NINE + 2 * HOUR, pause),
    ]
    return decide(plan(), None, told, NINE + 3 * HOUR).decisions


def consent() -> pa.RecordBatch:
    """Return the notice that anna consents."""
    return _notice("consent", ("subscriber", "anna"), NINE - HOUR, {"purpose": "marketing", "state": "granted"})


def operations() -> pa.RecordBatch:
    """Return what is told of an hour in which three offers are too many."""
    return offers_held([Holding(f"/segment-of-one/{plan().playbook}", NINE + MINUTE, 3)], 100)


_SIGNAL = {b"signal": b"trigger", b"subject_kind": b"subscriber"}


def _trigger(subject: str, tick: int) -> dict[str, Any]:
    read = {"left_mb": 809.83}
    row = {"subject": subject, "trigger": "subscriber.running_out", "tick": tick, "late": False, "evidence": read}
    row |= {"root_kind": "subscriber", "root": subject, "recipient": subject}
    return row | {"segments": [], "context": read}


def _notice(signal: str, root: tuple[str, str], tick: int, payload: dict[str, str]) -> pa.RecordBatch:
    row = {"root_kind": root[0], "root": root[1], "subject_kind": root[0], "subject": root[1], "tick": tick}
    row |= {"time": tick - MINUTE, "source": "crm", "id": f"{signal}-1"}
    return pa.RecordBatch.from_pylist([row | payload], schema=plan().notices[signal])
