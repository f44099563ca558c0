"""Model files: what scores are computed by, as they stand beside a playbook."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class ModelFile:
    """The content of a model's file.

    Attributes:
        content: All of it.
        version: Hash of it.
    """

    content: bytes = field(repr=False)
    version: str


def read_model(path: Path) -> ModelFile:
    """Read a model's file; what is in it is looked at where it is used.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large to travel with a playbook.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES:,} bytes")
    content = path.read_bytes()
    return ModelFile(content, hashlib.blake2b(content, digest_size=8).hexdigest())
