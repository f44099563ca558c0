"""Engines are found where `make engines` puts them, or the error says that it does."""

from pathlib import Path

import pytest

from pipelines.engines.places import classpath, find, java, prism_binary
from schemas.errors import LoadErrors


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of engines, and no programs at all."""
    monkeypatch.setenv("SEGONE_ENGINES", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def test_what_is_missing_is_told_with_what_to_do(engines: Path) -> None:
    for look in (prism_binary, lambda: classpath("flink"), lambda: classpath("kafka")):
        with pytest.raises(LoadErrors, match="make engines"):
            look()
    with pytest.raises(LoadErrors, match="Java 17"):
        java()


def test_prism_is_taken_from_the_path_as_well(engines: Path) -> None:
    (engines / "bin").mkdir()
    (engines / "bin" / "prism").touch(mode=0o755)
    assert prism_binary() == engines / "bin" / "prism"
    (engines / "prism").touch()
    assert prism_binary() == engines / "prism"


def test_a_jar_that_is_gone_is_told(engines: Path) -> None:
    (engines / "kafka.classpath").write_text(f"{engines}/gone.jar")
    with pytest.raises(LoadErrors, match=r"names .*gone\.jar, which is gone"):
        classpath("kafka")


def test_java_home_is_asked_first(engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (engines / "jdk" / "bin").mkdir(parents=True)
    (engines / "jdk" / "bin" / "java").touch(mode=0o755)
    monkeypatch.setenv("JAVA_HOME", str(engines / "jdk"))
    assert java() == str(engines / "jdk" / "bin" / "java")


def test_files_of_engines_are_found_by_name(engines: Path) -> None:
    (engines / "flink.classpath").touch()
    assert find("flink.classpath") == engines / "flink.classpath"
    assert find("nothing") is None
