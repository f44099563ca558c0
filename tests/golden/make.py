"""Make the cut of this release that later ones are to go on from: `python -m tests.golden.make`.

It is run once a layout, before a release, and what it writes is committed and never made again: a test starts from each
cut that is here, and compares what comes of it with what came of it then.
"""

import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.durations import parse_instant

HERE = Path(__file__).parent
KEY = "the key of golden cuts, no secret"
CUT, END = parse_instant("2026-01-05T12:00:00Z"), parse_instant("2026-01-05T20:00:00Z")
OUTPUTS = ("decisions", "transitions", "receipts")

PLAYBOOK = """\
playbook: golden
version: 1
tick: 5m
signals: [usage, ticket, membership, profile, web, erasure]
feed_timeout: {usage: 3h}
policy:
  quiet: {all: "15:00-17:00"}
  caps: [{per: household, max: 3, in: day}]
subscriber:
  features:
    n: {count: any, from: usage, window: 4h}
    n_long: {sum: mb, from: usage, window: 30d}
    kinds: {distinct: kind, from: usage, window: 1d}
    pages: {count: any, from: web, window: 30m}
  derived:
    interest: {expr: pages, half_life: 3h, refresh: 30m}
  segments:
    busy: {describe: Much to do, enter: n >= 2, exit: n < 1}
    keen: {enter: interest > 0.5, exit: interest < 0.25}
  moments:
    silent: {after: {ticket: state = 'closed'}, without: {usage: any}, within: 3h}
household:
  features: {n: {count: any, from: usage, window: 6h}}
  segments: {loud: {enter: n >= 3}}
offers:
  call: {for: [subscriber.silent, subscriber.busy], family: care, owner: care, value: 1, p_accept: 0.5, send: [app],
         valid_for: 1d, cooldown: 2h}
  more: {for: subscriber.keen, family: data, owner: us, value: 3, p_accept: 0.5, send: [app, sms], valid_for: 6h}
  relax: {for: household.loud, family: home, owner: care, value: 5, p_accept: 0.5, send: [app], valid_for: 1d}
"""

USAGE = {
    "ann": ("08:03", "09:10", "11:40", "12:20", "15:30", "18:00"),
    "ben": ("09:05", "11:50", "12:40", "13:10", "16:00"),
    "eva": ("07:30", "10:20", "15:10", "17:05"),
    "tom": ("11:58", "12:03", "19:00"),
}
OTHERS: dict[str, list[dict[str, Any]]] = {
    "membership": [
        {"subject": who, "at": "07:00", "group_kind": "household", "group": "h", "state": "joined", "role": role}
        for who, role in (("ann", "primary"), ("ben", "secondary"))
    ],
    "profile": [
        {"subject": "ann", "at": "07:01", "zone": "Europe/Helsinki", "channels": "app"},
        {"subject": "eva", "at": "12:30", "zone": "UTC", "channels": "sms"},
    ],
    "ticket": [
        {"subject": who, "at": at, "ticket_id": f"t{n}", "state": "closed"}
        for n, (who, at) in enumerate((("ben", "11:55"), ("eva", "10:25"), ("tom", "12:10")))
    ],
    "web": [
        {"subject": who, "at": at, "page": "fibre"}
        for who, at in (("ann", "11:30"), ("eva", "11:45"), ("tom", "13:30"))
    ],
    "erasure": [{"subject": "ben", "at": "11:20"}, {"subject": "eva", "at": "16:30"}],
}


def signals() -> dict[str, list[dict[str, Any]]]:
    """Return the signals of a day, by type."""
    used = [
        {"subject": who, "at": at, "mb": 10.0 * n, "kind": "data"}
        for who, times in USAGE.items()
        for n, at in enumerate(times)
    ]
    found: dict[str, list[dict[str, Any]]] = {}
    for name, rows in {"usage": used, **OTHERS}.items():
        found[name] = []
        for n, row in enumerate(rows):
            given = {key: value for key, value in row.items() if key != "at"}
            given |= {"time": parse_instant(f"2026-01-05T{row['at']}:10Z"), "id": f"{name}{n}"}
            found[name].append(given)
    return found


def write_signals(directory: Path, after: int, until: int) -> tuple[tuple[str, str], ...]:
    """Write the signals between two times, a file a type; return what `--signals` takes."""
    directory.mkdir(parents=True, exist_ok=True)
    given = []
    for name, rows in signals().items():
        mine = [row for row in rows if after <= row["time"] < until]
        (directory / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in mine))
        given.append((name, str(directory / f"{name}.jsonl")))
    return tuple(given)


def go_on(golden: Path, work: Path, **options: Any) -> dict[str, list[str]]:
    """Run from a golden cut over the signals after it; return what is in the outputs, a line a row.

    Args:
        golden: What `main` wrote.
        work: A folder for what is made.
        options: Of the run.
    """
    state = shutil.copytree(golden / "state", work / "state")
    given = tuple((file.stem, str(file)) for file in sorted((golden / "signals").iterdir()))
    base: dict[str, Any] = {"playbook": str(golden / "playbook.yaml"), "signals": given, "until": END}
    cuts = {"state_in": str(state), "state_out": str(work / "next")}
    run(RunSettings(**base, **cuts, **options, out=str(work / "out")))
    return rows_of(work / "out")


def rows_of(out: Path, after: int = CUT) -> dict[str, list[str]]:
    """Return the rows of the outputs of a run after a tick, as lines of JSON, sorted."""
    found = {}
    for name in OUTPUTS:
        rows = pl.read_parquet(out / f"{name}.parquet").filter(pl.col("tick").dt.epoch("ms") > after)
        found[name] = sorted(rows.write_ndjson().splitlines())
    return found


def main() -> None:
    """Write the cut of this release, the signals after it, and what comes of them."""
    os.environ["SEGONE_PSEUDONYM_KEY"] = KEY
    golden = HERE / f"release_{version('segment-of-one').replace('.', '_')}"
    if golden.exists():
        sys.exit(f"{golden} is there: what a release left is not made again")
    golden.mkdir()
    (golden / "playbook.yaml").write_text(PLAYBOOK)
    with TemporaryDirectory() as name:
        work = Path(name)
        base: dict[str, Any] = {"playbook": str(golden / "playbook.yaml"), "shards": 2}
        before = write_signals(work / "before", 0, CUT)
        run(RunSettings(**base, signals=before, until=CUT, out=str(work / "one"), state_out=str(golden / "state")))
        write_signals(golden / "signals", CUT, END)
        every = write_signals(work / "every", 0, END)
        run(RunSettings(**base, signals=every, until=END, out=str(work / "two"), state_out=str(work / "whole")))
        made = go_on(golden, work)
        assert made == rows_of(work / "two"), "a run from the cut does not go on as the whole run does"
    for output, rows in made.items():
        (golden / f"{output}.jsonl").write_text("".join(f"{row}\n" for row in rows))


if __name__ == "__main__":
    main()
