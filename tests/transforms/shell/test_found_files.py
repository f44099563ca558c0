"""What a pattern stands for: files, or the files of folders, without what writers mark as no data."""

from pathlib import Path

import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source
from transforms.shell.found_files import find_files

SOURCE = Source(contract("usage"))
FILES = (
    "d/day=1/a.parquet",
    "d/day=1/_metadata",
    "d/day=1/.a.parquet.crc",
    "d/day=2/b.parquet",
    "d/_SUCCESS",
    "d/_temporary/c.parquet",
    "x.parquet/part-0.parquet",
    "x.parquet/_SUCCESS",
    "_under.csv",
    "a.csv",
    "e/f.csv",
    "g/calls [1].csv",
    "g/calls 1.csv",
    "g [2]/h*?.csv",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / ".hidden" / "_root"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "empty").mkdir()
    return root


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("d/*/*", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("d/day=*/*", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("d/**", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("d/*", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("d", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("d/", ["d/day=1/a.parquet", "d/day=2/b.parquet"]),
        ("*.parquet", ["x.parquet/part-0.parquet"]),
        ("x.parquet", ["x.parquet/part-0.parquet"]),
        ("*.csv", ["a.csv"]),
        ("_*.csv", ["_under.csv"]),
        ("_under.csv", ["_under.csv"]),
        ("*", ["a.csv"]),
        ("g/calls [1].csv", ["g/calls 1.csv", "g/calls [1].csv"]),
        ("g [2]", ["g [2]/h*?.csv"]),
        ("g [2]/*", ["g [2]/h*?.csv"]),
        ("g [2]/h*?.csv", ["g [2]/h*?.csv"]),
    ],
)
def test_files_of_a_pattern(folder: Path, pattern: str, names: list[str]) -> None:
    found = find_files(SOURCE, [f"{folder}/{pattern}"])
    assert [str(Path(file.path).relative_to(folder)) for file in found] == names


@pytest.mark.parametrize("pattern", ["e/f.csv", "e*/f.csv", "*/f.csv", "[e]/*.csv"])
def test_patterns_may_begin_where_one_is(folder: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.chdir(folder)
    assert [Path(file.path) for file in find_files(SOURCE, [pattern])] == [Path("e/f.csv")]


@pytest.mark.parametrize("pattern", ["empty", "none/*", "d/_SUCC*ESS"])
def test_nothing_is_told(folder: Path, pattern: str) -> None:
    with pytest.raises(LoadErrors, match=r"no such file|does not tell the format"):
        find_files(SOURCE, [f"{folder}/{pattern}"])
