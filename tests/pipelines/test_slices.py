"""A run in slices gives the files of one run over all, byte by byte."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.durations import DAY, HOUR, MINUTE
from schemas.errors import LoadErrors
from tests.pipelines.small import MIDNIGHT, small_settings

PLAYBOOK = """\
playbook: homes
version: 1
tick: 5m
signals: [usage, balance, membership, contact, control, erasure]
feed_timeout: {balance: 9h}
subscriber:
  features:
    mb_1h:  {sum: mb, from: usage, window: 1h}
    mb_30h: {sum: mb, from: usage, window: 30h}
    left_mb: {last: remaining_mb, from: balance}
  derived:
    wish: {expr: mb_1h / 100, half_life: 6h}
  segments:
    heavy: {describe: Uses much, enter: mb_1h > 150, exit: mb_1h < 100, expect: 10%..60%}
    long:  {describe: Used much for long, enter: mb_30h > 400, expire: 2d}
  moments:
    low:   {when: left_mb < 100, again_after: 4h}
    quiet: {after: {usage: mb > 150}, without: {balance: remaining_mb > 0}, within: 26h}
household:
  features:
    mb_4h: {sum: mb, from: usage, window: 4h}
  segments:
    busy: {describe: A busy home, enter: mb_4h > 300, exit: mb_4h < 100}
offers:
  topup: {for: subscriber.low, family: data, owner: consumer, value: 4, p_accept: 0.2, send: [app], valid_for: 6h,
          wait: 20h, cooldown: 16h, params: {left_mb: left_mb}}
  plan:  {for: subscriber.heavy, family: data, owner: consumer, value: 9, p_accept: 0.1, send: [app], valid_for: 30h,
          cooldown: 1d}
  care:  {for: subscriber.quiet, family: care, owner: consumer, value: 1, p_accept: 0.5, send: [app], valid_for: 1d}
  fibre: {for: household.busy, family: home, owner: consumer, value: 20, p_accept: 0.1, send: [app], valid_for: 1d}
policy: {caps: [{max: 2, per: household, in: day}], contacts_reported_within: 2h}
"""
HOMES = {0: "a", 1: "a", 2: "b", 3: "b", 4: "c"}


def _signals() -> dict[str, list[dict[str, Any]]]:
    """Return what seven subscribers do in three days: at night, too, over the borders of days."""
    found: dict[str, list[dict[str, Any]]] = {"usage": [], "balance": [], "membership": [], "contact": []}
    for who, home in HOMES.items():
        found["membership"].append(
            {
                "id": f"m{who}",
                "time": MIDNIGHT + who * HOUR,
                "subject": f"s{who}",
                "group_kind": "household",
                "group": home,
                "state": "joined",
                "role": "member",
            }
        )
    for n in range(220):
        who, time = n * n % 7, MIDNIGHT + n * 19 * MINUTE + n * 777 % 60_000
        found["usage"].append({"id": f"u{n}", "time": time, "subject": f"s{who}", "mb": float(n * 37 % 211)})
        if n % 5 == 0 and not 80 < n < 130:
            found["balance"].append(
                {"id": f"b{n}", "time": time + 31_000, "subject": f"s{n % 7}", "remaining_mb": float(n * 53 % 300)}
            )
    found["usage"] += [found["usage"][75] | {"time": found["usage"][75]["time"] + 2 * HOUR}, found["usage"][9]]
    found["usage"].append({"id": "bad", "time": "no time", "subject": "s1", "mb": 1.0})
    found["contact"] = [
        {"id": "c1", "time": MIDNIGHT + 23 * HOUR, "subject": "s5", "channel": "app", "state": "sent", "family": "data"}
    ]
    pause = {"subject": "*", "scope": "family", "target": "home"}
    found["control"] = [
        {"id": "p1", "time": MIDNIGHT + 20 * HOUR, "action": "pause", **pause},
        {"id": "p2", "time": MIDNIGHT + 28 * HOUR, "action": "resume", **pause},
    ]
    found["erasure"] = [
        {"id": "e1", "time": MIDNIGHT + 25 * HOUR, "subject": "s2"},
        {"id": "e2", "time": MIDNIGHT + 30 * HOUR, "subject": "c", "subject_kind": "household"},
        {"id": "e1", "time": MIDNIGHT + 25 * HOUR, "subject": "s2"},
    ]
    return found


def _world(folder: Path) -> dict[str, Any]:
    """Write two versions of a playbook, of which the second takes over on the second day, and the signals."""
    (folder / "books").mkdir()
    later = PLAYBOOK.replace("version: 1\n", "version: 2\neffective_from: 2026-03-03T07:00:00Z\n")
    (folder / "books" / "v1.yaml").write_text(PLAYBOOK)
    (folder / "books" / "v2.yaml").write_text(
        later.replace("mb_1h > 150", "mb_1h > 120").replace("value: 4", "value: 5")
    )
    for name, rows in _signals().items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    signals = tuple((name, str(folder / f"{name}.jsonl")) for name in _signals())
    return {"playbook": str(folder / "books"), "signals": signals, "as_of": MIDNIGHT + 9 * DAY, "shards": 2}


def _before(folder: Path, hours: int) -> dict[str, Any]:
    """Write the signals of the first hours, and return what `RunSettings` needs of them."""
    here = folder / str(hours)
    here.mkdir()
    for name, rows in _signals().items():
        mine = [row for row in rows if isinstance(row["time"], int) and row["time"] < MIDNIGHT + hours * HOUR]
        (here / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    return {"signals": tuple((name, str(here / f"{name}.jsonl")) for name in _signals())}


def _record(out: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "run.json").read_text())
    return {key: told for key, told in record.items() if key not in ("seconds", "settings")}


@pytest.fixture
def salt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What erasures are remembered by."""
    monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", "a key of nobody's, for tests")


