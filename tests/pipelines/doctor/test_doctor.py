"""What an environment lacks is told with what to do, and fails only what was asked for."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.doctor.brokers import broker
from pipelines.doctor.capacity import capacity, stages_of
from pipelines.doctor.dataflow import dataflow
from pipelines.doctor.engines import engines
from pipelines.doctor.examine import key
from pipelines.doctor.finding import Finding, table
from pipelines.doctor.packages import packages, pinned, versions
from pipelines.engines.children import free_port
from schemas.playbook_file import load_playbook
from tests.pipelines.small import PLAYBOOK

TOWN = "examples/fibre_town/playbook.yaml"


def test_this_environment_is_as_pinned() -> None:
    assert [each.state for each in packages()] == ["ok", "ok"]


def test_pins_are_read_with_their_extras_and_markers() -> None:
    text = "apache-beam[gcp]==2.77.0 \\\n    --hash=sha256:00\nnumpy==2.2.1 ; python_version < '3.13' \\\n# via x\n"
    assert pinned(text) == {"apache-beam": "2.77.0", "numpy": "2.2.1"}


def test_another_version_is_told_and_a_missing_package_fails() -> None:
    found = {each.what: each for each in versions(["pytest", "no-such-package"], {"pytest": "0.1"})}
    assert found["pytest"].state == "warn"
    assert found["pytest"].told.endswith("tested with 0.1")
    assert found["no-such-package"].state == "fail"


@pytest.mark.parametrize(("engine", "state"), [("direct", "warn"), ("prism", "fail")])
def test_an_engine_that_is_not_there_fails_who_needs_it(
    engine: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_ENGINES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {each.what: each for each in engines(engine)}
    assert found["prism"].state == state
    assert "make engines" in found["prism"].hint
    assert {found[name].state for name in ("java", "flink", "kafka", "pub/sub emulator")} == {"warn"}


def test_dataflow_tells_what_it_refuses_and_what_it_asks_for() -> None:
    found = [
        *dataflow([("usage", "pubsub://a-project/usage?ends=5s"), ("order", "pubsub://a-project/order?replay&own")])
    ]
    assert [(each.what, each.state) for each in found] == [("--signals usage", "fail"), ("dataflow", "warn")]
    assert "leave out `ends`" in found[0].told
    assert "--project, --region, --temp_location" in found[1].told


def test_an_engine_of_another_version_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGONE_ENGINES", str(tmp_path))
    (tmp_path / "prism").write_bytes(b"..mod\tgithub.com/apache/beam/sdks/v2\tv2.70.0\th1:..")
    prism = next(each for each in engines("direct") if each.what == "prism")
    assert (prism.state, prism.told) == ("warn", "v2.70.0")


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port at which somebody listens who says nothing."""
    with socket.create_server(("localhost", 0)) as one:
        yield one.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("kafka://localhost:{closed}/usage", "nobody answers at localhost:{closed}"),
        ("kafka://localhost:{deaf},localhost:{closed}/usage", "nobody answers at localhost:{closed}"),
        ("kafka://localhost/usage", "nobody answers at localhost"),
        ("pubsub://project/usage", "no emulator answers at localhost:{closed}"),
    ],
)
def test_a_broker_that_does_not_answer_fails(
    address: str, told: str, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = free_port()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"localhost:{closed}")
    (found,) = broker("usage", address.format(closed=closed, deaf=deaf), "read")
    assert (found.state, found.told) == ("fail", told.format(closed=closed))
    assert found.hint


def test_secrets_of_an_address_are_not_told() -> None:
    (found,) = broker("usage", f"kafka://localhost:{free_port()}/usage?client.sasl.password=hush", "read")
    assert "hush" not in table([found])


def test_files_are_left_to_the_run() -> None:
    assert [*broker("usage", "data/*.parquet", "read")] == []


def test_credentials_are_looked_for_where_there_is_no_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    (found,) = broker("usage", "pubsub://project/usage", "read")
    assert (found.state, found.told) == ("fail", "cannot be asked without credentials")
    assert "gcloud auth application-default login" in found.hint


@pytest.mark.parametrize(
    ("held", "playbook", "state"),
    [("", None, "warn"), ("", TOWN, "fail"), ("short", TOWN, "fail"), ("0123456789abcdef", TOWN, "ok")],
)
def test_the_key_is_needed_where_erasures_are_read(
    held: str, playbook: str | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", held)
    assert key(None if playbook is None else load_playbook(Path(playbook))).state == state


@pytest.mark.parametrize(
    ("shards", "tick", "state"), [(2, "1m", "ok"), (600, "1m", "ok"), (1800, "1m", "warn"), (2400, "1m", "fail")]
)
def test_calls_must_fit_into_a_tick(shards: int, tick: str, state: str, tmp_path: Path) -> None:
    (tmp_path / "playbook.yaml").write_text(PLAYBOOK.replace("tick: 1m", f"tick: {tick}"))
    book = load_playbook(tmp_path / "playbook.yaml")
    assert stages_of(book) == ("track_subscribers", "decide_offers")
    found = capacity(book, shards, cores=2)
    assert found.state == state
    assert bool(found.hint) == (state != "ok")


def test_all_stages_of_a_playbook_count() -> None:
    assert stages_of(load_playbook(Path(TOWN))) == ("track_subscribers", "track_groups", "decide_offers")


def test_the_table_ends_with_the_counts() -> None:
    told = table([Finding("python", "ok", "3.12"), Finding("key", "warn", "is not set", "set it")])
    assert told.splitlines() == [
        "ok    python  3.12",
        "warn  key     is not set",
        "              set it",
        "",
        "1 ok, 1 warn, 0 fail",
    ]


def test_the_command_exits_with_1_where_something_needed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGONE_PSEUDONYM_KEY", "0123456789abcdef")
    runner = CliRunner()
    assert runner.invoke(app, ["doctor", TOWN]).exit_code == 0
    told = runner.invoke(app, ["doctor", TOWN, "--signals", f"usage=kafka://localhost:{free_port()}/usage"])
    assert told.exit_code == 1
    assert "nobody answers" in told.stdout
    assert runner.invoke(app, ["doctor", "--engine", "spark"]).exit_code == 2
