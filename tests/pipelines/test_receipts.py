"""A run with erasures: receipts, counts, what `explain` tells, and the key that it needs."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.explain import explain
from pipelines.failures import UnknownSubjectError
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.errors import LoadErrors
from transforms.shell.pseudonym_key import KEY_VARIABLE

PLAYBOOK = """\
playbook: homes
signals: [usage, membership, erasure]
subscriber:
  features: {mb: {sum: mb, from: usage, window: 1h}}
  segments: {heavy: {enter: mb > 10}}
  moments: {burst: {when: mb > 10}}
household:
  features: {mb: {sum: mb, from: usage, window: 1h}}
offers:
  pass: {for: subscriber.burst, family: data, owner: us, value: 4, p_accept: 0.5, send: [app], valid_for: 6h,
         cooldown: 1d}
"""
MINUTE = 60_000
HOME = {"group_kind": "household", "group": "h1", "state": "joined"}
SIGNALS = {
    "membership": [
        {"id": "m1", "time": 0, "subject": "ann", **HOME},
        {"id": "m2", "time": 0, "subject": "ben", **HOME},
    ],
    "usage": [
        {"id": f"{who}{n}", "time": n * MINUTE, "subject": who, "mb": 9.0} for who in ("ann", "ben") for n in (1, 2, 8)
    ],
    "erasure": [
        {"id": "e1", "source": "law", "time": 5 * MINUTE, "subject": "ann"},
        {"id": "e2", "source": "law", "time": 6 * MINUTE, "subject": "nobody"},
        {"id": "e3", "source": "law", "time": 7 * MINUTE, "subject": "h1", "subject_kind": "household"},
    ],
}


def _run(folder: Path, shards: int = 3) -> str:
    (folder / "playbook.yaml").write_text(PLAYBOOK)
    for name, rows in SIGNALS.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    feeds = tuple((name, str(folder / f"{name}.jsonl")) for name in SIGNALS)
    out = str(folder / "out")
    run(RunSettings(playbook=str(folder / "playbook.yaml"), signals=feeds, out=out, shards=shards, earliest=0))
    return out


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "k" * 16)
        return _run(tmp_path_factory.mktemp("erased"))


def test_each_stage_gives_one_receipt_of_each_erasure(out: str) -> None:
    rows = pq.read_table(f"{out}/receipts.parquet").to_pylist()
    told = {(row["id"], row["stage"]): {one["table"]: one["rows"] for one in row["removed"]} for row in rows}
    stages = ("track_subscribers", "track_groups", "decide_offers")
    assert len(rows) == len(told)
    assert told.keys() == {(id_, stage) for id_ in ("e1", "e2", "e3") for stage in stages}
    assert told["e1", "track_subscribers"] == {
        "features": 2,
        "ids": 3,
        "identity": 2,
        "memberships": 1,
        "moments": 1,
        "waiting": 1,
    }
    assert told["e1", "track_groups"] == {"features": 2, "identity": 1}
    assert told["e1", "decide_offers"] == {"names": 1}
    assert told["e3", "decide_offers"] == {"reservations": 1, "numbers": 1}
    assert not any(told["e2", stage] for stage in stages)
    assert {row["subject"] for row in rows}.isdisjoint({"ann", "nobody", "h1"})


def test_each_stage_names_the_outputs_in_which_it_wrote_of_such_subjects(out: str) -> None:
    told = {(row["id"], row["stage"]): row["outputs"] for row in pq.read_table(f"{out}/receipts.parquet").to_pylist()}
    for subscriber in ("e1", "e2"):
        assert told[subscriber, "track_subscribers"] == ["contexts", "rejected", "transitions"]
        assert told[subscriber, "track_groups"] == []
        assert told[subscriber, "decide_offers"] == ["decisions", "offers"]
    assert told["e3", "track_subscribers"] == ["rejected"]
    assert told["e3", "track_groups"] == ["contexts", "rejected"]  # homes have no segments, so no transitions
    assert told["e3", "decide_offers"] == ["decisions", "offers"]


def test_signals_about_the_erased_are_counted(out: str) -> None:
    signals = json.loads(Path(out, "run.json").read_text())["signals"]
    assert (signals["in"], signals["applied"], signals["erased"]) == (11, 10, 1)


def test_explain_tells_of_an_erasure(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    assert explain(out, "ann").erased == "1970-01-01T00:06:00.000Z"
    assert explain(out, "ann", 5 * MINUTE).erased is None
    text = explain(out, "ann").text()
    assert "erased at 1970-01-01T00:06:00.000Z; removed from memory: features 4, identity 3, ids 3" in text
    assert explain(out, "ben").erased is None
    monkeypatch.delenv(KEY_VARIABLE)
    assert explain(out, "ann").erased is None


def test_explain_tells_of_an_erasure_of_whom_the_outputs_know_nothing(
    out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    story = explain(out, "nobody")
    assert (story.erased, story.removed, story.context) == ("1970-01-01T00:07:00.000Z", {}, None)
    with pytest.raises(UnknownSubjectError, match=r"no signals, not in the sample, or erased$"):
        explain(out, "somebody")
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(UnknownSubjectError, match=f"or erased; with the run's key in {KEY_VARIABLE}"):
        explain(out, "nobody")


def test_a_run_that_reads_erasures_needs_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(LoadErrors, match=f"environment variable {KEY_VARIABLE}"):
        _run(tmp_path)
