"""Where a stream can be told to die: functions of the real program, wrapped while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import pipelines.cuts
from transforms import write_stream
from transforms.shell import context_stage, decision_stage, stream_source
from transforms.shell.resident_shard import ResidentShard
from transforms.sinks.kafka import KafkaSender
from transforms.sinks.pubsub import PubSubSender
from transforms.streams import whole_files
from transforms.streams.kafka import KafkaPuller
from transforms.streams.pubsub import PubSubPuller

Reached = Callable[[str], None]
"""Told the name of a point whenever that is reached."""


class Place(NamedTuple):
    """A function in the program.

    Attributes:
        owner: The class or module.
        name: Of the function there.
    """

    owner: Any
    name: str


@dataclass(frozen=True)
class Point:
    """Where a process may die.

    Attributes:
        places: The functions; one of them is called.
        after: Whether it is reached when they have returned, or when they are called.
        counts: Whether a call counts, by its arguments and what it returned (None where it did not yet).
    """

    places: tuple[Place, ...]
    after: bool = True
    counts: Callable[[tuple[Any, ...], Any], bool] = lambda arguments, returned: True


def _gave(_: tuple[Any, ...], pulled: Any) -> bool:
    return bool(pulled.blocks)


def _hides(kind: str) -> Callable[[tuple[Any, ...], Any], bool]:
    """Return what tells whether a hidden file that is whole is about to get its name."""

    def told(arguments: tuple[Any, ...], _: Any) -> bool:
        return arguments[0].name.startswith(".") and kind in (arguments[0].parent.name, arguments[0].name[1:9])

    return told


def _of(kind: str) -> Callable[[tuple[Any, ...], Any], bool]:
    return lambda arguments, _: kind in (arguments[0].parent.name, arguments[0].name[:8])


_PULL = (Place(KafkaPuller, "pull"), Place(PubSubPuller, "pull"))
_DONE = (Place(KafkaPuller, "done"), Place(PubSubPuller, "done"))
_SEND = (Place(KafkaSender, "send"), Place(PubSubSender, "send"))
_FLUSH = (Place(KafkaSender, "flush"), Place(PubSubSender, "flush"))
_FILE = (Place(write_stream.FileSystems, "rename"),)
_WHOLE = (Place(whole_files, "write_whole"),)

POINTS = {
    "start: the cut was found": Point((Place(pipelines.cuts, "newest_start"),)),
    "start: a shard took its state": Point((Place(ResidentShard, "start"),)),
    "after a pull": Point(_PULL, counts=_gave),
    "before a checkpoint": Point((Place(stream_source.StreamReader, "get_checkpoint_mark"),), after=False),
    "mid bundle": Point((Place(context_stage.ContextStage, "hold"),)),
    "after a state write": Point((Place(context_stage.ContextStage, "advance_to"),)),
    "after a decision": Point((Place(decision_stage.DecisionStage, "decide_at"),)),
    "before publishing": Point(_SEND, after=False),
    "mid publishing": Point(_SEND),
    "after publishing": Point(_FLUSH),
    "before an ack": Point(_DONE, after=False),
    "after an ack": Point(_DONE),
    "before a file has its name": Point(_FILE, after=False),
    "after a file has its name": Point(_FILE),
    "snapshot: before a blob": Point(_WHOLE, after=False, counts=_of("blobs")),
    "snapshot: a blob without its name": Point((Place(Path, "replace"),), after=False, counts=_hides("blobs")),
    "snapshot: after a blob": Point(_WHOLE, counts=_of("blobs")),
    "snapshot: a manifest without its name": Point((Place(Path, "replace"),), after=False, counts=_hides("manifest")),
    "snapshot: after a manifest": Point(_WHOLE, counts=_of("manifest")),
    "snapshot: old files half removed": Point((Place(Path, "unlink"),), counts=_of("blobs")),
}
"""By name."""


def install(name: str, reached: Reached) -> None:
    """Let a point tell when it is reached."""
    point = POINTS[name]
    for owner, attribute in point.places:
        wrapped = _wrapped(getattr(owner, attribute), name, point, reached)
        setattr(owner, attribute, staticmethod(wrapped) if owner is write_stream.FileSystems else wrapped)


def watch(place: Place, told: Callable[[Any, Any], None]) -> None:
    """Tell the arguments and the result of a function whenever it has returned."""
    function = getattr(*place)

    @wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        returned = function(*arguments, **named)
        told(arguments, returned)
        return returned

    setattr(*place, watched)


def _wrapped(function: Any, name: str, point: Point, reached: Reached) -> Any:
    @wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not point.after and point.counts(arguments, None):
            reached(name)
        returned = function(*arguments, **named)
        if point.after and point.counts(arguments, returned):
            reached(name)
        return returned

    return wrapped
