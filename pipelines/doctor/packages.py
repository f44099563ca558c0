"""Python and the packages: are they those that this version was tested with?"""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from pipelines.doctor.finding import Finding, missing

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
_REQUIREMENTS = Path(__file__).parents[2] / "deploy" / "requirements.txt"
_SETUP = "`make setup` makes .venv as it should be"


def packages() -> Iterator[Finding]:
    """Look at the version of Python and at each package that we name as needed."""
    told, fits = sys.version.split()[0], (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", "ok", told) if fits else Finding("python", "fail", told, "use 3.11, 3.12 or 3.13")
    pins = pinned(_REQUIREMENTS.read_text("utf-8")) if _REQUIREMENTS.exists() else {}
    needed = [text for text in requires("segment-of-one") or [] if "extra ==" not in text]
    yield from versions([name[0] for text in needed if (name := _NAME.match(text))], pins)


def pinned(requirements: str) -> dict[str, str]:
    """Return the version of each package in a file of requirements."""
    return dict(_PINNED.findall(requirements))


def versions(names: list[str], pins: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which packages are missing or others than pinned; where all is well in one line."""
    wrong = []
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            wrong.append(missing(name, "is not installed", _SETUP, needed=True))
            continue
        if found != pins.get(name, found):
            wrong.append(missing(name, f"{found}, tested with {pins[name]}", _SETUP, needed=False))
    yield from wrong
    if not wrong:
        yield Finding("packages", "ok", f"{len(names)}, {'as pinned' if pins else 'no pins to compare them with'}")
