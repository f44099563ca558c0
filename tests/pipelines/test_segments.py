"""Who the members of segments are, as the command tells it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.segments import Who, sure, text_of, who
from schemas.records import ALERT, SEGMENT_PROFILE, SEGMENT_STATS

END = datetime(2026, 3, 9, tzinfo=UTC)


def row(feature: str, effect: float | None, margin: float = 0.1, **others: Any) -> dict[str, Any]:
    """Return a row of a profile of 40 members."""
    low, high = (None, None) if effect is None else (effect - margin, effect + margin)
    told = {"feature": feature, "value": None, "words": f"{feature} on {{}} of 14 days", "members_n": 40}
    told |= {"members_mean": 9.04, "others_mean": 0.4, "effect": effect, "low": low, "high": high, "drift": None}
    return told | others


def someone(*profile: dict[str, Any], **others: Any) -> Who:
    stats = {
        "subject_kind": "household",
        "words": "Earns at home",
        "size": 40,
        "base": 1000,
        "end": END,
        "overlap": [],
    }
    told: dict[str, Any] = {"since": datetime(2026, 3, 2, 7, tzinfo=UTC), "entered_lately": 3, "exited_lately": 1}
    told |= {
        "dwell_mean": 36 * 3_600_000.0,
        "sizes": [0, 20, 40],
        "stats": stats | others,
        "profile": profile,
        "alert": "too many",
    }
    return Who(segment="household.homeworker", **told)


def test_a_segment_is_told_as_a_paragraph() -> None:
    overlap = [{"segment": "a", "members": 2}, {"segment": "b", "members": 10}]
    profile = [
        row("VPN", 4.0),
        row("calls", -1.5, words="calls: {} in a day"),
        row("tariff", 0.9, value="flex", members_mean=0.75, others_mean=0.5, words="tariff: {}"),
    ]
    assert text_of([someone(*profile, overlap=overlap)]) == (
        "household.homeworker: Earns at home\n"
        "  40 of 1,000 households (4.0%) at the end of 2026-03-08; the first came by 2026-03-02 07:00\n"
        "  not as expected: too many\n"
        "  last 7 days: 3 entered, 1 left; who left had stayed 36.0 hours on average\n"
        "  size by day  ▄█\n"
        "  what sets them apart, in standard deviations with 95 % interval\n"
        "     +4.0 (3.9 to 4.1)     VPN on 9 of 14 days; others 0.4\n"
        "     -1.5 (-1.6 to -1.4)   calls: 9 in a day; others 0.4\n"
        "     +0.9 (0.8 to 1.0)     tariff = flex for 75%; others 50%\n"
        "  of them also in b 10 (25.0%), a 2 (5.0%)\n"
    )


def test_many_days_are_told_by_the_week() -> None:
    told = text_of([replace(someone(), sizes=[day // 7 for day in range(70 + 7)])])
    assert "  size by week  ▁▂▃▄▄▅▆▇██\n" in told


def test_what_is_small_or_unsure_is_left_out() -> None:
    told = text_of([someone(row("small", 0.25), row("unsure", 3.0, margin=2.9), row("unknown", None))])
    assert not [name for name in ("small", "unsure", "unknown", "apart") if name in told]


@pytest.mark.parametrize(("drift", "members", "told"), [(0.5, 400, True), (0.3, 400, False), (0.5, 10, False)])
def test_only_what_surely_moved_is_told(drift: float, members: int, told: bool) -> None:
    text = text_of([someone(row("VPN", None, drift=drift, members_n=members))])
    assert ("moved since the day before, in standard deviations: VPN +0.5" in text) == told


@pytest.mark.parametrize(
    ("low", "high", "distance"), [(1.0, 2.0, 1.0), (-2.0, -1.0, 1.0), (-0.1, 2.0, 0.0), (None, None, 0.0)]
)
def test_how_sure_an_effect_is(low: float | None, high: float | None, distance: float) -> None:
    assert sure({"low": low, "high": high}) == distance


def test_the_small_run_is_told(small_out: Path) -> None:
    (heavy,) = who(str(small_out))
    assert (heavy.segment, heavy.stats["words"], heavy.stats["size"], heavy.stats["base"]) == (
        "subscriber.heavy",
        "Uses much",
        0,
        3,
    )
    assert (heavy.entered_lately, heavy.exited_lately, heavy.sizes) == (2, 2, [0])
    assert heavy.dwell_mean == 3_600_000
    assert heavy.alert == "0 of 3 are in `subscriber.heavy`: 0.0%, not 10.0% to 60.0%"
    assert who(str(small_out), "household") == []
    assert text_of([]) == "no segment had a member\n"


def test_the_largest_come_first(tmp_path: Path) -> None:
    counts = {"entered": 0, "exited": 0, "dwell_median": None, "dwell_mean": None, "overlap": [], "drift": None}
    rows = [
        {"subject_kind": kind, "segment": name, "words": "", "window": "day", "end": END, "size": size, "base": 9}
        | {"share": size / 9}
        | counts
        for kind, name, size in [("sme", "small", 1), ("household", "large", 5), ("household", "small", 1)]
    ]
    pl.DataFrame(rows, schema=pl.DataFrame(SEGMENT_STATS.empty_table()).schema).write_parquet(
        tmp_path / "segment_stats.parquet"
    )
    for name, schema in (("segment_profiles", SEGMENT_PROFILE), ("alerts", ALERT)):
        pl.DataFrame(schema.empty_table()).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "run.json").write_text("{}")
    assert [one.segment for one in who(str(tmp_path))] == ["household.large", "household.small", "sme.small"]
    assert [one.segment for one in who(str(tmp_path), "sme")] == ["sme.small"]


def test_the_command_tells_and_counts_the_same(small_out: Path) -> None:
    text = CliRunner().invoke(app, ["segments", str(small_out)])
    told = CliRunner().invoke(app, ["segments", str(small_out), "--json", "--level", "subscriber"])
    assert (text.exit_code, told.exit_code) == (0, 0)
    assert text.stdout.startswith("subscriber.heavy: Uses much\n  0 of 3 subscribers (0.0%) at the end of 2026-03-02")
    (heavy,) = json.loads(told.stdout)
    assert (heavy["segment"], heavy["entered_lately"]) == ("subscriber.heavy", 2)


def test_a_folder_without_outputs_is_a_plain_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["segments", str(tmp_path)])
    assert done.exit_code == 1
    assert f"no whole outputs of a run in {tmp_path}: run.json is missing" in done.stderr
