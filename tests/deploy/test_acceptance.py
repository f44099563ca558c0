"""What the acceptance script sends, and how it compares what comes."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.deploy.files import DEPLOY


def module(name: str) -> ModuleType:
    spec = spec_from_file_location(name, DEPLOY / "dataflow" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_what_is_sent_is_what_should_be_counted(tmp_path: Path) -> None:
    module("live_signals").main([str(tmp_path), "240"])
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    counts = {name: int(count) for _, name, count in map(str.split, (tmp_path / "counts").read_text().splitlines())}
    assert counts["in"] == len(lines) == counts["applied"] + counts["duplicates"] + counts["rejected"]
    ids = [(each["id"], each["subject"]) for each in map(json.loads, lines) if each != 17]
    assert (len({*ids}), len(ids) - len({*ids})) == (counts["applied"], counts["duplicates"])


@pytest.mark.parametrize(
    ("came", "told", "same"),
    [
        (["a1", "b1", "b1", "c9"], "2 wanted, 2 got, 1 came again, 0 missing, 0 more", True),
        (["a1"], "2 wanted, 1 got, 0 came again, 1 missing, 0 more", False),
        (["a1", "b1", "d1"], "2 wanted, 3 got, 0 came again, 0 missing, 1 more", False),
    ],
)
def test_decisions_up_to_a_tick_are_compared(came: list[str], told: str, *, same: bool) -> None:
    def decisions(names: list[str]) -> list[dict[str, str]]:
        return [{"decision_id": n[0], "action": "offer", "tick": f"2026-03-02T10:0{n[1]}:00.000Z"} for n in names]

    compare = module("compare_decisions").compare
    assert compare(decisions(["a1", "b1", "x9"]), decisions(came), "2026-03-02T10:05:00+00:00") == (told, same)
