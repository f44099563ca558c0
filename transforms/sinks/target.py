"""What publishing to a broker is: messages, and who sends those of one bundle and waits for every acknowledgement."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import NamedTuple, Protocol

TIMEOUT = 120.0
"""Seconds that a broker may be away before a bundle fails: it is then tried again as a whole."""


class NotPublished(RuntimeError):
    """A broker did not acknowledge messages, after retries: which, where, and what to do."""


class Messages(NamedTuple):
    """Messages of one output, in their order.

    Attributes:
        output: Its name.
        content_type: Of the texts.
        texts: UTF-8.
        keys: What keeps its order: those of one key arrive as they were sent.
        ids: Two messages of one output with the same id are the same message.
        traces: What trace each belongs to, as W3C has it; None for none. Empty: none belongs to any.
        attempt: Which try this is, of records that are given again.
    """

    output: str
    content_type: str
    texts: Sequence[bytes]
    keys: Sequence[str]
    ids: Sequence[str]
    traces: Sequence[str | None] = ()
    attempt: int = 1

    def attributes(self) -> Iterator[dict[str, str]]:
        """Yield what each message bears beside its text, as headers or attributes."""
        tried = {"attempt": str(self.attempt)} if self.attempt > 1 else {}
        for id_, trace in zip(self.ids, self.traces or repeat(None, len(self.ids)), strict=True):
            told = {"id": id_, "output": self.output, "content-type": self.content_type, **tried}
            yield told if trace is None else told | {"traceparent": trace}


class Sender(Protocol):
    """Sends the messages of one bundle."""

    def send(self, messages: Messages) -> None:
        """Send, or keep to be sent; waits where too much is under way.

        Raises:
            NotPublished: some did not go out. Nothing more may be sent by this sender.
        """
        ...

    def flush(self) -> None:
        """Return when all that was sent is acknowledged.

        Raises:
            NotPublished: some did not go out. What else was sent may be out.
        """
        ...


class Target(Protocol):
    """Where to publish. It is pickled with the pipeline: clients are made by the first bundle, and kept by process."""

    def open(self) -> Sender:
        """Return what sends the messages of one bundle."""
        ...
