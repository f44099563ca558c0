"""Commands over playbooks: `validate`, `test`, `diff`, `publish`, `schema`."""

import json
from pathlib import Path
from time import time
from typing import Annotated, cast

import typer

from pipelines.console import failures_told, progress_shown, say, say_styled
from pipelines.flag_values import instant, instant_text, local_directory, pair
from pipelines.flags import parser
from schemas.visible import visible


def validate(
    playbook: Annotated[str, typer.Argument(help="The playbook file (YAML).")],
    lets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", parser=parser(pair), help="Another value for a name under `let`."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for mistakes.")] = False,
) -> None:
    """Tell every mistake in a playbook, or what it says, from when each segment is ready, and what is seldom meant.

    All keys and functions of playbooks are explained by `segone schema --reference`.

    segone validate playbook.yaml
    """
    from pipelines.validate import validate as told_of

    with failures_told():
        given = dict(cast("list[tuple[str, str]]", lets or []))
        say(told_of(playbook, given, strict=strict))


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
    say(played.text())
    if played.failed:
        raise typer.Exit(1)


def diff(
    old: Annotated[str, typer.Argument(metavar="PLAYBOOK_A", help="The version before.")],
    new: Annotated[str, typer.Argument(metavar="PLAYBOOK_B", help="The version after.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell what changes when one playbook follows another: what it says, what keeps its state, what is ready when.

    segone diff playbooks/town-v6.yaml town.yaml
    """
    from pipelines.diff import diff as compared
    from pipelines.diff_text import text_of

    with failures_told():
        found = compared(old, new)
        if as_json:
            say(json.dumps(found.record(), indent=2))
        else:
            say_styled(text_of(found))


def publish(
    playbook: Annotated[str, typer.Argument(help="The playbook file (YAML).")],
    to: Annotated[
        str, typer.Option("--to", metavar="DIR", parser=parser(local_directory), help="Directory of its versions.")
    ],
    version: Annotated[int | None, typer.Option(min=1, help="Stamp this number into the published file.")] = None,
    effective_from: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT", parser=parser(instant_text), help="Stamp when it takes over: 2026-12-01T00:00:00+02:00."
        ),
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", parser=parser(instant), help="The time before which nothing may take over."),
    ] = None,
) -> None:
    """Publish the next version of a playbook into a directory that `segone run` takes.

    Refused: a past time, a number that is used or lower, a changed published file, another tick, grace or feed_timeout.

    Contracts of one's own, tables and models lie in the directory first.

    segone publish town.yaml --to playbooks --version 8 --effective-from 2026-12-01T00:00:00+02:00
    """
    from pipelines.publish import publish as published

    stamps = {
        key: value for key, value in (("version", version), ("effective_from", effective_from)) if value is not None
    }
    with failures_told():
        file = published(playbook, to, stamps, int(time() * 1000) if now is None else cast("int", now))
    say(f"published {visible(file)}")


def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="`playbook`, `offer`, or a type of signal as `usage`; "
            "`flex_template`, `metrics`, `tables` for who operates it."
        ),
    ] = "playbook",
    reference: Annotated[bool, typer.Option("--reference", help="Playbooks explained, as Markdown.")] = False,
) -> None:
    """Print the JSON Schema of playbooks, for editors, or the Avro contract of offers or of a type of signal.

    segone schema > playbook.schema.json

    segone schema usage
    """
    from pipelines.contracts import schema_text
    from pipelines.reference import playbook_reference

    with failures_told():
        say(playbook_reference() if reference else schema_text(name))
