"""The recipe of docs/operations.md, “A wrong map poisoned three days”, as it is written there."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.durations import DAY, HOUR
from tests.pipelines.small import MIDNIGHT, PLAYBOOK

RIGHT = "usage: {map: {id: call, time: at, subject: line, mb: kb / 1000}}\n"
WRONG = RIGHT.replace("kb / 1000", "kb")
OUTPUTS = {"decisions": "tick", "offers": "time", "transitions": "tick", "contexts": "tick"}


def _write(folder: Path) -> None:
    """Write a playbook, a map that is right and one that is wrong, and six days of signals, a file each."""
    (folder / "small.yaml").write_text(PLAYBOOK.replace("signals: [balance, usage]", "signals: [usage, balance]"))
    (folder / "right.yaml").write_text(RIGHT)
    (folder / "wrong.yaml").write_text(WRONG)
    (folder / "usage").mkdir()
    (folder / "balance").mkdir()
    for day in range(6):
        rows = [_call(day, n) for n in range(40)]
        (folder / "usage" / f"{day}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        left = [_balance(day, n) for n in range(5)]
        (folder / "balance" / f"{day}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in left))


def _call(day: int, n: int) -> dict[str, Any]:
    at = MIDNIGHT + day * DAY + n * 35 * 60_000
    return {"call": f"{day}-{n}", "at": at, "line": f"s{n % 4}", "kb": (n * 7919 + day * 31) % 1_800 * 1_000.0}


def _balance(day: int, n: int) -> dict[str, Any]:
    at, left = MIDNIGHT + day * DAY + n * 5 * HOUR, float((day * 5 + n) ** 2 * 317 % 900)
    return {"id": f"b{day}-{n}", "time": at, "subject": f"s{(day * 5 + n) % 3}", "remaining_mb": left}


def _run(folder: Path, name: str, sources: str, days: str, **options: Any) -> Path:
    """Run over the signals of some days, as `[2-5]`; return where the outputs are."""
    signals = tuple((feed, str(folder / feed / f"{days}.jsonl")) for feed in ("usage", "balance"))
    given = {"playbook": str(folder / "small.yaml"), "sources": str(folder / sources), "shards": 2}
    run(RunSettings(**given, signals=signals, out=str(folder / name), as_of=MIDNIGHT + 9 * DAY, **options))
    return folder / name


def _after(out: Path, output: str, tick: int) -> pl.DataFrame:
    """Return the rows of an output that are later than a tick, but for those that tell of a run's end."""
    rows = pl.read_parquet(out / f"{output}.parquet")
    rows = rows.filter(pl.col("cause") != "end") if output == "contexts" else rows
    return rows.filter(pl.col(OUTPUTS[output]).dt.epoch("ms") > tick)


def test_three_days_are_done_again_as_if_they_had_never_been_wrong(tmp_path: Path) -> None:
    _write(tmp_path)
    before, after, state = MIDNIGHT + 2 * DAY, MIDNIGHT + 5 * DAY, str(tmp_path / "state")
    _run(tmp_path, "good", "right.yaml", "[01]", until=before, state_out=state)
    shutil.copytree(state, tmp_path / "kept")
    wrong = _run(tmp_path, "wrong", "wrong.yaml", "[2-4]", state_in=state, state_out=state, until=after)
    again = _run(tmp_path, "again", "right.yaml", "[2-5]", state_in=str(tmp_path / "kept"))
    never = _run(tmp_path, "never", "right.yaml", "*")
    assert _after(again, "decisions", before).height > 10
    assert not _after(wrong, "transitions", before).equals(_after(never, "transitions", before))
    for output in OUTPUTS:
        assert _after(again, output, before).equals(_after(never, output, before)), output


def test_done_again_without_offers_for_days_that_are_over(tmp_path: Path) -> None:
    _write(tmp_path)
    before, after = MIDNIGHT + 2 * DAY, MIDNIGHT + 5 * DAY
    _run(tmp_path, "good", "right.yaml", "[01]", until=before, state_out=str(tmp_path / "kept"))
    again = _run(tmp_path, "again", "right.yaml", "[2-5]", state_in=str(tmp_path / "kept"), decide_from=after)
    assert pl.read_parquet(again / "decisions.parquet")["trigger_tick"].dt.epoch("ms").min() >= after
    assert _after(again, "transitions", before).height > _after(again, "transitions", after).height > 0
