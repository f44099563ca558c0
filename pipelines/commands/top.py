"""The command `top`."""

from typing import Annotated

import typer

from pipelines.console import failures_told, say_shown, shown_live


def top(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Where workers serve their metrics: HOST:PORT.")],
    once: Annotated[bool, typer.Option("--once", help="Show them once, without rates, and end.")] = False,
) -> None:
    """Show what a running job does now: signals, decisions, lag, and what they grow by each second. Ctrl-C ends it.

    Counts of several workers are added up; of gauges the greatest is shown. docs/metrics.md says what each is.

    segone top localhost:9464 localhost:9465
    """
    from pipelines.top import watched

    with failures_told():
        tables = watched(urls)
        if once:
            say_shown(next(tables))
        else:
            shown_live(tables)
