"""Commands over signals: `run`, `preview`."""

from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.console import failures_told, progress_shown, say, warn
from pipelines.failures import streams_needed
from pipelines.flag_values import local_directory
from pipelines.flags import parser, takes
from pipelines.settings import RunSettings
from schemas.visible import visible

if TYPE_CHECKING:
    from pipelines.report import Report


@takes(RunSettings)
def run(settings: RunSettings) -> None:
    """Run a playbook over signals in files, or over a stream of them.

    segone run playbook.yaml --signals usage='usage/*.parquet' --signals balance=balances.jsonl.gz --out out

    segone run playbook.yaml --signals usage=calls.csv --sources sources.yaml --out out --max-rejected 1%

    segone run playbook.yaml --signals usage=kafka://localhost:9092/usage --out out \
      --publish offers=kafka://localhost:9092/offers
    """
    if settings.streams:
        _stream(settings)
        return
    from pipelines.run import run as run_it
    from pipelines.worth_explaining import worth_explaining

    with failures_told(), progress_shown():
        report = run_it(settings)
    rows = ", ".join(f"{count:,} {name}" for name, count in report.outputs.items())
    say(f"{report.summary()}\n{visible(settings.out)}: {rows}")
    _tell_refusals(report, settings.out, f"{settings.out}/rejected.* say why signals were rejected")
    say("\n".join(["", *worth_explaining(settings.out)]))


def _stream(settings: RunSettings) -> None:
    with failures_told("what was published stays"), streams_needed(), progress_shown() as tell:
        from pipelines.stream import stream

        done = stream(settings, lambda counts: tell(f"streaming: {counts.get(('signals', 'in'), 0):,} signals in"))
    say(done.summary())


def _tell_refusals(report: "Report", out: str, where: str) -> None:
    """Tell why signals were rejected, and loudly if they are most of all."""
    from pipelines.refusals import loudly, refusals

    if report.rejected:
        say(f"{visible(where)}\n{refusals(out)}".rstrip())
    if told := loudly(report):
        warn(told)


@takes(RunSettings, out="", mode="shadow", formats=("parquet",))
def preview(
    settings: RunSettings,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", parser=parser(local_directory), help="Keep the outputs here, for `segone explain`."
        ),
    ] = None,
) -> None:
    """Show what a playbook would have done with history.

    Sizes of segments and moments with samples, offers by day, and how far each offer came through the gates.

    segone preview playbook.yaml --signals usage='usage/*.parquet' --sample 1%

    segone preview playbook.yaml --signals usage='usage/*.parquet' --set low_mb=300 --keep out/try
    """
    from pipelines.preview import preview_of
    from pipelines.published import load_versions
    from pipelines.run import run as run_it

    with failures_told(), TemporaryDirectory() as forgotten:
        out = keep or forgotten
        with progress_shown():
            report = run_it(replace(settings, out=out))
        say(f"{report.summary()}\n\n{preview_of(load_versions(settings.playbook, dict(settings.lets)), out)}")
        _tell_refusals(report, out, "")
