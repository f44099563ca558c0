"""Commands over the outputs of a run: `explain`, `segments`, `estimate`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from pipelines.console import failures_told, say
from pipelines.failures import pages_needed
from pipelines.flag_values import instant
from pipelines.flags import parser

if TYPE_CHECKING:
    from pipelines.explained import Story


_At = Annotated[
    str | None,
    typer.Option(metavar="INSTANT", parser=parser(instant), help="Up to when; by default to the end."),
]
_Decision = Annotated[
    str | None, typer.Option(metavar="ID", help="Explain this decision, not the last; the first digits will do.")
]
_WhyNot = Annotated[
    str | None, typer.Option(metavar="OFFER", help="Tell only why it did not get that offer, or not again, by then.")
]
_Playbook = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The run's playbook, if it is no longer where the run found it."),
]
_Html = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write it as a page, with a picture of the timeline; needs the extra `pages`."),
]


def explain(
    out: Annotated[str, typer.Argument(help="The outputs of a run.")],
    subject: Annotated[str, typer.Argument(help="A subscriber's id, or KIND/ID, as household/h1.")],
    at: _At = None,
    decision: _Decision = None,
    why_not: _WhyNot = None,
    playbook: _Playbook = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    html: _Html = None,
) -> None:
    """Tell why a customer got an offer, or did not: context, segments, what happened, decisions and gates.

    segone explain out s00000042

    segone explain out s00000042 --at 2026-12-01T08:00:00+02:00 --json | jq .decisions

    segone explain out s00000042 --why-not topup

    segone explain out s00000042 --decision 96b0a5b1 --html s00000042.html
    """
    from pipelines.explain import Question
    from pipelines.explain import explain as explained

    with failures_told():
        question = Question(cast("int | None", at), decision, why_not, playbook)
        story = explained(out, subject, question=question)
        if html is not None:
            _write_page(story, html)
        if as_json or html is None:
            say(json.dumps(story.record(), indent=2) if as_json else story.text())


def _write_page(story: "Story", file: str) -> None:
    """Write a story as a page."""
    with pages_needed():
        from pipelines.explain_story.page import page_of
    Path(file).write_text(page_of(story), "utf-8")


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


def estimate(
    changed: Annotated[str, typer.Argument(metavar="PLAYBOOK_B", help="The changed playbook (YAML).")],
    out: Annotated[str, typer.Argument(help="The outputs of a run of the playbook before the change, A.")],
    outcomes: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="`outcome` signals about its offers, or a pattern of files; repeatable."),
    ],
    playbook: _Playbook = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Tell what a changed playbook would have earned a decision, from a run that explored and its outcomes.

    Both choose among what passed the gates of the run. `policy.explore` in A makes them comparable.

    segone estimate town-b.yaml out --outcomes 'outcomes/*.parquet'
    """
    from pipelines.estimate import estimate as estimated

    with failures_told():
        found = estimated(changed, out, outcomes, playbook)
        say(json.dumps(found.record(), indent=2) if as_json else found.text())
