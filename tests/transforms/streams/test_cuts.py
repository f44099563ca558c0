"""The newest cut of a directory."""

from pathlib import Path

import pytest

from tests.transforms.streams.pullers import Clock
from transforms.shell.names_in import names_in
from transforms.streams.cuts import Cuts, local_names, newest_cut


@pytest.mark.parametrize("names", [local_names, names_in])
def test_the_greatest_tick_of_a_manifest(tmp_path: Path, names: object) -> None:
    directory = str(tmp_path / "cuts")
    assert newest_cut(directory, names) is None  # type: ignore[arg-type]
    (tmp_path / "cuts").mkdir()
    assert newest_cut(directory, names) is None  # type: ignore[arg-type]
    for name in ("manifest-9.json", "manifest-10.json", "manifest-11.json.tmp", ".manifest-12.json", "blob-13.json"):
        (tmp_path / "cuts" / name).write_text("{}")
    assert newest_cut(directory, names) == 10  # type: ignore[arg-type]


def test_cuts_are_looked_up_now_and_then() -> None:
    clock, asked = Clock(), []
    cuts = Cuts(lambda: asked.append(clock.now) or len(asked), clock, 100)  # type: ignore[func-returns-value]
    seen = []
    for clock.now in (0, 50, 99, 100, 150, 20):
        seen.append(cuts())
    assert (seen, asked) == ([1, 1, 1, 2, 2, 3], [0, 100, 20])
