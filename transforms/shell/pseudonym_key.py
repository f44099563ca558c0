"""The key of pseudonyms, from the environment: it never travels with a pipeline, and is never written."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b

from schemas.errors import LoadErrors
from schemas.sources import Source

KEY_VARIABLE = "SEGONE_PSEUDONYM_KEY"

LEAST, MOST = 16, 64
"""Bytes of a key; BLAKE2b takes no more."""


def key_in_environment() -> bytes:
    """Return the key, empty if there is none."""
    return os.environ.get(KEY_VARIABLE, "").encode()


def fingerprint() -> str:
    """Return by what the key is known, and not guessed; empty if there is none."""
    key = key_in_environment()
    return blake2b(key=key[:MOST], digest_size=8, person=b"fingerprint").hexdigest() if key else ""


@contextmanager
def key_at_hand(other: str) -> Iterator[None]:
    """Have a key in the environment: the one that is set, else another for as long as this lasts."""
    if key_in_environment():
        yield
        return
    os.environ[KEY_VARIABLE] = other
    try:
        yield
    finally:
        del os.environ[KEY_VARIABLE]


def pseudonym_key(sources: Mapping[str, Source]) -> bytes:
    """Return the key; empty if no source needs one: none hides a field, none tells of erasures.

    Raises:
        LoadErrors: it is needed and not set, or too short or too long.
    """
    hiding = [(source, "pseudonymise") for source in sources.values() if source.config.pseudonymise]
    erasing = [(source, "erasure") for source in sources.values() if source.contract.name == "erasure"]
    needing, key = [*hiding, *erasing], key_in_environment()
    if needing and not LEAST <= len(key) <= MOST:
        message = f"the environment variable {KEY_VARIABLE} must hold a key of {LEAST} to {MOST} bytes"
        hint = f"export {KEY_VARIABLE}=$(openssl rand -hex 32), and keep it: another key gives other pseudonyms"
        raise LoadErrors([source.error((section,), message, hint=hint) for source, section in needing])
    return key if needing else b""
