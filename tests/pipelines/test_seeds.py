"""What holds when a run begins: snapshots of profiles and memberships, and since when all signals are there."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.report import Report, instant
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.errors import LoadErrors
from tests.pipelines.small import MIDNIGHT

PLAYBOOK = """\
playbook: home
signals: [usage, membership, profile]
subscriber:
  features: {n: {count: any, from: usage, window: 1h}}
  segments:
    quiet:  {enter: n = 0}
    heavy:  {enter: n >= 2 AND profile.tariff = 'flex'}
household:
  features: {n: {count: any, from: usage, window: 1h}}
  segments: {busy: {enter: n >= 3}}
"""
HOUR, EIGHT = 3_600_000, MIDNIGHT + 28_800_000
USAGE = [("u1", "ann", 0), ("u2", "ann", 1), ("u3", "ben", 2)]
MEMBERS = [
    {"subject": "ann", "group_kind": "household", "group": "h1", "role": "primary"},
    {"subject": "ben", "group_kind": "household", "group": "h1", "role": "member"},
    {"subject": "ben", "group_kind": "household", "group": "h1", "role": "member"},
]
PROFILES = [{"subject": "ann", "tariff": "flex"}, {"subject": "eva", "tariff": "max"}]


def write(folder: Path, **files: list[dict[str, Any]]) -> None:
    usage = [{"id": id_, "subject": who, "time": EIGHT + minute * 60_000} for id_, who, minute in USAGE]
    for name, rows in {"usage": usage, **files}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "playbook.yaml").write_text(PLAYBOOK, "utf-8")


def pairs(folder: Path, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(folder / f"{name}.jsonl")) for name in names)


def played(folder: Path, **options: Any) -> tuple[Report, list[tuple[str, str, str]]]:
    """Return the report of a run, and who entered what and when."""
    given = {"playbook": str(folder / "playbook.yaml"), "signals": pairs(folder, "usage"), "out": str(folder / "out")}
    report = run(RunSettings(**given | {"shards": 2} | options))
    entered = pl.read_parquet(folder / "out" / "transitions.parquet").filter(pl.col("event") == "entered")
    return report, [(f"{row['tick']:%H:%M}", row["subject"], row["name"]) for row in entered.to_dicts()]


def test_seeds_are_signals_of_the_time_that_is_given(tmp_path: Path) -> None:
    write(tmp_path, membership=MEMBERS, profile=PROFILES)
    report, entered = played(tmp_path, seeds=pairs(tmp_path, "profile", "membership"), seed_as_of=EIGHT - HOUR)
    assert {("08:02", "ann", "heavy"), ("08:03", "h1", "busy"), ("07:01", "eva", "quiet")} <= {*entered}
    assert (report.signals["in"], report.signals["applied"], report.signals["duplicates"]) == (8, 7, 1)
    assert report.settings["--seed-as-of"] == EIGHT - HOUR
    told = [{"id": f"{n}", "time": EIGHT - HOUR, "state": "joined"} | row for n, row in enumerate(MEMBERS[:2])]
    write(tmp_path, membership=told, profile=[{"id": row["subject"], "time": EIGHT - HOUR} | row for row in PROFILES])
    assert played(tmp_path, signals=pairs(tmp_path, "usage", "membership", "profile"))[1] == entered


def test_a_doubtful_one_is_counted_and_not_believed(tmp_path: Path) -> None:
    sure = {"ann": 0.9, "ben": 0.3, "eva": 1.5}
    place = {"group_kind": "household", "group": "h1"}
    told = [{"subject": who, "confidence": share, **place} for who, share in sure.items()]
    write(tmp_path, membership=[*told, {"subject": "fay", "group_kind": "flat", "group": "h1"}])
    (tmp_path / "playbook.yaml").write_text(f"min_confidence: 0.8\n{PLAYBOOK}", "utf-8")
    report, entered = played(tmp_path, seeds=pairs(tmp_path, "membership"), seed_as_of=EIGHT - HOUR)
    assert ("08:03", "h1", "busy") not in entered
    signals = report.signals
    assert (signals["in"], signals["applied"], signals["rejected"], signals["doubtful"]) == (7, 5, 2, 1)
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert {*rejected["reason"]} == {"out_of_range", "not_allowed"}
    assert "(1 applied without effect on memberships for want of confidence)" in report.summary()


def test_a_group_that_is_too_large_is_counted(tmp_path: Path) -> None:
    write(tmp_path, membership=MEMBERS)
    (tmp_path / "playbook.yaml").write_text(f"max_members: 1\n{PLAYBOOK}", "utf-8")
    report, entered = played(tmp_path, seeds=pairs(tmp_path, "membership"), seed_as_of=EIGHT - HOUR)
    assert ("08:03", "h1", "busy") not in entered
    assert report.groups == {"too_large": 1}
    assert "\ngroups became larger than `max_members` and were ignored: 1 times\n" in report.summary()


def test_without_another_time_they_hold_just_before_the_signals_are_complete(tmp_path: Path) -> None:
    write(tmp_path, profile=PROFILES)
    report, entered = played(tmp_path, seeds=pairs(tmp_path, "profile"), complete_from=EIGHT)
    assert report.settings["--complete-from"] == EIGHT
    assert not {("08:00", "eva", "quiet"), ("08:02", "ann", "heavy")} & {*entered}
    contexts = pl.read_parquet(tmp_path / "out" / "contexts.parquet").filter(pl.col("subject") == "eva")
    assert contexts["context"].struct.field("n").to_list() == [None]


def test_features_are_unknown_until_their_window_is_complete(tmp_path: Path) -> None:
    write(tmp_path)
    late = [{"id": "u9", "subject": "ann", "time": EIGHT + 2 * HOUR}, {"id": "u8", "subject": "ben", "time": EIGHT}]
    write(tmp_path, usage=late)
    entered = played(tmp_path)[1]
    assert ("09:01", "ben", "quiet") in entered
    assert ("08:01", "ben", "quiet") not in entered
    assert ("09:00", "ben", "quiet") not in played(tmp_path, complete_from=EIGHT)[1]
    contexts = pl.read_parquet(tmp_path / "out" / "contexts.parquet")
    assert {("ben", "quiet")} == {(row["subject"], name) for row in contexts.to_dicts() for name in row["segments"]}


SOURCES = """
members: {signal: membership, map: {subject: line, group_kind: "'household'", group: home, role: role}}
profile: {map: {id: uid, time: from_epoch_s(ts), subject: line, tariff: tariff}}
"""


def test_their_columns_may_have_other_names(tmp_path: Path) -> None:
    write(tmp_path, members=[{"line": row["subject"], "home": "h1", "role": row["role"]} for row in MEMBERS])
    (tmp_path / "sources.yaml").write_text(SOURCES, "utf-8")
    (tmp_path / "profile.jsonl").write_text('{"line": "ann", "tariff": "flex"}\n', "utf-8")
    seeds = pairs(tmp_path, "members", "profile")
    sources = str(tmp_path / "sources.yaml")
    report, entered = played(tmp_path, seeds=seeds, seed_as_of=EIGHT, sources=sources)
    assert {("08:02", "ann", "heavy"), ("08:03", "h1", "busy")} <= {*entered}
    assert report.signals["rejected"] == 0
    with pytest.raises(LoadErrors, match="`time` is missing: every membership needs it"):
        played(tmp_path, signals=(*pairs(tmp_path, "usage"), *seeds[:1]), sources=sources)


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ("usage", "--seed usage: only consent, membership, profile can be seeded, not usage"),
        ("consent", "--seed consent: playbook.yaml does not read `consent`"),
        ("prfile", "did you mean `profile`?"),
    ],
)
def test_what_is_no_seed_is_refused(tmp_path: Path, seeds: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, profile=PROFILES)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadErrors) as caught:
        played(tmp_path, playbook="playbook.yaml", seeds=((seeds, "profile.jsonl"),), seed_as_of=EIGHT)
    assert told in str(caught.value)


def test_a_seed_needs_a_time() -> None:
    with pytest.raises(ValueError, match="--seed: say when that was true, with --seed-as-of"):
        RunSettings(playbook="p", signals=(("usage", "x"),), out="o", seeds=(("profile", "y"),))


def test_from_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, profile=PROFILES, membership=MEMBERS)
    given = [str(tmp_path / "playbook.yaml"), f"--out={tmp_path / 'out'}", f"--seed-as-of={instant(EIGHT)}"]
    given += [f"--signals=usage={tmp_path / 'usage.jsonl'}"]
    given += [f"--seed={name}={glob}" for name, glob in pairs(tmp_path, "profile", "membership")]
    result = CliRunner().invoke(app, ["run", *given])
    assert result.exit_code == 0, result.output
    assert "8 signals in = 7 applied + 1 duplicates" in result.output


def test_sums_that_64_bits_do_not_hold_are_counted(tmp_path: Path) -> None:
    write(tmp_path)
    rows = [{"id": f"{n}", "subject": "ann", "time": EIGHT + n, "bytes": 10**15} for n in range(9_300)]
    (tmp_path / "usage.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    book = "playbook: p\nsignals: [usage]\nsubscriber: {features: {all_: {sum: bytes, from: usage, window: 1h}}}\n"
    (tmp_path / "playbook.yaml").write_text(book, "utf-8")
    report, _ = played(tmp_path)
    assert report.features == {"sums_too_large": 1}
    assert "\nsums in contexts that 64 bits do not hold, and so are NULL: 1\n" in report.summary()
