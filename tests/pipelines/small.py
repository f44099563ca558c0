"""A small run for tests: three subscribers, one moment, one segment, two offers."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipelines.report import Report
from pipelines.settings import RunSettings

PLAYBOOK = """\
playbook: small
version: 3
tick: 1m
let: {low_mb: 500}
signals: [balance, usage]
subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance}
    mb_1h:   {sum: mb, from: usage, window: 1h}
  segments:
    heavy: {describe: Uses much, enter: mb_1h > 1000, exit: mb_1h < 100, expect: 10%..60%}
  moments:
    running_out: {when: left_mb < low_mb}
offers:
  topup: {for: subscriber.running_out, family: data, owner: consumer, value: 4, p_accept: 0.2, send: [app, sms],
          valid_for: 6h, cooldown: 1d, params: {left_mb: left_mb}}
  plan:  {for: subscriber.heavy, family: data, owner: consumer, value: 9, send: [app], valid_for: 1d,
          eligible: left_mb > 100}
priors: {data: 0.1}
"""

MIDNIGHT = 1_772_409_600_000  # 2026-03-02, UTC

SIGNALS: dict[str, list[dict[str, Any]]] = {
    "balance": [
        {"id": "b1", "time": MIDNIGHT + 28_800_000, "subject": "ann", "remaining_mb": 900.0},
        {"id": "b2", "time": MIDNIGHT + 32_410_000, "subject": "ann", "remaining_mb": 400.0},
        {"id": "b3", "time": MIDNIGHT + 36_000_000, "subject": "ann", "remaining_mb": 800.0},
        {"id": "b4", "time": MIDNIGHT + 39_600_000, "subject": "ann", "remaining_mb": 300.0},
        {"id": "b4", "time": MIDNIGHT + 39_600_000, "subject": "ann", "remaining_mb": 300.0},
        {"id": "b5", "time": MIDNIGHT + 28_800_000, "subject": "ben", "remaining_mb": 50.0},
        {"id": "b6", "time": MIDNIGHT + 28_800_000, "subject": "eva", "remaining_mb": 9000.0},
        {"id": "b7", "time": "no time", "subject": "eva", "remaining_mb": 9000.0},
    ],
    "usage": [
        {"id": "u1", "time": MIDNIGHT + 30_600_000, "subject": "ben", "mb": 600.0},
        {"id": "u2", "time": MIDNIGHT + 31_200_000, "subject": "ben", "mb": 700.0},
        {"id": "u3", "time": MIDNIGHT + 31_200_000, "subject": "eva", "mb": 1700.0},
    ],
}


def write_small(directory: Path) -> dict[str, Any]:
    """Write the playbook and its signals.

    Returns:
        What `RunSettings` needs, and the command line after `run`.
    """
    (directory / "playbook.yaml").write_text(PLAYBOOK)
    for name, rows in SIGNALS.items():
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    signals = tuple((name, str(directory / f"{name}.jsonl")) for name in SIGNALS)
    return {"playbook": str(directory / "playbook.yaml"), "signals": signals, "out": str(directory / "out")}


def small_settings(directory: Path, **options: Any) -> RunSettings:
    """Write the files and return the settings of a run over them."""
    return RunSettings(**write_small(directory) | {"shards": 2} | options)


def small_arguments(directory: Path) -> list[str]:
    """Write the files and return the arguments of a run over them, without `--out`."""
    given = write_small(directory)
    return [given["playbook"], *(f"--signals={name}={path}" for name, path in given["signals"]), "--shards=2"]


def report_of(signals: dict[str, int]) -> Report:
    """Return the report of a run of which nothing is known but what became of its signals."""
    rest: dict[str, Any] = {field.name: {} for field in fields(Report)}
    return Report(**rest | {"signals": signals, "as_of": "", "end_tick": None})
