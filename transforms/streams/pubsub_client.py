"""One subscription of Pub/Sub in one process: pulls side by side, leases of what is open, acknowledgements."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.errors import LoadErrors
from transforms.streams.feed import Message, number_of
from transforms.streams.leases import Leases
from transforms.streams.pubsub_service import FAILURES, SOON, Sent, Service, lasts
from transforms.streams.pull import MOST_ROWS

PULLS = 4
LEASE, MARGIN, EVERY = 20, 12.0, 3.0
"""Seconds: of a lease, before whose end it is renewed, and between renewals."""

HOLD = 3_600.0
"""Seconds after which an open message is left to others."""

QUIET = 10.0
"""Seconds after which nothing is pulled ahead if nobody reads."""

PATIENCE = 60.0
"""Seconds for the first answer of a service."""

_NONE: Mapping[str, str] = {}
_log = logging.getLogger(__name__)


class PubSubClient:
    """Pulls messages while somebody reads, and holds them until they are done; safe between threads."""

    def __init__(self, address: str, subscription: str) -> None:
        """Start to pull; arguments and errors as of `Service`."""
        self._address, self._service = address, Service(address, subscription)
        self._name, self._pull = uuid.uuid4().hex[:12], 0
        self._more = threading.Condition()
        self._waiting: deque[tuple[str, Message]] = deque()
        self._leases = Leases(MARGIN, HOLD)
        self._unsent: list[str] = []
        self._failed: LoadErrors | None = None
        self._asked = self._made = self._told = self._answered = time.monotonic()
        self._heard = self._closed = self._failing = False
        for run in [self._pull_on] * PULLS + [self._renew_on]:
            threading.Thread(target=run, daemon=True, name=f"{subscription} {run.__name__}").start()

    def read(self, position: Mapping[str, Any], linger: int) -> tuple[list[Message], list[str], Mapping[str, Any]]:
        """Return messages that are there or come soon, at most `MOST_ROWS`, their ack ids, and where to go on.

        Args:
            position: What was returned before. What this process gave out behind it is lost to whoever reads now, so
                it is given back to the service, which sends it again.
            linger: Milliseconds to wait for more.

        Raises:
            LoadErrors: no such subscription, no access, or no service since the process began.
        """
        with self._more:
            behind = int(position.get("pull", 0)) if position.get("reader") == self._name else 0
            back = self._leases.take_back(behind)
            self._asked = time.monotonic()
            self._more.notify_all()
            self._more.wait_for(lambda: len(self._waiting) >= MOST_ROWS or self._failed is not None, linger / 1_000)
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            given = [self._waiting.popleft() for _ in range(min(MOST_ROWS, len(self._waiting)))]
            self._pull += bool(given)
            acks = self._leases.give([name for name, _ in given], self._pull)
        self._heed(self._service.lease(back, 0))
        return [message for _, message in given], acks, {"reader": self._name, "pull": self._pull}

    @property
    def answers(self) -> bool:
        """Whether the service said something lately, be it that there is nothing."""
        return not self._failing and time.monotonic() - self._answered < EVERY + SOON

    @property
    def age(self) -> float:
        """Milliseconds since it was made."""
        return 1_000 * (time.monotonic() - self._made)

    def acknowledge(self, acks: Sequence[str]) -> None:
        """Acknowledge; what an outage keeps from it is sent later."""
        with self._more:
            ids = [*self._unsent, *self._leases.done(acks)]
            self._unsent = []
        sent = self._service.acknowledge(ids)
        self._heed(sent)
        with self._more:
            self._unsent += sent.unsent

    def close(self) -> None:
        """Give everything back that is open, and stop."""
        with self._more:
            self._closed = True
            self._leases.give([name for name, _ in self._waiting], self._pull + 1)
            back = self._leases.take_back(-1)
            self._more.notify_all()
        self._service.lease(back, 0)
        self._service.close()

    def _pull_on(self) -> None:
        """Pull as long as there is room and somebody reads."""
        pause = 0.1
        while self._wait_for_readers():
            try:
                self._receive(self._service.pull())
                pause = 0.1
            except FAILURES as error:
                self._note(error)
                time.sleep(pause)
                pause = min(2 * pause, 5.0)

    def _wait_for_readers(self) -> bool:
        """Wait until messages are wanted; return whether they are, not at the end."""

        def wanted() -> bool:
            return self._closed or (len(self._waiting) < MOST_ROWS and time.monotonic() - self._asked < QUIET)

        with self._more:
            self._more.wait_for(wanted)
            return not self._closed

    def _receive(self, received: Sequence[Any] | None) -> None:
        """Let new messages wait for a reader; one that is open already is only renewed."""
        if received is None:
            return
        now = time.monotonic()
        with self._more:
            self._hear()
            for each in received:
                name = each.message.message_id
                if self._leases.take(name, each.ack_id, now):
                    self._waiting.append((name, _message(each.message)))
            self._more.notify_all()

    def _ask_if_silent(self) -> None:
        """Tell a service that has no messages from one that hangs: only the first answers when it is asked."""
        now = time.monotonic()
        if self._closed or now - self._answered < EVERY or now - self._asked > QUIET:
            return
        if (error := self._service.silence()) is not None:
            self._note(error)
            return
        with self._more:
            self._hear()

    def _hear(self) -> None:
        """Note that the service said something."""
        self._heard, self._failing, self._answered = True, False, time.monotonic()

    def _renew_on(self) -> None:
        """Renew leases, send what could not be sent, and ask a service that says nothing whether it is there."""
        while not self._closed:
            time.sleep(EVERY)
            self._ask_if_silent()
            until = time.monotonic() + LEASE
            with self._more:
                due = [] if self._closed else self._leases.due(time.monotonic())
            sent = self._service.lease(due, LEASE)
            with self._more:
                self._leases.renewed(due[: len(due) - len(sent.unsent)], until)
                self._leases.done(sent.unknown)
            self._heed(sent)
            if self._unsent and not self._closed:
                self.acknowledge([])

    def _heed(self, sent: Sent) -> None:
        if sent.error is not None:
            self._note(sent.error)

    def _note(self, error: Exception) -> None:
        """Keep an error that will not pass for the reader; tell of another, which is waited out."""
        now = time.monotonic()
        with self._more:
            if self._closed:
                return
            self._failing = True
            if lasts(error) or (not self._heard and now - self._made > PATIENCE):
                self._failed = self._service.told(error)
                self._more.notify_all()
            elif now - self._told > 10:
                self._told = now
                _log.warning("%s: the service does not answer, and is asked again: %s", self._address, error)


def _message(found: Any) -> Message:
    """Return a message of the service."""
    published = found.publish_time.seconds * 1_000 + found.publish_time.nanos // 1_000_000
    return Message(
        found.data, dict(found.attributes) if found.attributes else _NONE, "", number_of(found.message_id), published
    )
