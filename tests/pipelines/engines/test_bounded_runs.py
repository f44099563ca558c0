"""A bounded run gives the same files on every engine, in this process, on Prism, on Flink."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pipelines.demo import PLAYBOOK
from pipelines.engines.flink import flink
from pipelines.engines.places import classpath, prism_binary
from pipelines.run import run
from pipelines.settings import RunSettings
from pipelines.simulate import simulate
from schemas.errors import LoadErrors
from schemas.playbook_file import load_playbook

KEY = "0123456789abcdef0123456789abcdef"


@contextmanager
def _prism(folder: Path) -> Iterator[list[str]]:
    prism_binary()
    yield []


@contextmanager
def _flink(folder: Path) -> Iterator[list[str]]:
    classpath("flink")
    with flink(folder, heap=600) as cluster:
        yield cluster.options()


ENGINES: dict[str, Callable[[Path], AbstractContextManager[list[str]]]] = {"prism": _prism, "flink": _flink}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Settings of a run over a town of a hundred for two days, and its outputs in this process."""
    folder = tmp_path_factory.mktemp("town")
    made = simulate(folder / "signals", seed=1, subscribers=100, days=2)
    files = tuple((name, str(made.files[name])) for name in load_playbook(PLAYBOOK).signals)
    settings: dict[str, object] = {
        "playbook": str(PLAYBOOK),
        "signals": files,
        "as_of": int(made.end.timestamp() * 1000),
        "shards": 2,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGONE_PSEUDONYM_KEY", KEY)
        run(RunSettings(**settings, out=str(folder / "direct")))  # type: ignore[arg-type]
        yield {**settings, "out": str(folder / "direct")}


@pytest.mark.parametrize("engine", ["prism", pytest.param("flink", marks=pytest.mark.engines)])
def test_it_writes_the_same_files(engine: str, town: dict[str, object], tmp_path: Path) -> None:
    try:
        with ENGINES[engine](tmp_path / "engine") as options:
            out = tmp_path / "out"
            run(RunSettings(**{**town, "out": str(out)}, engine=engine, beam_options=tuple(options)))  # type: ignore[arg-type]
    except LoadErrors as error:
        if "make engines" not in str(error):
            raise
        pytest.skip(f"NOT RUN: {error}")
    direct = Path(str(town["out"]))
    names = {path.name for path in direct.iterdir()} - {"run.json"}
    assert len(names) > 15
    assert [name for name in sorted(names) if (out / name).read_bytes() != (direct / name).read_bytes()] == []
    told, wanted = (json.loads((folder / "run.json").read_text()) for folder in (out, direct))
    for part in ("signals", "decisions", "groups", "bad_input", "outputs", "end_tick"):
        assert told[part] == wanted[part]
