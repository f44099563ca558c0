"""Where engines are on this machine: `$SEGONE_ENGINES`, `.engines` here or beside the project, or the PATH."""

import os
import shutil
from pathlib import Path

from schemas.errors import LoadError, LoadErrors

MAKE = "`make engines` fetches it; $SEGONE_ENGINES names the folder where it is, if that is not .engines"


def prism_binary() -> Path:
    """Return the program of Prism.

    Raises:
        LoadErrors: it is not there.
    """
    if found := find("prism"):
        return found
    if on_path := shutil.which("prism"):
        return Path(on_path)
    raise LoadErrors([LoadError("prism", None, "is not on this machine", hint=MAKE)])


def classpath(engine: str) -> str:
    """Return the jars of `flink` or `kafka`, joined by colons.

    Raises:
        LoadErrors: they are not there, or Java is not.
    """
    file = find(f"{engine}.classpath")
    if file is None:
        raise LoadErrors([LoadError(engine, None, "is not on this machine", hint=MAKE)])
    jars = file.read_text("utf-8").strip()
    gone = [jar for jar in jars.split(":") if not Path(jar).exists()]
    if gone:
        raise LoadErrors([LoadError(str(file), None, f"names {gone[0]}, which is gone", hint=MAKE)])
    java()
    return jars


def java() -> str:
    """Return the program of Java: of `$JAVA_HOME`, or on the PATH.

    Raises:
        LoadErrors: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    if found := shutil.which("java", path=f"{home}/bin" if home else None):
        return found
    where = f"is not in JAVA_HOME={home}" if home else "is not on the PATH"
    raise LoadErrors([LoadError("java", None, where, hint="Flink and Kafka need Java 17 or later")])


def find(name: str) -> Path | None:
    """Return the file of that name among the engines, None where there is none."""
    named = os.environ.get("SEGONE_ENGINES")
    ours = Path(__file__).parents[2]
    folders = [Path(named)] if named else [Path(".engines"), ours / ".engines"]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
