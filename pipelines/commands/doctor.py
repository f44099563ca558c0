"""The command that looks at an environment: `doctor`."""

from typing import Annotated, cast

import typer

from pipelines.console import failures_told, say
from pipelines.flag_values import pair
from pipelines.flags import parser

_ADDRESS = "NAME=ADDRESS"


def doctor(
    playbook: Annotated[
        str | None, typer.Argument(help="The playbook that is to run: what it needs, and whether its ticks fit.")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="What is to run it.")] = "direct",
    signals: Annotated[
        list[str] | None,
        typer.Option(metavar=_ADDRESS, parser=parser(pair), help="What is to be read, as `segone run` takes it."),
    ] = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(metavar=_ADDRESS, parser=parser(pair), help="Where outputs are to go, as `segone run` takes it."),
    ] = None,
    shards: Annotated[int, typer.Option(min=0, max=65_536, help="Of the run; 0: as many as a stream takes here.")] = 0,
) -> None:
    """Tell whether this environment has what a run needs, and what to do where it has not.

    Python and packages, engines, brokers, credentials, the key of pseudonyms, whether live ticks fit into the cores.

    segone doctor playbook.yaml --engine prism --signals usage=kafka://localhost:9092/usage
    """
    from pipelines.doctor.examine import examine
    from pipelines.doctor.finding import table

    read, published = (cast("list[tuple[str, str]]", pairs or []) for pairs in (signals, publish))
    with failures_told():
        try:
            found = list(examine(engine, playbook, read, published, shards))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    say(table(found))
    if any(each.state == "fail" for each in found):
        raise typer.Exit(1)
