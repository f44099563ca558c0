"""The command `check`: invariants over a playbook, in worlds at random."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.console import failures_told, progress_shown, say


def check(
    playbook: Annotated[str, typer.Argument(help="The playbook file (YAML).")],
    cases: Annotated[int, typer.Option(min=1, help="How many worlds are played.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draws: the same seed, the same worlds.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="STORY", help="Where a counter-example is written; else it is printed.")
    ] = None,
) -> None:
    """Play small worlds at random and check what must hold in all of them: consent, caps, quiet hours and the like.

    What breaks is made small and told as a story that `segone test` plays; the exit code is then 1. What no world
    came to is told as `never exercised`.

    segone check playbook.yaml --cases 200 --out broken.yaml
    """
    from pipelines.check.counter_example import story_text, summary
    from pipelines.check.report import report
    from pipelines.check.search import search
    from schemas.playbook_file import load_playbook

    with failures_told(), progress_shown() as tell:
        book = load_playbook(playbook)
        seen = search(book, cases, seed, tell)
        folder = Path() if out is None else out.parent
        story = None if seen.broken is None else story_text(book, seen.broken, folder)
        if out is not None and story is not None:
            out.write_text(story, "utf-8")
    if seen.broken is None or story is None:
        say(report(seen))
        return
    say(f"broken: {summary(seen.broken)}\n{out} tells it" if out is not None else story)
    raise typer.Exit(1)
