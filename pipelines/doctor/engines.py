"""Engines on this machine: are they there, and in the version that was tested?"""

import re
import subprocess
from collections.abc import Callable, Iterator

from pipelines.doctor.finding import Finding, missing
from pipelines.engines.places import classpath, java, prism_binary
from pipelines.engines.pubsub import emulator
from pipelines.runner_options import ENGINES, engine_of
from schemas.errors import LoadErrors

JARS = {
    "flink": (r"beam-runners-flink-1\.19-([0-9.]+)\.jar", "2.62.0"),
    "kafka": (r"kafka_2\.13-([0-9.]+)\.jar", "4.1.0"),
}
"""The jar whose version is that of the engine, and the version that was tested."""

_PRISM = re.compile(rb"mod\tgithub\.com/apache/beam/sdks/v2\t(v[0-9.]+)")
_TESTED_PRISM = "v2.77.0"
_JAVA, _OLDEST_JAVA = re.compile(r'version "(\d+)'), 17


def engines(engine: str) -> Iterator[Finding]:
    """Look for every engine and broker; a run on one of them needs that one."""
    chosen = engine_of(engine)
    yield _looked("prism", _prism, needed=chosen is ENGINES["prism"])
    yield _looked("java", _java, needed=False)
    for name in JARS:
        yield _looked(name, lambda name=name: _jars(name), needed=False)  # type: ignore[misc]
    yield _looked("pub/sub emulator", lambda: ("ok", str(emulator())), needed=False)


def _looked(what: str, look: Callable[[], tuple[str, str]], *, needed: bool) -> Finding:
    """Return what a look found: it tells `ok` and a version, or what to do and what is wrong."""
    try:
        hint, told = look()
    except LoadErrors as error:
        return missing(what, error.errors[0].message, error.errors[0].hint, needed=needed)
    return Finding(what, "ok", told) if hint == "ok" else missing(what, told, hint, needed=needed)


def _prism() -> tuple[str, str]:
    found = _PRISM.search(prism_binary().read_bytes())
    told = found[1].decode() if found else "of unknown version"
    return ("ok", told) if told == _TESTED_PRISM else ("`make engines` fetches the one that was tested", told)


def _java() -> tuple[str, str]:
    told = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False).stderr
    found = _JAVA.search(told)
    if found is None or int(found[1]) < _OLDEST_JAVA:
        return f"install Java {_OLDEST_JAVA} or later", (told.splitlines() or ["does not run"])[0]
    return "ok", found[1]


def _jars(engine: str) -> tuple[str, str]:
    pattern, tested = JARS[engine]
    found = re.search(pattern, classpath(engine))
    told = found[1] if found else "of unknown version"
    return (
        ("ok", told) if told == tested else ("`make engines` fetches the one that was tested", f"{told}, not {tested}")
    )