@pytest.mark.usefixtures("salt")
def test_slices_give_what_one_run_gives(tmp_path: Path) -> None:
    """Homes, erasures of people and homes, versions, waiting offers, windows and a silent feed over the borders."""
    world = _world(tmp_path)
    whole = run(RunSettings(**world, out=str(tmp_path / "whole")))
    run(RunSettings(**world, out=str(tmp_path / "slices"), slice=DAY))
    made = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert made == sorted(path.name for path in (tmp_path / "slices").iterdir())
    one, other = tmp_path / "whole", tmp_path / "slices"
    differ = [name for name in made if (one / name).read_bytes() != (other / name).read_bytes()]
    assert differ == ["run.json"]
    assert _record(one) == _record(other)
    assert whole.signals["erased"] > 20
    assert min(whole.outputs[name] for name in ("offers", "transitions", "receipts", "segment_stats", "rejected")) > 0
    assert whole.decisions["deferred"] > 0


@pytest.mark.engines
@pytest.mark.usefixtures("salt")
def test_a_sliced_run_goes_on_from_a_cut_and_leaves_one(tmp_path: Path) -> None:
    """A second half in slices, and what follows it, are those of runs at once."""
    world, state = _world(tmp_path), str(tmp_path / "state")
    run(RunSettings(**world | _before(tmp_path, 12), out=str(tmp_path / "first"), state_out=state))
    middle = world | _before(tmp_path, 60)
    (tmp_path / "once").mkdir()
    shutil.copytree(state, tmp_path / "once" / "state")
    for name, slice_, mine in (("whole", None, str(tmp_path / "once" / "state")), ("slices", DAY, state)):
        on = {"state_in": mine, "state_out": mine}
        run(RunSettings(**middle, out=str(tmp_path / name), slice=slice_, **on))
        run(RunSettings(**world, out=str(tmp_path / f"after {name}"), state_in=mine))
    for name in ("whole", "after whole"):
        one, other = tmp_path / name, tmp_path / name.replace("whole", "slices")
        made = sorted(path.name for path in one.iterdir())
        assert [each for each in made if (one / each).read_bytes() != (other / each).read_bytes()] == ["run.json"]


def test_a_slice_is_a_multiple_of_the_tick(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match="--slice: is no multiple of the tick"):
        run(small_settings(tmp_path, slice=90_001))
