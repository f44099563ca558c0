"""What is torn, missing or of somebody else is refused as a whole, with what to do."""

import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from tests.pipelines.small import PLAYBOOK
from transforms.blobs.envelope import LAYOUT
from transforms.save_state import SaveState
from transforms.shell.cuts import Kept
from transforms.shell.starts import newest_start
from transforms.shell.timers import Cuts
from transforms.streams.manifests import BLOBS, BlobFile, Manifest, blob_name, cuts_in, path_of, remove_old
from transforms.streams.whole_files import write_whole

BOOK = parse_playbook(PLAYBOOK)
LATER = parse_playbook(PLAYBOOK.replace("version: 3", "version: 4\neffective_from: 2030-01-01T00:00:00Z"))
TOO_EARLY = parse_playbook(PLAYBOOK.replace("version: 3", "version: 4\neffective_from: 1970-01-01T00:00:00Z"))
OTHER = parse_playbook(PLAYBOOK.replace("500", "600"))
TICK = 10 * BOOK.tick


def manifest_of(directory: Path, tick: int = TICK, **changes: object) -> Manifest:
    """Write a cut of one shard of one stage."""
    content = Kept("0", tick, None, b"state as of %d" % tick).packed()
    name = blob_name("decide_offers", "0", tick, content)
    write_whole(directory / BLOBS / name, content)
    file = BlobFile(name, tick, len(content), zlib.crc32(content))
    of_book = {"grid": BOOK.tick, "levels": (*BOOK.levels,), "feed_timeout": dict(BOOK.feed_timeout)}
    of_files = {"decide_offers/0": file}
    like = Manifest(tick, BOOK.playbook, (BOOK.content_hash,), 4, TICK, LAYOUT, of_files, **of_book)
    made = msgspec.structs.replace(like, **changes)
    write_whole(path_of(str(directory), tick), msgspec.json.encode(made))
    return made


def the_blob(directory: Path) -> Path:
    (path,) = (directory / BLOBS).iterdir()
    return path


def torn_manifest(directory: Path) -> None:
    path = path_of(str(directory), TICK)
    path.write_bytes(path.read_bytes()[:-9])


def torn_blob(directory: Path) -> None:
    the_blob(directory).write_bytes(the_blob(directory).read_bytes()[:-3])


def changed_blob(directory: Path) -> None:
    the_blob(directory).write_bytes(the_blob(directory).read_bytes()[:-1] + b"?")


def of_another_key(directory: Path) -> None:
    made = manifest_of(directory)
    manifest_of(directory, files={"decide_offers/1": made.files["decide_offers/0"]})


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no cut": (lambda d: path_of(str(d), TICK).unlink(), "there is no cut"),
    "half a manifest": (torn_manifest, "this manifest cannot be read"),
    "a manifest of another layout": (lambda d: manifest_of(d, layout=9), "layout 9, and this release reads 1 and 2"),
    "a missing blob": (lambda d: the_blob(d).unlink(), "the state of `decide_offers/0` is missing"),
    "half a blob": (torn_blob, "torn or changed"),
    "a changed blob": (changed_blob, "torn or changed"),
    "a blob of another key": (of_another_key, "it is that of `0`"),
    "another playbook": (lambda d: manifest_of(d, playbook="x"), "the cut is of the playbook `x`"),
    "another content, of the layout before": (
        lambda d: manifest_of(d, versions=(OTHER.content_hash,), layout=1),
        "this cut is of the release before",
    ),
    "another content, with another tick": (
        lambda d: manifest_of(d, versions=(OTHER.content_hash,), grid=7 * BOOK.tick),
        "`tick` is 1m, and 7m in the cut",
    ),
    "another content, and a state that is none": (
        lambda d: manifest_of(d, versions=(OTHER.content_hash,)),
        "not a state of Segment of One",
    ),
    "another key": (lambda d: manifest_of(d, key="x"), "another key of pseudonyms"),
    "states of another layout": (lambda d: manifest_of(d, states=1), "its states have layout 1"),
}


