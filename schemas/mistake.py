"""A mistake in a playbook that its own models cannot see."""

from dataclasses import dataclass

from schemas.yaml_source import KeyPath


@dataclass(frozen=True)
class Mistake:
    """One mistake, at a path of keys and indexes."""

    path: KeyPath
    message: str
    hint: str = ""
