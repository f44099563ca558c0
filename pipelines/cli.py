"""The command line, `segone`: thin, and quick to start."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time
from typing import Annotated, Literal, cast

import typer

from pipelines.console import failures_told, progress_shown
from pipelines.flags import takes
from pipelines.settings import RunSettings, instant_text, pair
from pipelines.thrift import collect_rarely, keep_little_memory
from schemas.durations import parse_instant

# Beam, polars and pyarrow are imported by the commands that need them: help and usage errors must be quick.

EXIT_CODES = (
    "Exit codes: 0 done, 1 a mistake in a file or a name, 2 wrong usage, 3 more rejected than --max-rejected, "
    "4 signals lost (a mistake in this program), 130 or 143 interrupted."
)

app = typer.Typer(
    help="From the raw signals of customers to the right offer at the right time, or none.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory to write to.")]
Seed = Annotated[int, typer.Option(help="Of everything random: the same seed gives the same town.")]
Subscribers = Annotated[int, typer.Option(min=100, help="Lines in the town.")]
Days = Annotated[int, typer.Option(min=1, help="Days of signals.")]
Levels = Literal["debug", "info", "warning", "error"]


@app.callback()
def _logs(
    log_level: Annotated[Levels, typer.Option(help="Least level of logs to show.")] = "error",
    log_json: Annotated[bool, typer.Option("--log-json", help="Logs as one JSON object a line.")] = False,
) -> None:
    from pipelines.logs import configure

    configure(log_level, log_json)


@app.command()
@takes(RunSettings)
def run(settings: RunSettings) -> None:
    """Run a playbook over signals in files.

    segone run playbook.yaml --signals usage='usage/*.parquet' --signals balance=balances.jsonl.gz --out out

    segone run playbook.yaml --signals usage=calls.csv --sources sources.yaml --out out --max-rejected 1%
    """
    from pipelines.run import run as run_it

    with failures_told(), progress_shown():
        report = run_it(settings)
    rows = ", ".join(f"{count:,} {name}" for name, count in report.outputs.items())
    typer.echo(f"{report.summary()}\n{settings.out}: {rows}")


@app.command()
@takes(RunSettings, out="", mode="shadow", formats=("parquet",))
def preview(
    settings: RunSettings,
    keep: Annotated[str, typer.Option(metavar="DIR", help="Keep the outputs here, for `segone explain`.")] = "",
) -> None:
    """Show what a playbook would have done with history.

    Sizes of segments and moments with samples, offers by day, and how far each offer came through the gates.

    segone preview playbook.yaml --signals usage='usage/*.parquet' --sample 1%

    segone preview playbook.yaml --signals usage='usage/*.parquet' --set low_mb=300 --keep out/try
    """
    from pipelines.preview import preview_of
    from pipelines.published import load_versions
    from pipelines.run import run as run_it

    with failures_told(), TemporaryDirectory() as directory:
        out = keep or directory
        with progress_shown():
            report = run_it(replace(settings, out=out))
        typer.echo(
            f"{report.summary()}\n\n{preview_of(load_versions(settings.playbook, dict(settings.lets)), out)}", nl=False
        )


@app.command()
def validate(
    playbook: Annotated[str, typer.Argument(help="The playbook file (YAML).")],
    lets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", parser=pair, help="Another value for a name under `let`."),
    ] = None,
) -> None:
    """Tell every mistake in a playbook, or what it says and from when each segment is ready on a cold start.

    segone validate playbook.yaml
    """
    from pipelines.validate import validate as told_of

    with failures_told():
        typer.echo(told_of(playbook, dict(cast("list[tuple[str, str]]", lets or []))), nl=False)


@app.command("test")
def play_stories(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of stories (YAML), or one story.")],
    engines: Annotated[
        str, typer.Option(help="Where they play: core, bounded (a Beam run), stream (a Beam stream).")
    ] = "core",
) -> None:
    """Play stories of customers: signals, watermarks, and what the playbook must make of them.

    segone test stories

    segone test stories/running_out.yaml --engines core,bounded,stream
    """
    from pipelines.stories.play import play_all
    from pipelines.stories.story import ENGINES

    if unknown := [name for name in engines.split(",") if name not in ENGINES]:
        raise typer.BadParameter(f"--engines: `{unknown[0]}` is none of {', '.join(ENGINES)}")
    with failures_told(), progress_shown() as tell:
        played = play_all(path, engines.split(","), tell)
    typer.echo(played.text(), nl=False)
    if played.failed:
        raise typer.Exit(1)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="PLAYBOOK_A", help="The version before.")],
    new: Annotated[str, typer.Argument(metavar="PLAYBOOK_B", help="The version after.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell what changes when one playbook follows another: what it says, what keeps its state, what is ready when.

    segone diff playbooks/town-v6.yaml town.yaml
    """
    from rich.console import Console

    from pipelines.diff import diff as compared
    from pipelines.diff_text import text_of

    with failures_told():
        found = compared(old, new)
        if as_json:
            typer.echo(json.dumps(found.record(), indent=2))
        else:
            Console(soft_wrap=True).print(text_of(found))


