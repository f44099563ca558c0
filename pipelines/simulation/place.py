"""Where a simulated town is written: a folder that appears when all is in it, in place of nothing but another town."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, get_args

from pipelines.interrupts import uninterrupted
from pipelines.simulation.files import FileFormat

ABOUT = "simulated.json"

TRUTH = ("subscribers", "households", "smes", "moves", "visitors", "orders", "traits", "acceptance", "late")
"""The tables of the truth, in `truth/*.parquet`."""


def check_place(out_dir: Path, *, replace: bool) -> None:
    """Refuse a folder in use.

    Raises:
        FileExistsError: it is the one we are in, or holds anything; with `replace`, anything but a simulated town.
    """
    if out_dir.resolve() == Path.cwd():
        raise FileExistsError(f"{out_dir} is the folder that you are in: name a new folder for the simulated town")
    found = {path.relative_to(out_dir) for path in out_dir.rglob("*") if out_dir.exists()}
    if foreign := sorted(found - (_town(out_dir) if replace else set())):
        raise FileExistsError(f"{out_dir} holds `{foreign[0]}`: name a new folder for the simulated town")


@contextmanager
def new_folder(out_dir: Path, *, replace: bool) -> Iterator[Path]:
    """Give a hidden folder of its own, which becomes `out_dir` at the end, or is gone.

    Raises:
        FileExistsError: something came into `out_dir` meanwhile.
    """
    place = out_dir.resolve()
    partial, earlier = (place.with_name(f".{place.name}.{token_hex(4)}.{what}") for what in ("partial", "earlier"))
    try:
        partial.mkdir(parents=True)
        yield partial
        check_place(out_dir, replace=replace)
        with uninterrupted():
            if place.exists():
                place.rename(earlier)
            partial.rename(place)
    finally:
        for path in (partial, earlier):
            shutil.rmtree(path, ignore_errors=True)


def _town(out_dir: Path) -> set[Path]:
    """Return what a simulated town consists of, by its own word."""
    about = out_dir / ABOUT
    try:
        said: Any = json.loads(about.read_text("utf-8")) if about.is_file() else None
    except ValueError:
        return set()
    match said:
        case {"simulated": True, "signals": dict(signals)}:
            files = {f"{name}.{ending}" for name in signals for ending in get_args(FileFormat)}
            truth = {f"truth/{name}.parquet" for name in TRUTH}
            return {*map(Path, {ABOUT, "truth", *files, *truth})}
        case _:
            return set()
