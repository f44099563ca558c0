"""Pub/Sub as an engine reads it itself: which addresses it does, what that cannot do, and what it costs in time."""

import re
from collections.abc import Iterator, Sequence

from pipelines.runner_options import engine_of
from schemas.address_options import OPTIONS
from schemas.addresses import Address

Streams = Sequence[tuple[str, Address]]
"""What is read and does not end, by name."""

_OWN = "or add `own` to its options: then our own reader reads it, as on every other engine"
_WATERMARK = ("idle", "patience")
_PROJECT = re.compile("[a-z][a-z0-9:.-]{4,61}[a-z0-9]")


def is_native(engine: str, address: Address) -> bool:
    """Return whether an engine reads an address itself, and not our own reader."""
    return address.scheme == "pubsub" and engine_of(engine).native_pubsub and not address.options["own"]


def refusals(engine: str, streams: Streams, state_out: str | None) -> Iterator[str]:
    """Yield why what is asked for cannot be had of an engine that reads Pub/Sub itself, and what to do.

    Args:
        engine: As `--engine` takes it.
        streams: What is read and does not end, by name.
        state_out: Where cuts go; None: there are none.
    """
    native = [(name, address) for name, address in streams if is_native(engine, address)]
    for name, address in native:
        where = f"--signals {name}: {engine} reads {address.bare} itself"
        if not _PROJECT.fullmatch(address.hosts[0]):
            yield f"{where}, which knows no project `{address.hosts[0]}`: write its id, as `my-project`"
        if address.options["ends"] is not None:
            yield f"{where}, and tells no end: leave out `ends` and stop the job, {_OWN}"
        if address.options["replay"]:
            yield f"{where} by when it was published, so what is of long ago is late: leave out `replay`, {_OWN}"
        for option in _WATERMARK:
            if address.options[option] != OPTIONS[option].default:
                yield f"{where}, and knows by itself how far it is: leave out `{option}`, {_OWN}"
    if native and state_out is not None:
        names = ", ".join(name for name, _ in native)
        told = f"--state-out: {engine} reads {names} itself, and acknowledges what no cut has: it would be lost"
        yield f"{told}; leave --state-out out and use the engine's own snapshots, {_OWN}"


def lag_of(engine: str, streams: Streams, grace: int) -> int:
    """Return how far the watermark must be behind a tick before anything acts there, milliseconds.

    Args:
        engine: As `--engine` takes it.
        streams: What is read and does not end, by name.
        grace: Of the playbook. 0 is returned where our own reader keeps it behind event times.
    """
    lingers = [address.options["linger"] for _, address in streams if is_native(engine, address)]
    return grace + max(1, *lingers) if lingers else 0
