"""Commands over the outputs of a run: `explain`, `segments`."""

import json
from typing import Annotated, Literal, cast

import typer

from pipelines.console import failures_told, say
from pipelines.flags import parser
from schemas.durations import parse_instant


def explain(
    out: Annotated[str, typer.Argument(help="The outputs of a run.")],
    subject: Annotated[str, typer.Argument(help="A subscriber's id, or KIND/ID, as household/h1.")],
    at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", parser=parser(parse_instant), help="Up to when; by default to the end."),
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
        say(json.dumps(story.record(), indent=2) if as_json else story.text())


def segments(
    out: Annotated[str, typer.Argument(help="The outputs of a run.")],
    level: Annotated[Literal["subscriber", "household", "sme"] | None, typer.Option(help="Only of these.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell who the members of each segment are: how many, since when, what sets them apart, who came and went.

    segone segments out

    segone segments out --level household --json | jq '.[].stats'
    """
    from pipelines.segments import text_of, who

    with failures_told():
        found = who(out, level)
        say(json.dumps([one.record() for one in found], indent=2, default=str) if as_json else text_of(found))
