"""Start a server and keep it until interrupted:  python -m pipelines.engines flink|kafka|pubsub [FOLDER].

What a client needs to be told of it is printed. Settings, data and logs go to the folder, by default `out/NAME`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from pipelines.engines.flink import flink
from pipelines.engines.kafka import kafka
from pipelines.engines.pubsub import pubsub
from schemas.errors import LoadErrors


@contextmanager
def _flink(folder: Path) -> Iterator[str]:
    with flink(folder) as one:
        yield f"{' '.join(one.options())}\nits pages: http://{one.jobs.rest}"


@contextmanager
def _kafka(folder: Path) -> Iterator[str]:
    with kafka(folder) as one:
        yield f"kafka://{one.address}/TOPIC"


@contextmanager
def _pubsub(folder: Path) -> Iterator[str]:
    with pubsub(folder) as one:
        yield f"export PUBSUB_EMULATOR_HOST={one.address}"


SERVERS = {"flink": _flink, "kafka": _kafka, "pubsub": _pubsub}


def main(arguments: list[str]) -> int:
    """Start what is named and wait for an interrupt.

    Returns:
        The exit code: 2 for wrong usage, 1 where it does not start.
    """
    if not arguments or arguments[0] not in SERVERS or len(arguments) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    name, folder = arguments[0], Path(*(arguments[1:] or ["out", arguments[0]]))
    try:
        with SERVERS[name](folder.absolute()) as told:
            print(f"{told}\n{name} runs until you press Ctrl-C; logs are in {folder}", flush=True)
            Event().wait()
    except KeyboardInterrupt:
        return 0
    except LoadErrors as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
