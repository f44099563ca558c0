"""A cut of each release, from which this one goes on as that did."""

from pathlib import Path

import pytest

from tests.golden.make import HERE, KEY, OUTPUTS, go_on
from transforms.blobs.envelope import LAYOUT as STATES
from transforms.streams.manifests import LAYOUTS, cuts_in, read_manifest

GOLDEN = sorted(path for path in HERE.iterdir() if path.name.startswith("release_"))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
@pytest.mark.parametrize("shards", [2, 3])
def test_a_cut_of_a_release_restores(
    golden: Path, shards: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", KEY)
    made = go_on(golden, tmp_path, shards=shards)
    assert made == {name: (golden / f"{name}.jsonl").read_text().splitlines() for name in OUTPUTS}
    assert all(made.values())


def test_each_layout_that_is_read_has_a_cut() -> None:
    found = [read_manifest(str(golden / "state"), max(cuts_in(str(golden / "state")))) for golden in GOLDEN]
    assert {one.states for one in found} == {STATES}
    assert LAYOUTS[-1] in {one.layout for one in found}


def test_they_are_small() -> None:
    assert sum(file.stat().st_size for file in HERE.rglob("*") if file.is_file()) < 200_000
