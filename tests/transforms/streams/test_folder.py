"""A folder in which files keep arriving: each file once, none half written, wherever reading is taken up again."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.sources import Source
from tests.transforms.streams.pullers import Clock
from transforms.parsing.files import RawFile
from transforms.parsing.raw import PARTITION, POSITION, PUBLISHED
from transforms.streams import folder_files
from transforms.streams.folder import FolderPuller, forget_folders
from transforms.streams.folder_files import Files, is_whole_by_name
from transforms.streams.folder_notes import NOTES, Listed
from transforms.streams.pull import Pulled

USAGE = Source(contract("usage"))
EVERY = 100


@dataclass
class Memory:
    """A file system in memory: content and time of writing by path; what is read is counted."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    closed: bool = False

    def list(self, folder: str) -> Iterable[Listed]:
        found = [(path, *each) for path, each in self.files.items() if path.startswith(f"{folder}/")]
        return [Listed(path, len(content), at) for path, content, at in found]

    def open(self, file: RawFile) -> BinaryIO:
        self.opened.append(file.path)
        if file.path in self.hidden:
            raise FileNotFoundError(file.path)
        return io.BytesIO(self.files[file.path][0])

    def read(self, path: str) -> bytes:
        return self.files[path][0]

    def write(self, path: str, content: bytes) -> None:
        if self.closed:
            raise PermissionError("no")
        self.files[path] = (content, 0)

    def remove(self, paths: Iterable[str]) -> None:
        for path in paths:
            del self.files[path]


def _lines(*ids: str) -> bytes:
    return b"".join(json.dumps({"id": one, "time": 5, "subject": "a"}).encode() + b"\n" for one in ids)


def _puller(store: Memory, clock: Clock, group: str = "g", **options: Any) -> FolderPuller:
    files = Files.of(USAGE, (), 1 << 10)
    waits: list[float] = []
    return FolderPuller("in", files, store, group, EVERY, clock, waits.append, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _forget() -> None:
    forget_folders()


def _ids(pulled: Pulled) -> list[str]:
    return [one for block in pulled.blocks for one in block["id"].to_pylist()]


def _all(puller: FolderPuller, clock: Clock, position: Any = None) -> tuple[list[str], list[Any], Any]:
    """Return the ids and rejections of all that is there and stays as it is, and the position behind it."""
    ids, rejected, position = [], [], position or {}
    for _ in range(3):
        while True:
            pulled = puller.pull(position)
            position = json.loads(json.dumps(pulled.position))
            ids += _ids(pulled)
            rejected += [row for batch in pulled.rejected for row in batch.to_pylist()]
            if pulled.acks is not None:
                puller.done([pulled.acks])
            if not (pulled.blocks or pulled.rejected or pulled.acks):
                break
        clock.now += EVERY
    return ids, rejected, position


def test_each_file_once_in_the_order_of_writing() -> None:
    store, clock = Memory(), Clock()
    store.files = {"in/b.jsonl": (_lines("1", "2"), 7), "in/a/c.jsonl": (_lines("3"), 9), "out/x.jsonl": (b"{}", 1)}
    puller = _puller(store, clock)
    pulled = puller.pull({})
    assert [*pulled.blocks, *pulled.rejected, pulled.acks] == [None]
    ids, rejected, position = _all(puller, clock)
    assert (ids, rejected) == (["1", "2", "3"], [])
    store.files["in/d.jsonl"] = (_lines("4"), 3)
    assert _all(puller, clock, position)[0] == ["4"]
    forget_folders()
    assert _all(puller, clock)[0] == []
    assert _all(_puller(store, clock, "other"), clock)[0] == ["4", "1", "2", "3"]


def test_blocks_say_where_they_are_of() -> None:
    store, clock = Memory(), Clock()
    store.files["in/a.jsonl"] = (_lines("1") + b"{}\n" + _lines("2"), 1_234)
    puller = _puller(store, clock)
    puller.pull({})
    clock.now = EVERY
    (block,) = puller.pull({}).blocks
    assert block.schema.metadata == {b"unit": b"line", b"signal": b"usage", b"file": b"in/a.jsonl"}
    assert block[POSITION].to_pylist() == [1, 2, 3]
    assert block[PUBLISHED].to_pylist() == [1_234] * 3
    assert block[PARTITION].to_pylist() == [""] * 3


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("in/a.jsonl", True),
        ("in/day=1/a.jsonl", True),
        ("in/.a.jsonl", False),
        ("in/_tmp/a.jsonl", False),
        ("in/a.jsonl.part", False),
        ("in/a.jsonl.TMP", False),
        ("in/a.jsonl~", False),
    ],
)
def test_names_of_what_is_half_written(path: str, whole: bool) -> None:
    assert is_whole_by_name("in", path) == whole
    assert is_whole_by_name("_in/.x", f"_in/.x/{path}") == whole


def test_a_file_that_grows_is_not_read() -> None:
    store, clock = Memory(), Clock()
    puller = _puller(store, clock)
    content, position = b"", {}
    for n in range(5):
        content += _lines(str(n))
        store.files["in/a.jsonl"] = (content, n)
        pulled = puller.pull(position)
        position = dict(pulled.position)
        assert [*pulled.blocks, pulled.acks] == [None]
        clock.now += EVERY
    assert _all(puller, clock, position)[0] == list("01234")


def test_a_file_that_changed_after_it_was_read_is_told_once() -> None:
    store, clock = Memory(), Clock()
    store.files["in/a.jsonl"] = (_lines("1"), 1)
    puller = _puller(store, clock)
    _, _, position = _all(puller, clock)
    store.files["in/a.jsonl"] = (_lines("1", "2"), 2)
    ids, rejected, position = _all(puller, clock, position)
    assert (ids, [row["reason"] for row in rejected]) == ([], ["changed_after_read"])
    assert _all(puller, clock, position)[:2] == ([], [])


