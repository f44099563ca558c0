"""Model files: what scores are computed by, as they stand beside a playbook."""

import hashlib
from dataclasses import dataclass, field

MAX_BYTES = 8 * 1024 * 1024
"""Larger ones are too large to travel with a playbook."""


@dataclass(frozen=True)
class ModelFile:
    """The content of a model's file.

    Attributes:
        content: All of it.
        version: Hash of it.
    """

    content: bytes = field(repr=False)
    version: str


def model_file(content: bytes) -> ModelFile:
    """Return a model's file; what is in it is looked at where it is used."""
    return ModelFile(content, hashlib.blake2b(content, digest_size=8).hexdigest())
