"""What strangers tried, from the shared cases: each is right, or refused with what to do."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.stories.play import play_all
from schemas.durations import parse_instant
from schemas.errors import LoadErrors
from tests.examples.commands import REPOSITORY
from transforms.shell.pseudonym_key import KEY_VARIABLE

CASES = REPOSITORY.parent / "shared" / "cases"
INGEST = CASES / "ingest"
LATER = parse_instant("2026-11-28T00:00:00Z")

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no shared cases at {CASES}")

READ: dict[str, tuple[str, dict[str, int], dict[str, int]]] = {
    "av_array_unused": ("a.avro", {"applied": 1}, {}),
    "av_nested_unused": ("a.avro", {"applied": 1}, {}),
    "av_notext": ("a.avro", {"applied": 1}, {}),
    "av_torn": ("a.avro", {"applied": 42, "rejected": 8}, {"torn_block": 1}),
    "bools": ("a.csv", {"applied": 3, "rejected": 9}, {"wrong_type": 9}),
    "bq_json": ("a.jsonl", {"rejected": 2}, {"wrong_type": 2}),
    "cr_second": ("*.csv", {"applied": 1, "rejected": 1, "uncounted": 1}, {"unreadable_file": 1}),
    "csv_upper": ("A.CSV", {"applied": 2}, {}),
    "dec_id_bigint": ("a.parquet", {"applied": 2}, {}),
    "dec_subject_bigint": ("a.parquet", {"applied": 2}, {}),
    "dir_named_parquet": ("d", {"applied": 1}, {}),
    "dst_zone": ("a.csv", {"applied": 4}, {}),
    "duck": ("*.parquet", {"applied": 1, "duplicates": 1}, {}),
    "footer": ("a.csv", {"applied": 2, "rejected": 3}, {"malformed_csv": 3}),
    "gz_pad": ("a.csv.gz", {"applied": 2}, {}),
    "gz_trunc": ("a.csv.gz", {"applied": 2, "rejected": 1, "uncounted": 1}, {"torn_stream": 1}),
    "hive_star": ("d/*", {"applied": 2}, {}),
    "json_pretty": ("a.json", {"rejected": 1, "uncounted": 1}, {"unreadable_file": 1}),
    "lost_first_row": ("*.csv", {"applied": 1, "rejected": 1, "uncounted": 1}, {"unreadable_file": 1}),
    "map_cast_null": ("a.csv", {"applied": 1, "rejected": 3}, {"map_gives_null": 2, "missing_field": 1}),
    "one_1970_row": ("a.csv", {"applied": 2, "rejected": 1}, {"before_earliest": 1}),
    "padded": ("a.csv", {"rejected": 2}, {"wrong_type": 2}),
    "pq_ns_rejected": ("a.parquet", {"applied": 1, "rejected": 1}, {"missing_field": 1}),
    "pq_strview_second": ("*.parquet", {"applied": 2, "duplicates": 2}, {}),
    "pq_year_10001": ("a.parquet", {"applied": 1, "rejected": 1}, {"beyond_max_ahead": 1}),
    "pseudo_malformed_csv": ("a.csv", {"applied": 1, "rejected": 2}, {"malformed_csv": 1, "wrong_type": 1}),
    "pseudo_malformed_json": ("a.jsonl", {"applied": 1, "rejected": 2}, {"wrong_type": 2}),
    "quoted_nl_first_col": ("a.csv", {"applied": 2}, {}),
    "tenth_cond": ("a.csv", {"applied": 2}, {}),
    "times": ("a.csv", {"applied": 13, "rejected": 36}, {"wrong_type": 26}),
    "utf16": ("a.csv", {"rejected": 1, "uncounted": 1}, {"unreadable_file": 1}),
}
"""Files, what became of their signals, and why some were rejected."""

REFUSED = {
    "columns_typo": ("a.csv", "did you mean `bytes`?"),
    "headerless": ("a.csv", "its first line is taken for the header"),
    "json_misspelt_map": ("a.jsonl", "no column `volumeMb`, which the map of sources.yaml reads"),
    "json_nested": ("a.jsonl", "no column `subject.msisdn`, `usage.mb`"),
    "map_second_lacks_optional": ("*.csv", "it has `MB` for `mb`"),
    "pq_dup_second": ("*.parquet", "has two columns `id`"),
    "preamble": ("a.csv", "remove what stands before the header"),
    "second_other_delim": ("*.csv", "its header is delimited by `;`"),
}
"""Files, and what is said of them."""

OTHER_PLAYBOOKS = {"times": "playbook_times.yaml", "tenth_cond": "playbook_amounts.yaml"}


def _run(case: Path, files: dict[str, str], out: Path, **settings: Any) -> dict[str, Any]:
    """Run a playbook over files of a case, as if from within its folder."""
    sources = case / "sources.yaml"
    signals = tuple((name, str(case / file)) for name, file in files.items())
    given = {"playbook": str(INGEST / OTHER_PLAYBOOKS.get(case.name, "playbook.yaml")), "as_of": LATER} | settings
    run(RunSettings(signals=signals, out=str(out), sources=str(sources) if sources.exists() else None, **given))
    return dict(json.loads((out / "run.json").read_text("utf-8")))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "strangers have a key of their own")


def test_every_folder_of_signals_has_a_test() -> None:
    assert {*READ, *REFUSED, "wide_48"} == {path.name for path in INGEST.iterdir() if path.is_dir()}


@pytest.mark.parametrize("name", READ)
def test_signals_are_read_or_rejected_alone(name: str, tmp_path: Path) -> None:
    files, counts, reasons = READ[name]
    told = _run(INGEST / name, {"usage": files}, tmp_path / "out")["signals"]
    assert {key: count for key, count in told.items() if count and key not in ("in", "late")} == counts
    rejected = pq.read_table(tmp_path / "out" / "rejected.parquet")["reason"].to_pylist()
    assert Counter(rejected) >= Counter(reasons)
    assert bool(rejected) == bool(reasons)


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_not_what_they_seem_are_refused_at_once(name: str, tmp_path: Path) -> None:
    files, told = REFUSED[name]
    with pytest.raises(LoadErrors) as refused:
        _run(INGEST / name, {"usage": files}, tmp_path / "out")
    assert told in str(refused.value)


def test_columns_of_half_hours_are_several_sources(tmp_path: Path) -> None:
    assert _run(INGEST / "wide_48", {"h1": "a.csv", "h2": "a.csv"}, tmp_path / "out")["signals"]["applied"] == 2


def _offers(out: Path) -> list[tuple[str, Any]]:
    table = pq.read_table(out / "offers.parquet")
    return sorted(zip(table["subject"].to_pylist(), map(str, table["data"].to_pylist()), strict=True))


def test_a_tenth_is_a_tenth(tmp_path: Path) -> None:
    _run(INGEST / "tenth_cond", {"usage": "a.csv"}, tmp_path / "out")
    told = pq.read_table(tmp_path / "out" / "transitions.parquet").to_pylist()
    entered = {(row["subject"], row["name"]) for row in told if row["event"] == "entered"}
    both = {(subject, f"by_{how}") for subject in "ab" for how in ("last", "sum", "max", "where")}
    assert entered == {("a", "eq_last"), *both}


def test_shards_do_not_change_a_quotient(tmp_path: Path) -> None:
    case = CASES / "logic" / "shards"
    told = []
    for shards in (1, 4, 64):
        out = tmp_path / str(shards)
        _run(case, {"usage": "u.jsonl"}, out, playbook=str(case / "pb.yaml"), shards=shards)
        told.append(_offers(out))
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 8


def test_what_is_a_copy_does_not_depend_on_how_files_are_cut(tmp_path: Path) -> None:
    case = CASES / "truth" / "content_id"
    book = str(case / "playbook.yaml")
    whole = _run(case, {"bills": "all.csv"}, tmp_path / "whole", playbook=book)["signals"]
    parts = _run(case, {"bills": "[ot][nw][eo].csv"}, tmp_path / "parts", playbook=book)["signals"]
    assert (whole["applied"], whole["duplicates"]) == (parts["applied"], parts["duplicates"])


def test_ids_with_zero_bytes_are_different_ids(tmp_path: Path) -> None:
    case = CASES / "truth" / "nul_ids"
    told = _run(case, {"usage": "u.jsonl"}, tmp_path / "out", playbook=str(case / "playbook.yaml"))["signals"]
    assert told["duplicates"] == 0


STORIES = {  # what an offer is expected to be worth may be negative: decision 0004, of which `validate` warns
    "contract_end_9999": "",
    "contract_not_checked_on_core": "differs",
    "counts_on_stream": "differs",
    "days_until_los_angeles": "",
    "decimal_threshold": "",
    "division_alone": "",
    "division_with_ben": "",
    "full_date_of_the_day": "",
    "ghost": "",
    "negval": "",
    "null_subject_in_story": "",
    "out_of_range_value": "",
}


def test_every_story_has_a_test() -> None:
    assert {*STORIES} == {path.stem for path in (CASES / "logic").glob("*.yaml")}


@pytest.mark.parametrize("name", STORIES)
def test_stories_go_alike_on_every_engine(name: str) -> None:
    played = play_all(CASES / "logic" / f"{name}.yaml", ("core", "bounded", "stream"))
    went = {bool(wrong) for _, _, wrong in played.results}
    assert went == {bool(STORIES[name])}, played.text()
