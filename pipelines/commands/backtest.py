"""The command over two playbooks and signals: `backtest`."""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from pipelines.console import failures_told, progress_shown, say, say_styled, warn
from pipelines.failures import Failure, pages_needed
from pipelines.flag_values import local_directory
from pipelines.flags import parser, takes
from pipelines.settings import RunSettings

if TYPE_CHECKING:
    from pipelines.backtest import Backtest
    from pipelines.backtest_limits import Allowance


def _allowance(text: str) -> Any:
    from pipelines.backtest_limits import Allowance

    return Allowance(text)


def _limit(text: str) -> Any:
    return typer.Option(metavar="X%", parser=parser(_allowance), help=text, rich_help_panel="Limits")


def _arguments_first(command: Callable[..., None]) -> Callable[..., None]:
    """Put the arguments of its own before those of its settings, of which the last takes all that is left."""
    signature = inspect.signature(command)
    each = [*signature.parameters.values()]
    own = [one for one in each if one.name in ("a", "b")]
    rest = [one for one in each if one.name not in ("a", "b")]
    command.__dict__["__signature__"] = signature.replace(parameters=[*own, *rest])
    return command


Page = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a page with tables and pictures, too: needs the extra `pages`."),
]
Kept = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        parser=parser(local_directory),
        help="Keep the outputs of both runs in DIR/a and DIR/b, for `segone explain`; with backtest.json, and "
        "changed.parquet: every decision that is another.",
    ),
]


@_arguments_first
@takes(RunSettings, playbook="", out="", mode="shadow", formats=("parquet",))
def backtest(
    settings: RunSettings,
    a: Annotated[
        str, typer.Argument(metavar="PLAYBOOK_A", help="The playbook (YAML), or the directory of its versions.")
    ],
    b: Annotated[str, typer.Argument(metavar="PLAYBOOK_B", help="The one to compare with it.")],
    max_contacts: Annotated[str | None, _limit("How many more offers B may send than A: +5%.")] = None,
    max_lost_members: Annotated[str | None, _limit("How many of A's members B may lose of any segment: 10%.")] = None,
    max_lost_value: Annotated[str | None, _limit("How much of A's expected value B may lose: 5%.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    html: Page = None,
    out: Kept = None,
) -> None:
    """Run two playbooks over the same history and tell what the second does otherwise.

    Exit codes: 0 within the limits, 1 beyond one, 2 wrong usage or a mistake in a file or a name; 3 and 4 as of `run`.

    segone backtest playbooks/town-v7.yaml town.yaml --signals usage='usage/*.parquet' --max-contacts +5%

    segone backtest a.yaml b.yaml --signals usage=usage.csv --max-lost-members 10% --html page.html --json | jq .offers
    """
    from pipelines.backtest_limits import BeyondLimitsError, Limits

    given = (cast("Allowance | None", each) for each in (max_contacts, max_lost_members, max_lost_value))
    limits = Limits(**dict(zip(("max_contacts", "max_lost_members", "max_lost_value"), given, strict=True)))
    with _mistakes_are_wrong_usage(), failures_told(), TemporaryDirectory() as forgotten:
        found = _found(settings, (a, b), out or forgotten, limits, html)
        _write(found, out)
        _tell(found, as_json)
    with failures_told():
        if found.beyond:
            raise BeyondLimitsError("\n".join(found.beyond))


def _found(settings: RunSettings, books: tuple[str, str], out: str, limits: Any, html: Path | None) -> "Backtest":
    """Return the backtest, once its page is written."""
    from pipelines.backtest import backtest as compare
    from pipelines.backtest import write_at_once

    page = _page_for(html) if html else None
    with progress_shown():
        found = compare(settings, *books, out, limits)
    if html and page:
        write_at_once(html, page(found))
    return found


def _page_for(html: Path) -> "Callable[[Backtest], str]":
    """Return what makes the page; what would keep it from being written is told before the runs begin."""
    if html.is_dir() or not html.parent.is_dir():
        raise Failure(f"--html {html}: {'is a directory' if html.is_dir() else 'there is no such directory'}")
    with pages_needed():
        from pipelines.backtest_page import page_of
    return page_of


def _write(found: "Backtest", out: str | None) -> None:
    from pipelines.backtest import write_at_once

    if out:
        write_at_once(Path(out) / "backtest.json", _json(found) + "\n")
        found.found.changed.write_parquet(Path(out).absolute() / "changed.parquet")


def _tell(found: "Backtest", as_json: bool) -> None:
    from pipelines.backtest_tables import text_of
    from pipelines.refusals import loudly

    if as_json:
        say(_json(found))
    else:
        say_styled(text_of(found))
    for name, side in (("A", found.a), ("B", found.b)):
        if told := loudly(side.report):
            warn(f"{name}: {told}")


def _json(found: "Backtest") -> str:
    return json.dumps(found.record(), indent=2)


@contextmanager
def _mistakes_are_wrong_usage() -> Iterator[None]:
    """Exit with 2 where other commands exit with 1, which here says that a limit is passed."""
    try:
        yield
    except typer.Exit as done:
        raise typer.Exit(2 if done.exit_code == 1 else done.exit_code) from done
