"""A small run with quiet hours, a cap, a pause and a holdout, for tests of what `explain` tells of them."""

import json
from pathlib import Path
from typing import Any

from pipelines.settings import RunSettings

PLAYBOOK = """\
playbook: quiet
version: 2
tick: 1m
let: {low_mb: 500}
signals: [balance, usage, control, profile, membership]
subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance}
    mb_1h:   {sum: mb, from: usage, window: 1h}
  derived:
    hours_left: {expr: left_mb / mb_1h}
  segments:
    heavy: {enter: mb_1h > 1000, exit: mb_1h < 100}
  moments:
    running_out: {when: left_mb < low_mb}
    empty_soon:  {when: left_mb < low_mb AND hours_left < 6}
household:
  features: {mb_1d: {sum: mb, from: usage, window: 1d}}
  moments: {busy: {when: mb_1d > 5000}}
offers:
  topup:   {for: subscriber.running_out, family: data, owner: consumer, value: 4, p_accept: 0.2, send: [sms],
            valid_for: 12h, wait: 12h}
  booster: {for: [subscriber.empty_soon, household.busy], family: data, owner: consumer, value: 9, p_accept: 0.2,
            send: [app], valid_for: 1d}
  plan:    {for: subscriber.heavy, family: plans, owner: consumer, value: 9, p_accept: 0.1, send: [app], valid_for: 1d,
            eligible: left_mb > 100}
policy:
  quiet: {sms: 20:00-08:00}
  caps: [{per: subscriber, max: 1, in: 3d}]
holdouts: {nobody: {share: 100%, family: plans}}
"""

DAY = "2026-03-0{}T{}:00Z"


def _balance(subject: str, day: int, clock: str, mb: float) -> dict[str, Any]:
    time = DAY.format(day, clock)
    return {"id": f"{subject}{time}", "time": time, "subject": subject, "remaining_mb": mb}


SIGNALS: dict[str, list[dict[str, Any]]] = {
    "balance": [
        _balance("ann", 2, "20:00", 900.0),
        _balance("ann", 2, "21:00", 400.0),  # quiet: waits until 08:00, then goes out, and is withdrawn at 09:00
        _balance("ann", 3, "10:00", 800.0),
        _balance("ann", 4, "12:00", 300.0),  # the cap
        _balance("eva", 2, "12:00", 5000.0),
    ],
    "usage": [{"id": "u", "time": DAY.format(2, "12:30"), "subject": "eva", "mb": 1700.0}],  # held out
    "control": [
        {
            "id": f"c{clock}",
            "time": DAY.format(3, clock),
            "subject": "*",
            "action": action,
            "scope": "offer",
            "target": "topup",
        }
        for clock, action in (("09:00", "pause"), ("11:00", "resume"))
    ],
    "profile": [{"id": "p", "time": DAY.format(2, "01:00"), "subject": "ann", "tariff": "big"}],
}


def quiet_settings(directory: Path) -> RunSettings:
    """Write the files and return the settings of a run over them."""
    (directory / "playbook.yaml").write_text(PLAYBOOK)
    for name, rows in SIGNALS.items():
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    signals = tuple((name, str(directory / f"{name}.jsonl")) for name in SIGNALS)
    playbook, out = str(directory / "playbook.yaml"), str(directory / "out")
    return RunSettings(playbook=playbook, signals=signals, out=out, shards=2)
