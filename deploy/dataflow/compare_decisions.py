"""Decisions on a subscription against those of files: `… DIR --project P --subscription S --until T`.

Exit code 1 if one is missing, or more than in the files. What comes again is the same, and is counted.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

Decision = dict[str, Any]


def compare(wanted: list[Decision], came: list[Decision], until: str) -> tuple[str, bool]:
    """Return what to tell of decisions up to a tick, and whether they are the same, each at least once."""

    def names(decisions: list[Decision]) -> list[tuple[str, str]]:
        end = datetime.fromisoformat(until)
        mine = [each for each in decisions if datetime.fromisoformat(each["tick"]) <= end]
        return [(each["decision_id"], each["action"]) for each in mine]

    want, got = {*names(wanted)}, names(came)
    missing, more = want - {*got}, {*got} - want
    told = f"{len(want):,} wanted, {len({*got}):,} got, {len(got) - len({*got}):,} came again"
    return f"{told}, {len(missing):,} missing, {len(more):,} more", bool(want) and not missing and not more


def pulled(project: str, subscription: str) -> Iterator[Decision]:
    """Yield all that is there now."""
    client = SubscriberClient()
    path = client.subscription_path(project, subscription)
    while True:
        try:
            messages = client.pull(subscription=path, max_messages=1000, timeout=30).received_messages
        except DeadlineExceeded:
            return
        if not messages:
            return
        yield from (json.loads(each.message.data) for each in messages)
        client.acknowledge(subscription=path, ack_ids=[each.ack_id for each in messages])


def main(arguments: list[str]) -> int:
    """Compare, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    for option in ("--project", "--subscription", "--until"):
        parser.add_argument(option, required=True)
    given = parser.parse_args(arguments)
    lines = (given.directory / "decisions.jsonl").read_text().splitlines()
    came = [*pulled(given.project, given.subscription)]
    told, same = compare([json.loads(line) for line in lines], came, given.until)
    print(told)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
