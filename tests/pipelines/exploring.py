"""A small run that explores, and what its customers said, for tests of `segone estimate`."""

import json
from pathlib import Path

import polars as pl

from pipelines.run import run
from pipelines.settings import RunSettings

PLAYBOOK = """\
playbook: exploring
version: 1
tick: 1m
let: {low_mb: 500}
signals: [balance]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  moments: {running_out: {when: left_mb < low_mb}}
offers:
  topup: {for: subscriber.running_out, family: data, owner: consumer, value: 4, cost: 0.5, p_accept: 0.5, send: [app],
          valid_for: 6h, eligible: left_mb > 10}
  pass:  {for: subscriber.running_out, family: data, owner: consumer, value: 2, cost: 0.25, p_accept: 0.5, send: [app],
          valid_for: 6h}
  plan:  {for: subscriber.running_out, family: plans, owner: consumer, value: 9, p_accept: 0.01, send: [app],
          valid_for: 1d}
policy: {explore: {data: 50%}}
"""
SIZE = 60


def explored(directory: Path) -> None:
    """Write the playbook, `out`: its run over customers who run out of data, and outcomes: all accept a topup."""
    (directory / "a.yaml").write_text(PLAYBOOK)
    rows = []
    for number in range(SIZE):
        for hour, mb in ((8, 900.0), (9, 5.0 if number % 6 == 0 else 100.0)):
            time = f"2026-03-02T{hour:02d}:00:00Z"
            rows.append({"id": f"{number}-{hour}", "time": time, "subject": f"s{number:02d}", "remaining_mb": mb})
    (directory / "balance.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    signals = (("balance", str(directory / "balance.jsonl")),)
    run(RunSettings(playbook=str(directory / "a.yaml"), signals=signals, out=str(directory / "out"), shards=2))
    made = pl.read_parquet(directory / "out" / "decisions.parquet").filter(action="offer")
    shared = {"source": "app", "time": "2026-03-02T10:00:00Z"}
    said = [
        {"id": one["decision_id"], "subject": one["subject"], "decision_id": one["decision_id"], **shared}
        | {"result": "accepted" if one["offer"] == "topup" else "rejected"}
        for one in made.sort("decision_id").to_dicts()
    ]
    for name, part in (("first", said[::2]), ("second", said[1::2])):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
