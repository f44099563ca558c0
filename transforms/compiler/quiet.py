"""Placeholder."""

from dataclasses import dataclass

from schemas.playbook import Playbook


@dataclass(frozen=True)
class Quiet:
    """Placeholder."""

    channels: tuple[str, ...] = ()


def quiet_of(playbook: Playbook) -> Quiet | None:
    """Placeholder."""
    return None
