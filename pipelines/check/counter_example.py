"""A broken invariant as a story: what happened, and what the playbook made of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.check.search import Broken, day_of
from pipelines.stories.story import Arrival, Signal
from pipelines.stories.times import format_time
from schemas.playbook import Playbook


def story_text(playbook: Playbook, broken: Broken, folder: Path) -> str:
    """Return a story that `segone test` plays from a folder; its `expect` says what the playbook did."""
    day = day_of(broken.world)
    lines = [
        f"# broken: {summary(broken)}",
        f"story: {json.dumps(f'What `segone check` found. It must not be: {broken.says}. {broken.how}')}",
        f"playbook: {json.dumps(os.path.relpath(playbook.file, folder))}",
        f'day: "{day}"',
        "engines: [core]",
        "events:",
    ]
    for event in broken.events:
        if isinstance(event, Arrival):
            lines += ["  - signals:", *(f"      - {_signal(one, day)}" for one in event.signals)]
        else:
            lines.append(f"  - watermark: {json.dumps(format_time(event.time, day))}")
    return "\n".join([*lines, "  - expect:", *_expected(broken)]) + "\n"


def summary(broken: Broken) -> str:
    """Return in a line which invariant is broken, and by which decision."""
    row = broken.row
    who = row["subject"] if row["subject_kind"] == "subscriber" else f"{row['subject_kind']}/{row['subject']}"
    when = format_time(row["tick"], day_of(broken.world))
    return f"{broken.name}: {when} {who}, {row['trigger']}: {broken.how} (decision {row['decision_id'] or 'none'})"


def _signal(one: Signal, day: str) -> str:
    said: dict[str, Any] = {
        one.signal: one.subject,
        "at": format_time(one.time, day),
        "id": one.id,
        "source": one.source,
        "subject_kind": one.subject_kind,
        **one.payload,
    }
    return "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in said.items()) + "}"


def _expected(broken: Broken) -> Iterator[str]:
    for output in ("decisions", "offers"):
        told = broken.played.told[output]
        yield f"      {output}:" + ("" if told else " []")
        yield from (f"        - {json.dumps(line)}" for line in told)
