"""What makes the goal of an offer a mistake."""

from collections.abc import Iterator

from schemas.durations import format_duration
from schemas.feature_checks import of_unfit_signal
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_offers import Goal
from schemas.yaml_source import KeyPath


def goal_mistakes(playbook: Playbook, path: KeyPath, goal: Goal) -> Iterator[Mistake]:
    """Yield what a goal says that cannot be; `path` is where it stands."""
    if not goal.signals:
        yield Mistake(path, "no signal type says when it is reached", "name one, as `{order: any, within: 2d}`")
    if len(goal.signals) > 1:
        named = ", ".join(f"`{signal}`" for signal in goal.signals)
        yield Mistake(path, f"a goal is about one signal type, not {named}", "leave one")
    for signal in goal.signals:
        yield from of_unfit_signal((*path, signal), signal)
        if signal not in playbook.signals:
            message = f"`{signal}` is not one of the playbook's `signals`"
            yield Mistake((*path, signal), message, near_miss(signal, playbook.signals))
    if goal.within % playbook.tick:
        told = f"{format_duration(goal.within)} is not a multiple of the tick of {format_duration(playbook.tick)}"
        yield Mistake((*path, "within"), f"`within` {told}")
