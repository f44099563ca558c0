"""Where reading of a stream goes on, as Beam's `CheckpointMark`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from apache_beam import coders
from apache_beam.io.unbounded_source import CheckpointMark


class Mark(CheckpointMark):
    """Where reading goes on, and in the process that read also what is to be acknowledged."""

    def __init__(self, state: Mapping[str, Any], finalize: Callable[[], None] | None = None) -> None:
        """Take what `Reading.mark` gave with a `serial`, and what to do when it is durable."""
        self.state = state
        self._finalize = finalize

    def finalize_checkpoint(self) -> None:
        """Acknowledge."""
        if self._finalize is not None:
            self._finalize()


class MarkCoder(coders.Coder):
    """Encodes where reading goes on as JSON, without what is to be acknowledged."""

    def encode(self, value: Mark) -> bytes:
        """Return the state."""
        return json.dumps(value.state, sort_keys=True, separators=(",", ":")).encode()

    def decode(self, encoded: bytes) -> Mark:
        """Return a mark that acknowledges nothing."""
        return Mark(json.loads(encoded))

    def is_deterministic(self) -> bool:
        """Equal states are equal bytes."""
        return True
