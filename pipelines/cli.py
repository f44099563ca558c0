"""The command line, `segone`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from pipelines.commands.backtest import backtest
from pipelines.commands.check import check
from pipelines.commands.doctor import doctor
from pipelines.commands.outputs import estimate, explain, segments
from pipelines.commands.playbooks import diff, play_stories, publish, schema, validate
from pipelines.commands.replay import replay_rejected
from pipelines.commands.signals import preview, run
from pipelines.commands.top import top
from pipelines.commands.town import answer, demo, simulate
from pipelines.console import traceback_told
from pipelines.thrift import collect_rarely, keep_little_memory
from schemas.visible import visible_values

EXIT_CODES = (
    "Exit codes: 0 done, 1 a mistake in a file or a name, 2 wrong usage, 3 more rejected than --max-rejected, "
    "4 signals lost (a mistake in this program), 130 or 143 interrupted."
)

_WrongUsage: type[Exception] = typer.BadParameter.__bases__[0]  # typer has its own click, and no name for this


class _Commands(TyperGroup):
    """Commands whose wrong usage is told in printable characters: arguments are text of others too."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _visible_usage():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _visible_usage():
            return super().invoke(ctx)


@contextmanager
def _visible_usage() -> Iterator[None]:
    try:
        yield
    except _WrongUsage as error:
        vars(error).update({key: visible_values(value) for key, value in vars(error).items()})
        raise


app = typer.Typer(
    cls=_Commands,
    help="From the raw signals of customers to the right offer at the right time, or none.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
Levels = Literal["debug", "info", "warning", "error"]


@app.callback()
def _logs(
    log_level: Annotated[
        Levels, typer.Option(help="Least level of logs to show.", envvar="SEGONE_LOG_LEVEL")
    ] = "error",
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Logs as one JSON object a line.", envvar="SEGONE_LOG_JSON")
    ] = False,
) -> None:
    from pipelines.logs import configure

    configure(log_level, log_json)


app.command("run")(run)
app.command("preview")(preview)
app.command("replay-rejected")(replay_rejected)
app.command("validate")(validate)
app.command("test")(play_stories)
app.command("check")(check)
app.command("diff")(diff)
app.command("backtest")(backtest)
app.command("publish")(publish)
app.command("explain")(explain)
app.command("segments")(segments)
app.command("estimate")(estimate)
app.command("simulate")(simulate)
app.command("answer")(answer)
app.command("demo")(demo)
app.command("doctor")(doctor)
app.command("top")(top)
app.command("schema")(schema)


def main() -> None:
    """Run the command line."""
    keep_little_memory()
    collect_rarely()
    sys.excepthook = traceback_told
    app(prog_name="segone")