@app.command()
def publish(
    playbook: Annotated[str, typer.Argument(help="The playbook file (YAML).")],
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Directory of its versions.")],
    version: Annotated[int | None, typer.Option(min=1, help="Stamp this number into the published file.")] = None,
    effective_from: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", parser=instant_text, help="Stamp when it takes over: 2026-12-01T00:00:00+02:00."
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", parser=parse_instant, help="The time before which nothing may take over."),
    ] = None,
) -> None:
    """Publish the next version of a playbook into a directory that `segone run` takes.

    Refused: a time in the past, a number that is used or lower, a change of a published file, another tick or grace.

    segone publish town.yaml --to playbooks --version 8 --effective-from 2026-12-01T00:00:00+02:00
    """
    from pipelines.publish import publish as published

    stamps = {
        key: value for key, value in (("version", version), ("effective_from", effective_from)) if value is not None
    }
    with failures_told():
        file = published(playbook, to, stamps, int(time() * 1000) if now is None else cast("int", now))
    typer.echo(f"published {file}")


@app.command()
def explain(
    out: Annotated[str, typer.Argument(help="The outputs of a run.")],
    subject: Annotated[str, typer.Argument(help="A subscriber's id, or KIND/ID.")],
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", parser=parse_instant, help="Up to when; by default to the end.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell why a customer got an offer, or did not: context, segments, what happened, decisions and gates.

    segone explain out s00000042

    segone explain out s00000042 --at 2026-12-01T08:00:00+02:00 --json | jq .decisions
    """
    from pipelines.explain import explain as explained

    with failures_told():
        story = explained(out, subject, cast("int | None", at))
        typer.echo(json.dumps(story.record(), indent=2) + "\n" if as_json else story.text(), nl=False)


@app.command()
def segments(
    out: Annotated[str, typer.Argument(help="The outputs of a run.")],
    level: Annotated[Literal["subscriber", "household", "sme"] | None, typer.Option(help="Only of these.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell who the members of each segment are: how many, since when, what sets them apart, who came and went.

    segone segments out

    segone segments out --level household --json | jq '.[].pulse'
    """
    from pipelines.segments import text_of, who

    with failures_told():
        found = who(out, level)
        told = json.dumps([one.record() for one in found], indent=2, default=str) + "\n"
        typer.echo(told if as_json else text_of(found), nl=False)


@app.command()
def simulate(
    out: Out,
    seed: Seed = 1,
    subscribers: Subscribers = 1_000,
    days: Days = 35,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day.")] = datetime(2026, 3, 2),
    file_format: Annotated[
        Literal["parquet", "avro", "jsonl", "csv"], typer.Option("--format", help="Of the signals.")
    ] = "parquet",
    disorder: Annotated[
        float, typer.Option(min=0, max=1, help="Share of signals that come too late, and share that comes twice.")
    ] = 0.0,
) -> None:
    """Make the signals of a town that does not exist, with the truth about it beside them.

    segone simulate --out town --subscribers 20000 --days 28
    """
    from pipelines.simulate import simulate as simulated
    from pipelines.simulate import told

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
    typer.echo(told(town))


@app.command()
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
    typer.echo(text, nl=False)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="`playbook`, `offer`, or a type of signal as `usage`.")] = "playbook",
    reference: Annotated[bool, typer.Option("--reference", help="Playbooks explained, as Markdown.")] = False,
) -> None:
    """Print the JSON Schema of playbooks, for editors, or the Avro contract of offers or of a type of signal.

    segone schema > playbook.schema.json

    segone schema usage
    """
    from pipelines.contracts import schema_text
    from pipelines.reference import playbook_reference

    with failures_told():
        typer.echo(playbook_reference() if reference else schema_text(name), nl=False)


def main() -> None:
    """Run the command line."""
    keep_little_memory()
    collect_rarely()
    app(prog_name="segone")
