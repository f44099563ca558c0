"""The command over rejected records: `replay-rejected`."""

from typing import Annotated

import typer

from pipelines.console import failures_told, say
from pipelines.flag_values import local_directory, pair
from pipelines.flags import parser

_Signals = Annotated[
    list[str],
    typer.Option(
        "--signals", metavar="NAME=ADDRESS", help="What was read, as of the run: tells which feed a record is of."
    ),
]
_Out = Annotated[
    str | None,
    typer.Option(metavar="DIR", parser=parser(local_directory), help="Write JSON Lines here, for --signals of a run."),
]
_Publish = Annotated[
    list[str],
    typer.Option(metavar="NAME=ADDRESS", help="The topic of a feed; by default that which --signals names, of Kafka."),
]
_Sources = Annotated[str | None, typer.Option(metavar="FILE", help="How raw columns become signals (YAML).")]
_Most = Annotated[int, typer.Option(min=2, metavar="N", help="Give up after so many tries of a record.")]


def replay_rejected(
    rejected: Annotated[list[str], typer.Argument(help="Files of rejected records, or folders of them.")],
    signals: _Signals,
    out: _Out = None,
    publish: _Publish = [],  # noqa: B006  typer copies it
    sources: _Sources = None,
    most_attempts: _Most = 3,
) -> None:
    """Give rejected signals again, after a map or a source was mended; what was given already counts once.

    segone replay-rejected out/rejected.parquet --signals usage='usage/*.csv' --out again

    segone replay-rejected out/rejected --signals usage=kafka://localhost:9092/usage
    """
    from pipelines.replay_rejected import (
        LEFT,
        judged,
        publish_again,
        read_rejected,
        unknown_feeds,
        write_again,
    )
    from schemas.addresses import Address, parse_address
    from schemas.errors import LoadErrors

    with failures_told("what was published stays"):
        feeds: dict[str, list[Address]] = {}
        for name, text in map(pair, signals):
            feeds.setdefault(name, []).append(parse_address(text))
        topics = {name: parse_address(text, "publish") for name, text in map(pair, publish)}
        if wrong := unknown_feeds(topics, feeds):
            raise LoadErrors(wrong)
        again, left = judged(read_rejected(rejected), feeds, most_attempts)
        if out is not None:
            files = write_again(again, out, sources)
            told = [f"  {file}" for file in files]
        else:
            own = {name: one for name, every in feeds.items() for one in every if one.scheme == "kafka"}
            asked = {one.feed for one in again}
            publish_again(again, {name: one for name, one in (own | topics).items() if name in asked})
            told = []
        say("\n".join([f"{len(again):,} records are given again", *told]))
        say("\n".join(f"{count:,} are not: {LEFT[reason]}" for reason, count in sorted(left.items())))
