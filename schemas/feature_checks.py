"""What makes a feature of a playbook a mistake."""

from collections.abc import Iterator

from schemas.durations import format_duration
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, MEMBERS, Feature
from schemas.yaml_source import KeyPath

OF_MEMBERS = ("count", "sum", "min", "max", "mean", "distinct")
"""The aggregates that members, who have no order, can have."""


def feature_mistakes(playbook: Playbook, path: KeyPath, feature: Feature) -> Iterator[Mistake]:
    """Yield what a feature says that cannot be; `path` is where it stands."""
    if feature.from_ == MEMBERS and path[0] in GROUPS:
        yield from _of_members(playbook, path, feature)
        return
    yield from of_unfit_signal((*path, "from"), feature.from_)
    if feature.from_ not in playbook.signals:
        message = f"`from: {feature.from_}` is not one of the playbook's `signals`"
        yield Mistake((*path, "from"), message, near_miss(feature.from_, playbook.signals))
    if feature.column == "any" and feature.aggregate not in ("count", "seconds_since_last"):
        message = (
            f"`{feature.aggregate}: any` has no column to work on; only `count` and `seconds_since_last` take `any`"
        )
        yield Mistake((*path, feature.aggregate), message)
    if feature.window is None:
        yield from _without_window(path, feature)
    else:
        yield from _grid(playbook, path, feature)


def of_unfit_signal(path: KeyPath, signal: str) -> Iterator[Mistake]:
    """Yield that a feature, or a step, cannot be about a signal type at the level in which it stands."""
    if signal == "erasure":
        yield Mistake(path, "nothing is computed from `erasure` signals", "they act on their own")
    if signal == "membership" and path[0] in GROUPS:
        yield Mistake(
            path, "`membership` signals are about subscribers", f"a {path[0]} sees those it has `from: members`"
        )


def _of_members(playbook: Playbook, path: KeyPath, feature: Feature) -> Iterator[Mistake]:
    of_member = playbook.subscriber.features.get(feature.column)
    if of_member is not None and of_member.aggregate == "seconds_since_last":
        told = f"`{feature.column}` of members changes with time alone"
        yield Mistake(
            (*path, feature.aggregate), told, f"count members by a derived value, as `{feature.column} > 3600`"
        )
    if feature.aggregate not in OF_MEMBERS:
        told = f"`{feature.aggregate}` of members is not known; they have no order"
        yield Mistake((*path, feature.aggregate), told, f"use one of {', '.join(OF_MEMBERS)}")
    if feature.inferred:
        told = "`inferred` is said of features from signals: members' own are NULL without their consent"
        yield Mistake((*path, "inferred"), told, "leave it out")
    for key in ("window", "offset"):
        if getattr(feature, key):
            yield Mistake((*path, key), "members are taken as they are now", f"leave out `{key}`")


def _without_window(path: KeyPath, feature: Feature) -> Iterator[Mistake]:
    if feature.aggregate != "last":
        yield Mistake(path, f"`{feature.aggregate}` needs a `window`", "only `last` may go without")
    elif feature.offset:
        yield Mistake((*path, "offset"), "`offset` needs a `window`")


def _grid(playbook: Playbook, path: KeyPath, feature: Feature) -> Iterator[Mistake]:
    """Tick divides pane, pane divides window and offset; an exact window has the tick for a pane."""
    grid = feature.pane or playbook.tick
    told = f"the {'pane' if feature.pane else 'tick'} of {format_duration(grid)}"
    for key, length in (("window", feature.window), ("offset", feature.offset)):
        if length and length % grid:
            message = f"`{key}` {format_duration(length)} is not a multiple of {told}"
            below = length // grid * grid
            near = [format_duration(multiple) for multiple in (below, below + grid) if multiple]
            yield Mistake((*path, key), message, f"use {' or '.join(near)}")
    if grid % playbook.tick:
        message = f"`tick` {format_duration(playbook.tick)} does not divide {told} that a window so long needs"
        yield Mistake((*path, "window"), message, "choose a `tick` that does")