@pytest.mark.parametrize(("spoil", "told"), REFUSED.values(), ids=[*REFUSED])
def test_it_is_refused(tmp_path: Path, spoil: Callable[[Path], object], told: str) -> None:
    manifest_of(tmp_path)
    spoil(tmp_path)
    with pytest.raises(LoadErrors) as refused:
        newest_start(str(tmp_path), Versions((BOOK,)))
    assert told in str(refused.value)
    assert all(error.hint for error in refused.value.errors)


def test_the_newest_is_used_and_no_older_one(tmp_path: Path) -> None:
    older, newer = manifest_of(tmp_path), manifest_of(tmp_path, 2 * TICK)
    assert newest_start(str(tmp_path), Versions((BOOK,))).manifest == newer
    (tmp_path / BLOBS / newer.files["decide_offers/0"].name).unlink()
    with pytest.raises(LoadErrors, match="is missing"):
        newest_start(str(tmp_path), Versions((BOOK,)))
    assert older.tick in cuts_in(str(tmp_path))


def test_a_version_that_follows_is_no_change(tmp_path: Path) -> None:
    manifest_of(tmp_path)
    assert not newest_start(str(tmp_path), Versions((BOOK, LATER))).changed
    with pytest.raises(LoadErrors, match="not a state"):  # one that takes over before the cut is one
        newest_start(str(tmp_path), Versions((BOOK, TOO_EARLY)))


def test_a_manifest_of_the_release_before_can_be_written_and_read(tmp_path: Path) -> None:
    made = manifest_of(tmp_path, layout=1)
    write_whole(path_of(str(tmp_path), TICK), made.encoded())
    assert not {"grid", "key", "levels"} & msgspec.json.decode(made.encoded()).keys()
    assert newest_start(str(tmp_path), Versions((BOOK,))).tick == TICK


def save(directory: str, since: int | None = None) -> SaveState:
    return SaveState(directory=directory, playbook=BOOK, shards=4, cuts=Cuts(1, 1), bounded=False, since=since)


def test_cuts_of_another_run_are_not_mixed(tmp_path: Path) -> None:
    manifest_of(tmp_path)
    with pytest.raises(LoadErrors, match=r"start from it with `--state-in"):
        save(str(tmp_path))
    assert save(str(tmp_path), since=TICK).since == TICK
    with pytest.raises(LoadErrors, match="name a folder, or an address"):
        save("nowhere://bucket/state")


def test_what_no_manifest_names_goes(tmp_path: Path) -> None:
    kept = [manifest_of(tmp_path, number * TICK) for number in range(1, 6)][-3:]
    pending = tmp_path / BLOBS / blob_name("decide_offers", "0", 9 * TICK, b"of a cut to come")
    write_whole(pending, b"of a cut to come")
    (tmp_path / BLOBS / f".decide_offers-aa@{TICK}-00.half").write_bytes(b"half")
    remove_old(str(tmp_path), 3)
    assert cuts_in(str(tmp_path)) == [one.tick for one in kept]
    named = {file.name for one in kept for file in one.files.values()}
    assert {path.name for path in (tmp_path / BLOBS).iterdir()} == named | {pending.name}


def test_nothing_goes_that_a_manifest_of_another_release_may_name(tmp_path: Path) -> None:
    manifest_of(tmp_path, TICK, layout=9)
    manifest_of(tmp_path, 2 * TICK)
    before = {*(tmp_path / BLOBS).iterdir()}
    remove_old(str(tmp_path), 2)
    assert {*(tmp_path / BLOBS).iterdir()} == before


@pytest.mark.parametrize(("every", "fits"), [(1, False), (60, True), (90, False), (120, True)])
def test_cuts_are_multiples_of_the_tick(every: int, fits: bool) -> None:
    if fits:
        assert Cuts(60, every).at(61) == -(-61 // every) * every
    else:
        with pytest.raises(ValueError, match="no multiple of the tick"):
            Cuts(60, every)
