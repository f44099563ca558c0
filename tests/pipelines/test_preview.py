"""A preview counts what the files say, and tells what never happened."""

from pathlib import Path

import polars as pl

from pipelines.preview import funnel, preview_of, samples
from pipelines.published import load_versions
from tests.pipelines.small import write_small


def _candidate(offer: str, channel: str, *passed: bool) -> dict[str, object]:
    gates = [
        {"gate": gate, "result": "passed" if good else "blocked"}
        for gate, good in zip(("eligibility", "caps"), passed, strict=True)
    ]
    return {"offer": offer, "channel": channel, "gates": gates}


def _rows(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()[1:]}


def test_the_funnel_counts_triggers_by_the_best_channel() -> None:
    decisions = pl.DataFrame(
        {
            "decision_id": ["1", "2", "3", "4"],
            "offer": ["a", None, "b", None],
            "candidates": [
                [_candidate("a", "app", True, True), _candidate("a", "sms", False, False)],
                [_candidate("a", "app", True, False), _candidate("a", "sms", False, True)],
                [_candidate("a", "app", True, True), _candidate("b", "app", True, True)],
                [],
            ],
        }
    )
    assert _rows(funnel(["a", "b", "c"], decisions)) == {
        "a": ["3", "3", "2", "1"],
        "b": ["1", "1", "1", "1"],
        "c": ["0", "0", "0", "0"],
    }


def test_samples_are_ten_spread_over_all() -> None:
    subjects = [f"s{n:03}" for n in range(95)]
    events = pl.DataFrame(
        {"subject": subjects, "tick": 0, "name": "heavy", "event": "entered"},
        schema_overrides={"tick": pl.Datetime("ms", "UTC")},
    )
    _, heavy, never = samples(["heavy", "never"], pl.concat([events, events])).splitlines()
    assert heavy.count("1970-01-01 00:00") == 10
    assert "s000" in heavy
    assert "s085" in heavy
    assert never.strip() == "never: nobody"


def test_a_preview_of_a_run(small_out: Path, tmp_path: Path) -> None:
    playbook = load_versions(write_small(tmp_path)["playbook"])
    text = preview_of(playbook, str(small_out))
    assert "  running_out: ann (2026-03-02 09:01), ben (2026-03-02 08:01)" in text
    assert _rows(text[text.index("triggers for") :]) == {
        "plan": ["2", "2", "1", "1", "1", "1"],
        "topup": ["3", "3", "3", "2", "2", "2"],
    }
