"""Only regular files are read, up to a bound, and what a playbook names lies in its folder."""

import json
import os
import pickle
import threading
from pathlib import Path

import pytest

from schemas.contracts import contract
from schemas.errors import LoadErrors
from schemas.files import read_beside, read_file
from schemas.playbook import Playbook
from schemas.playbook_file import load_playbook
from schemas.sources import read_sources
from transforms.compiler.load import contracts

BOOK = """
playbook: town
signals: [usage, profile, {meter: NAMED.avsc}]
tables: {tariffs: {key: profile.tariff, file: NAMED.csv}}
models: {churn: {file: NAMED.onnx, inputs: [uses]}}
subscriber: {features: {n: {count: any, from: meter, window: 1h}}}
"""
GOOD = {"csv": b"tariff,a\nflex,1\n", "onnx": b"x", "avsc": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "town"
    made.mkdir()
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "avro" / "usage.avsc").read_text())
    contents = GOOD | {"avsc": json.dumps(schema | {"name": "meter"}).encode()}
    for ending, content in contents.items():
        (made / f"good.{ending}").write_bytes(content)
    return made


def _book(folder: Path, **named: str) -> Path:
    text = BOOK
    for ending in GOOD:
        text = text.replace(f"NAMED.{ending}", named.get(ending, f"good.{ending}"))
    (folder / "town.yaml").write_text(text, "utf-8")
    return folder / "town.yaml"


def _refusal(path: Path) -> str:
    """Load in a thread: what waits for ever fails."""
    told: list[str] = []

    def load() -> None:
        with pytest.raises(LoadErrors) as caught:
            load_playbook(path)
        told.append(str(caught.value))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(20)
    assert told, "it neither loaded nor was refused"
    return told[0]


@pytest.mark.parametrize("ending", list(GOOD))
@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("pipe", "it is no regular file"),
        ("/dev/zero", "it is not within the folder"),
        ("/etc/passwd", "it is not within the folder"),
        ("../outside", "it is not within the folder"),
        ("link_out", "it is not within the folder"),
        ("deep/../../outside", "it is not within the folder"),
        ("link_round", "cannot be read: "),
        ("deep", "it is no regular file"),
        ("huge", "it is larger than "),
        ("gone", "No such file or directory"),
        ('"a\\0b"', "no file can have such a name"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_is_no_file_of_the_playbook_is_refused_unread(folder: Path, ending: str, named: str, told: str) -> None:
    (folder.parent / "outside").write_text("secret")
    os.mkfifo(folder / "pipe")
    (folder / "link_out").symlink_to("../outside")
    (folder / "link_round").symlink_to("link_round")
    (folder / "deep").mkdir()
    with (folder / "huge").open("wb") as stream:
        stream.truncate(9 * 1024 * 1024)
    refused = _refusal(_book(folder, **{ending: named}))
    assert told in refused
    assert "town.yaml:" in refused
    assert "root:" not in refused
    assert "secret" not in refused


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    """As a mounted ConfigMap has it: every file is a link into a folder of the day."""
    (folder / "..data").mkdir()
    _book(folder)
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(folder / "..data" / path.name)
        path.symlink_to(Path("..data") / path.name)
    book = load_playbook(folder / "town.yaml")
    assert book.contents["tariffs"].keys == ("flex",)
    assert read_beside(folder / "town.yaml", "..data/good.csv", 100) == GOOD["csv"]


def test_the_playbook_itself_is_a_file(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, told in ((tmp_path / "pipe", "no regular"), (folder, "no regular"), (Path("/dev/zero"), "no regular")):
        assert f"cannot be read: it is {told} file" in _refusal(path)
        with pytest.raises(LoadErrors, match="it is no regular file"):
            read_sources(path, {})


def test_a_file_of_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    assert read_file(tmp_path / "f", 10) == b"x" * 10
    with pytest.raises(OSError, match="it is larger than 9 bytes"):
        read_file(tmp_path / "f", 9)


def test_contracts_travel_with_the_playbook_and_count_in_its_hash(folder: Path) -> None:
    book = load_playbook(_book(folder))
    plain = (folder / "good.avsc").read_bytes()
    (folder / "good.avsc").write_bytes(plain.replace(b"1000000000000000", b"2000000000000000"))
    other = load_playbook(_book(folder))
    (folder / "good.avsc").unlink()
    there: Playbook = pickle.loads(pickle.dumps(book))
    assert contracts(there)["meter"] == book.contracts["meter"] != contract("usage")
    assert book.content_hash == there.content_hash != other.content_hash
