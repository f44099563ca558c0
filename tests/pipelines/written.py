"""Outputs of runs, written as rows for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.records import TRANSITION
from transforms.decision.records import CANDIDATE

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSTANT = pa.timestamp("ms", tz="UTC")
TEXTS = (
    "decision_id",
    "subject_kind",
    "subject",
    "root_kind",
    "root",
    "trigger",
    "action",
    "offer",
    "channel",
    "reason",
)
DECISION = pa.schema(
    [
        *((name, pa.string()) for name in (*TEXTS, "holdout")),
        *((name, INSTANT) for name in ("tick", "trigger_tick")),
        *((name, pa.int64()) for name in ("n", "value_micros")),
        ("candidates", pa.list_(CANDIDATE)),
    ]
)


def candidate(offer: str, *stopped: tuple[str, str, str], channel: str = "app") -> dict[str, Any]:
    """Return a candidate that passed eligibility, and what else stopped it: gate, result, reason."""
    gates = [("eligibility", "passed", None), *stopped]
    told = [{"gate": gate, "result": result, "reason": reason, "until": None} for gate, result, reason in gates]
    rest = {"priority": 1, "value_micros": 1, "p_accept": 0.1, "p_accept_assumed": False}
    return {"offer": offer, "channel": channel, **rest, "gates": told}


def decision(subject: str, action: str, hours: int = 0, n: int = 0, **others: Any) -> dict[str, Any]:
    """Return a decision on a trigger at noon, looked at so many hours later."""
    sent = {"offer": "topup", "channel": "app", "value_micros": 2_000_000} if action in ("offer", "holdout") else {}
    row: dict[str, Any] = dict.fromkeys(DECISION.names) | {"candidates": []} | sent
    row |= {"decision_id": f"{subject}{n}", "subject_kind": "subscriber", "subject": subject, "n": n}
    row |= {"root_kind": "subscriber", "root": subject, "trigger": "subscriber.low", "action": action}
    return row | {"tick": NOON + timedelta(hours=hours), "trigger_tick": NOON} | others


def event(subject: str, name: str, what: str) -> dict[str, Any]:
    row = {"subject_kind": "subscriber", "subject": subject, "tick": NOON, "kind": "segment", "name": name}
    return row | {"event": what, "reason": None, "late": False, "evidence": None}


def write(out: Path, decisions: list[dict[str, Any]], transitions: list[dict[str, Any]]) -> str:
    out.mkdir()
    pq.write_table(pa.Table.from_pylist(decisions, DECISION), out / "decisions.parquet")
    pq.write_table(pa.Table.from_pylist(transitions, TRANSITION), out / "transitions.parquet")
    (out / "run.json").write_text("{}")
    return str(out)
