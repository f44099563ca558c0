"""Commands over a town that does not exist: `simulate`, `answer`, `demo`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.console import failures_told, progress_shown, say
from pipelines.flag_values import local_directory
from pipelines.flags import parser

FIRST_YEAR, LAST_YEAR = 1970, 2099
"""In which a town may begin: a run takes no times before, and none so far ahead."""


def _directory(text: str) -> Path:
    if Path(local_directory(text)).is_file():
        raise ValueError(f"`{text}` is a file: name a directory")
    return Path(text)


Out = Annotated[Path, typer.Option("--out", metavar="DIR", parser=parser(_directory), help="Directory to write to.")]
Seed = Annotated[int, typer.Option(help="Of everything random: the same seed gives the same town.")]
Subscribers = Annotated[int, typer.Option(min=100, help="Lines in the town.")]
Days = Annotated[int, typer.Option(min=1, help="Days of signals.")]


Format = Annotated[Literal["parquet", "avro", "jsonl", "csv"], typer.Option("--format", help="Of the signals.")]


def simulate(
    out: Out,
    seed: Seed = 1,
    subscribers: Subscribers = 1_000,
    days: Days = 35,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day.")] = datetime(2026, 3, 2),
    file_format: Format = "parquet",
    disorder: Annotated[
        float, typer.Option(min=0, max=1, help="Share of signals that come too late, and share that comes twice.")
    ] = 0.0,
) -> None:
    """Make the signals of a town that does not exist, with the truth about it beside them.

    segone simulate --out town --subscribers 20000 --days 28
    """
    from pipelines.simulate import simulate as simulated
    from pipelines.simulate import told

    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        raise typer.BadParameter(f"--start: must be from {FIRST_YEAR} to {LAST_YEAR}")
    with failures_told(), progress_shown() as tell:
        town = simulated(
            out,
            seed=seed,
            subscribers=subscribers,
            days=days,
            start=start.date(),
            file_format=file_format,
            disorder=disorder,
            on_day=lambda day: tell(f"simulating: {day} of {days} days"),
        )
    say(told(town))


def answer(
    run: Annotated[Path, typer.Argument(metavar="OUT", help="The outputs of a run over the town.")],
    town: Annotated[Path, typer.Option(metavar="DIR", help="The town: what `segone simulate` wrote.")],
    out: Out,
    file_format: Format = "parquet",
) -> None:
    """Answer the offers of a run as the people of a simulated town would: `contact` and `outcome` signals.

    The next run takes them in. An offer that it makes again is answered in the same way.

    segone answer out/demo/run --town out/demo/signals --out out/demo/answers

    segone run playbook.yaml ... --signals contact=out/demo/answers/contact.parquet \
      --signals outcome=out/demo/answers/outcome.parquet
    """
    from pipelines.answer import answer as answered

    with failures_told():
        say(answered(run, town, out, file_format=file_format))


def demo(out: Out, seed: Seed = 1, subscribers: Subscribers = 1_000, days: Days = 35) -> None:
    """Simulate a town, run its playbook over it, and tell what came of it.

    segone demo --out out/demo
    """
    from pipelines.demo import demo as demonstrated

    with failures_told(), progress_shown() as tell:
        text = demonstrated(
            out,
            seed=seed,
            subscribers=subscribers,
            days=days,
            on_day=lambda day: tell(f"simulating: {day} of {days} days"),
        )
    say(text)