def _parquet(count: int) -> bytes:
    file = io.BytesIO()
    frame = pl.DataFrame({"id": [str(n) for n in range(count)], "time": [5] * count, "subject": ["a"] * count})
    frame.write_parquet(file, row_group_size=17)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.parquet", _parquet(50)[:-20], "unreadable_file"),
        ("a.avro", b"Obj\x01torn", "unreadable_file"),
        ("a.txt", b"x", "unknown_format"),
        ("a.csv", b"id,time\n1,2\n", "misfit"),
        ("gone.jsonl", b"{}", "file_gone"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_rejection(name: str, content: bytes, reason: str) -> None:
    store, clock = Memory(hidden={"in/gone.jsonl"}), Clock()
    store.files = {f"in/{name}": (content, 1), "in/z.jsonl": (_lines("1"), 2)}
    ids, rejected, position = _all(_puller(store, clock), clock)
    assert ids == ["1"]
    assert [(row["source"], row["position"], row["reason"]) for row in rejected] == [(f"in/{name}", "file", reason)]
    assert _all(_puller(store, clock), clock, position)[:2] == ([], [])


def test_an_empty_file_is_read_too() -> None:
    store, clock = Memory(), Clock()
    store.files = {"in/a.jsonl": (b"", 1), "in/b.csv": (b"", 1)}
    assert _all(_puller(store, clock), clock)[:2] == ([], [])
    assert {*json.loads(store.read(f"in/{NOTES}/g/usage/{1:012d}.json"))} == {"in/a.jsonl", "in/b.csv"}


def test_a_large_file_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_files, "MOST_ROWS", 10)
    monkeypatch.setattr("transforms.streams.folder.MOST_ROWS", 10)
    store, clock = Memory(), Clock()
    store.files = {"in/a.parquet": (_parquet(57), 1), "in/b.jsonl": (_lines(*"xyz"), 2)}
    puller = _puller(store, clock)
    puller.pull({})
    clock.now = EVERY
    pulled = [puller.pull({})]
    for n in range(20):
        clock.now += EVERY
        pulled.append(puller.pull(pulled[-1].position))
        if n % 3 == 2:
            forget_folders()  # another process goes on
    assert max(len(_ids(one)) for one in pulled) == 10
    assert [one for each in pulled for one in _ids(each)] == [*map(str, range(57)), "x", "y", "z"]
    assert [[*each.acks] for each in pulled if each.acks is not None] == [["in/a.parquet", "in/b.jsonl"]]


def test_what_a_failed_read_gave_is_read_again() -> None:
    store, clock = Memory(), Clock()
    store.files["in/a.jsonl"] = (_lines("1"), 1)
    puller = _puller(store, clock)
    first = puller.pull({}).position
    clock.now = EVERY
    assert _ids(puller.pull(first)) == ["1"]
    assert _ids(puller.pull(first)) == ["1"]


def test_a_folder_in_which_nothing_can_be_noted_is_refused() -> None:
    with pytest.raises(
        LoadErrors, match="in/_segone/g/usage: what was read cannot be noted: no\n    let the run write"
    ):
        _puller(Memory(closed=True), Clock()).pull({})


def test_many_notes_become_one() -> None:
    store, clock = Memory(), Clock()
    puller = _puller(store, clock)
    for n in range(80):
        puller.done([{f"in/{n}.jsonl": 5}])
    forget_folders()
    position = puller.pull({}).position
    assert len([path for path in store.files if NOTES in path]) == 1
    assert position["note"] == 80
    forget_folders()
    store.files["in/7.jsonl"] = (_lines("1"), 1)
    assert _all(puller, clock, position)[0] == []


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(1, 4)),
        st.tuples(st.just("pull"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("done"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("back"), st.integers(0, 5), st.booleans()),
    ),
    max_size=25,
)


@given(_steps)
def test_nothing_is_lost_or_read_twice_of_one_line_of_positions(steps: list[tuple[str, Any, Any]]) -> None:
    """Positions may be gone back to: what was read behind them is read again, nothing else is."""
    forget_folders()
    store, clock = Memory(), Clock()
    puller = _puller(store, clock)
    written: list[str] = []
    line: list[tuple[Any, list[str], Any]] = [({}, [], None)]  # positions, the ids up to each, what to acknowledge
    confirmed = 0
    for what, one, two in steps:
        if what == "write":
            ids = [f"{len(written)}.{n}" for n in range(two)]
            store.files[f"in/{one}{len(written)}.jsonl"] = (_lines(*ids), len(written))
            written += ids
        elif what == "pull":
            for _ in range(one):
                pulled = puller.pull(line[-1][0])
                line.append((json.loads(json.dumps(pulled.position)), line[-1][1] + _ids(pulled), pulled.acks))
                clock.now += EVERY
        elif what == "done":
            upto = min(len(line) - 1, confirmed + one)
            puller.done([acks for _, _, acks in line[confirmed + 1 : upto + 1] if acks is not None])
            confirmed = upto
        else:
            line = line[: max(confirmed, len(line) - one - 1) + 1]  # never behind what an engine has made durable
            if two:
                forget_folders()
    for _ in range(4):
        pulled = puller.pull(line[-1][0])
        line.append((pulled.position, line[-1][1] + _ids(pulled), None))
        clock.now += EVERY
    assert sorted(line[-1][1]) == sorted(written)
