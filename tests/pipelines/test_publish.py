"""`segone publish`: the next version goes in as it is, and whatever would break a promise is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.failures import BusyError
from pipelines.lock import locked
from pipelines.publish import publish
from pipelines.published import INDEX, load_versions, read_index
from schemas.durations import parse_instant
from schemas.errors import LoadErrors

NOW = parse_instant("2026-11-20T00:00:00Z")
BOOK = """\
# What the town offers
playbook: town
version: 7            # counts up
effective_from: 2026-12-01T00:00:00+02:00
signals: [usage]
subscriber:
  features:
    n: {count: any, from: usage, window: 5m}
"""
VERSION = "version: 7            # counts up\n"
START = "effective_from: 2026-12-01T00:00:00+02:00\n"
NEXT = {"version": 8, "effective_from": "2026-12-08T00:00:00+02:00"}


def _written(directory: Path, *changes: tuple[str, str]) -> str:
    text = BOOK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (directory / "town.yaml").write_text(text, "utf-8")
    return str(directory / "town.yaml")


def _published(directory: Path) -> Path:
    """Return a directory in which version 7 was published."""
    return publish(_written(directory), str(directory / "all"), {}, NOW).parent


def test_the_file_goes_in_as_it_is(tmp_path: Path) -> None:
    directory = _published(tmp_path)
    assert {path.name for path in directory.iterdir()} == {"town-v7.yaml", INDEX}
    assert (directory / "town-v7.yaml").read_text("utf-8") == BOOK


def test_stamps_change_nothing_else(tmp_path: Path) -> None:
    file = publish(_written(tmp_path), str(tmp_path / "all"), NEXT, NOW)
    expected = BOOK.replace("version: 7 ", "version: 8 ").replace("2026-12-01", "2026-12-08")
    assert (file.name, file.read_text("utf-8")) == ("town-v8.yaml", expected)


def test_stamps_go_in_after_the_name_where_the_file_has_none(tmp_path: Path) -> None:
    bare = _written(tmp_path, (VERSION, ""), (START, ""))
    file = publish(bare, str(tmp_path / "all"), NEXT, NOW)
    assert file.read_text("utf-8").splitlines()[1:4] == [
        "playbook: town",
        "version: 8",
        "effective_from: 2026-12-08T00:00:00+02:00",
    ]


def test_a_stamp_may_be_added_and_another_replaced(tmp_path: Path) -> None:
    file = publish(_written(tmp_path, (VERSION, "")), str(tmp_path / "all"), NEXT, NOW)
    assert file.read_text("utf-8") == BOOK.replace(VERSION, "version: 8\n").replace("2026-12-01", "2026-12-08")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "town.yaml:5: `tick`"),
        (((VERSION, ""),), "town.yaml:4: `tick`"),
        (((VERSION, ""), (START, "")), "town.yaml:3: `tick`"),
    ],
)
def test_mistakes_are_told_with_the_lines_of_the_users_file(
    tmp_path: Path, changes: tuple[tuple[str, str], ...], told: str
) -> None:
    directory = _published(tmp_path)
    with pytest.raises(LoadErrors) as caught:
        publish(_written(tmp_path, ("signals:", "tick: 5m\nsignals:"), *changes), str(directory), NEXT, NOW)
    (error,) = caught.value.errors
    assert (str(error).startswith(str(tmp_path / told)), error.quoted) == (True, "tick: 5m")


def test_mistakes_of_what_an_option_gave_are_told_as_its(tmp_path: Path) -> None:
    directory = _published(tmp_path)
    path, stamps = _written(tmp_path, (START, "")), {"version": 6, "effective_from": "2026-11-01T00:00:00Z"}
    with pytest.raises(LoadErrors) as caught:
        publish(path, str(directory), stamps, NOW)
    told = [(error.file, error.line, error.quoted) for error in caught.value.errors]
    assert told == [("--effective-from", None, "2026-11-01T00:00:00Z")] * 2 + [("--version", None, "6")]
    assert "or `--effective-from`" not in str(caught.value)


def test_the_index_tells_what_was_published(tmp_path: Path) -> None:
    directory = _published(tmp_path)
    publish(_written(tmp_path), str(directory), NEXT, NOW)
    assert [(entry.version, entry.file, entry.effective_from) for entry in read_index(directory)] == [
        (7, "town-v7.yaml", "2026-11-30T22:00:00.000Z"),
        (8, "town-v8.yaml", "2026-12-07T22:00:00.000Z"),
    ]
    assert [book.version for book in load_versions(directory).playbooks] == [7, 8]


@pytest.mark.parametrize(
    ("stamps", "changes", "told"),
    [
        ({}, (), "town.yaml:3: `version` 7 does not follow 7"),
        (NEXT | {"version": 6}, (), "--version: `version` 6 does not follow 7"),
        ({"version": 8}, (), "town.yaml:4: `effective_from` is not after that of version 7"),
        (
            NEXT | {"effective_from": "2026-11-01T00:00:00Z"},
            (),
            "--effective-from: `effective_from` is past: it is 2026-11-20",
        ),
        (
            {"version": 8},
            (("2026-12-01", "2026-11-01"),),
            "town.yaml:4: `effective_from` is past: it is 2026-11-20",
        ),
        ({"version": 8}, ((START, ""),), "`effective_from` is missing"),
        (NEXT, (("signals:", "tick: 5m\nsignals:"),), "town.yaml:5: `tick` is 5m, and 1m in"),
        (NEXT, (("signals:", "grace: 5m\nsignals:"),), "town.yaml:5: `grace` is 5m, and 2m in"),
        (NEXT, (("playbook: town", "playbook: village"),), "town.yaml:2: `playbook` is `village`"),
        (NEXT, (("from: usage", "from: usge"),), "did you mean `usage`?"),
        (NEXT, (("[usage]", "[usage, {meter: meter.avsc}]"),), "meter.avsc"),
    ],
)
def test_what_would_break_a_promise_is_refused(
    tmp_path: Path, stamps: dict[str, int | str], changes: tuple[tuple[str, str], ...], told: str
) -> None:
    directory = _published(tmp_path)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(LoadErrors) as caught:
        publish(_written(tmp_path, *changes), str(directory), stamps, NOW)
    assert told in str(caught.value)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_link_in_the_way_keeps_what_is_behind_it(tmp_path: Path) -> None:
    directory = tmp_path / "all"
    directory.mkdir()
    (tmp_path / "precious").write_text("mine")
    (directory / ".town-v7.yaml.partial").symlink_to(tmp_path / "precious")
    _published(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_two_do_not_publish_at_once(tmp_path: Path) -> None:
    directory = _published(tmp_path)
    with locked(directory), pytest.raises(BusyError):
        publish(_written(tmp_path), str(directory), NEXT, NOW)
    assert len(read_index(directory)) == 1


def test_a_first_version_says_when_it_takes_over(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match="`effective_from` is missing"):
        publish(_written(tmp_path, (START, "")), str(tmp_path / "all"), {}, NOW)
    assert not (tmp_path / "all").exists()


def test_a_file_of_one_line_is_not_stamped(tmp_path: Path) -> None:
    (tmp_path / "town.yaml").write_text(json.dumps(load_versions(_written(tmp_path, (START, ""))).first.said), "utf-8")
    for stamps in ({"version": 8}, {"effective_from": "2026-12-08T00:00:00Z"}):
        with pytest.raises(LoadErrors, match=f"town.yaml:1: {next(iter(stamps))} cannot be stamped into this file"):
            publish(str(tmp_path / "town.yaml"), str(tmp_path / "all"), stamps, NOW)


def test_a_contract_stands_beside_the_versions(tmp_path: Path) -> None:
    contract = Path(__file__).parents[2] / "schemas" / "avro" / "usage.avsc"
    (tmp_path / "meter.avsc").write_bytes(contract.read_bytes().replace(b'"usage"', b'"meter"'))
    path = _written(tmp_path, ("[usage]", "[usage, {meter: meter.avsc}]"))
    with pytest.raises(LoadErrors, match=r"`meter\.avsc` does not stand beside the versions"):
        publish(path, str(tmp_path / "all"), {}, NOW)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "meter.avsc").write_bytes((tmp_path / "meter.avsc").read_bytes())
    assert publish(path, str(tmp_path / "all"), {}, NOW).exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("town-v7.yaml", BOOK.replace("window: 5m", "window: 6m"), "town-v7.yaml: was changed after it was published"),
        ("town-v7.yaml", None, "town-v7.yaml: is gone, and version 7 was published in it"),
        ("town-v9.yaml", BOOK.replace("7 ", "9 ").replace("12-01", "12-09"), "town-v9.yaml: was not published"),
        (INDEX, "{}", "is not an index of versions"),
    ],
)
def test_a_directory_that_was_changed_by_hand_is_refused(
    tmp_path: Path, name: str, text: str | None, told: str
) -> None:
    directory = _published(tmp_path)
    if text is None:
        (directory / name).unlink()
        (directory / "town-v8.yaml").write_text(BOOK, "utf-8")
    else:
        (directory / name).write_text(text, "utf-8")
    for use in (lambda: load_versions(directory), lambda: publish(_written(tmp_path), str(directory), NEXT, NOW)):
        with pytest.raises(LoadErrors, match=told):
            use()


def test_comments_may_change_and_lets_be_set(tmp_path: Path) -> None:
    directory = _published(tmp_path)
    (directory / "town-v7.yaml").write_text(
        BOOK.replace("# counts up", "# and up").replace("signals:", "signals: "), "utf-8"
    )
    assert load_versions(directory).first.version == 7
    (tmp_path / "with_let").mkdir()
    (tmp_path / "with_let" / "town.yaml").write_text(BOOK + "let: {low: 3}\n", "utf-8")
    assert load_versions(tmp_path / "with_let", {"low": "4"}).first.let == {"low": "4"}


def test_an_empty_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match="holds no playbook"):
        load_versions(tmp_path)


def test_the_command(tmp_path: Path) -> None:
    path, to = _written(tmp_path), str(tmp_path / "all")
    done = CliRunner().invoke(app, ["publish", path, "--to", to, "--now", "2026-11-20T00:00:00Z"])
    assert (done.exit_code, done.stdout) == (0, f"published {to}/town-v7.yaml\n")
    late = ["publish", path, "--to", to, "--version", "8", "--effective-from", "2020-01-01T00:00:00Z"]
    refused = CliRunner().invoke(app, late)
    assert (refused.exit_code, "is past" in refused.stderr) == (1, True)
    assert CliRunner().invoke(app, [*late[:-1], "tomorrow"]).exit_code == 2
