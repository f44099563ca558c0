"""One subscription of Pub/Sub in one process: pulls side by side, leases of what is open, acknowledgements."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from google.api_core.exceptions import (
    BadRequest,
    DeadlineExceeded,
    Forbidden,
    GoogleAPICallError,
    NotFound,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from schemas.errors import LoadError, LoadErrors
from transforms.streams.feed import Message
from transforms.streams.leases import Leases
from transforms.streams.pull import MOST_ROWS

PULLS = 4
POLL = 20.0
"""Seconds that a pull waits for a message."""

LEASE, MARGIN, EVERY = 20, 12.0, 3.0
"""Seconds: of a lease, before whose end it is renewed, and between renewals."""

HOLD = 3_600.0
"""Seconds after which an open message is left to others."""

QUIET = 10.0
"""Seconds after which nothing is pulled ahead if nobody reads."""

PATIENCE = 60.0
"""Seconds for the first answer of a service."""

_AT_ONCE = 1_000
_NONE: Mapping[str, str] = {}
_LASTING = (NotFound, Forbidden, Unauthorized, BadRequest, GoogleAuthError)
_log = logging.getLogger(__name__)


class PubSubClient:
    """Pulls messages while somebody reads, and holds them until they are done; safe between threads."""

    def __init__(self, address: str, subscription: str) -> None:
        """Start to pull.

        Args:
            address: Of the subscription, for people.
            subscription: `projects/PROJECT/subscriptions/NAME`.

        Raises:
            LoadErrors: there are no credentials.
        """
        self._address, self._subscription = address, subscription
        try:
            self._service = pubsub_v1.SubscriberClient()
        except GoogleAuthError as error:
            raise self._error(error) from error
        self._name, self._pull = uuid.uuid4().hex[:12], 0
        self._more = threading.Condition()
        self._waiting: deque[tuple[str, Message]] = deque()
        self._leases = Leases(MARGIN, HOLD)
        self._unsent: list[str] = []
        self._failed: LoadErrors | None = None
        self._asked = self._made = self._told = time.monotonic()
        self._heard = self._closed = False
        for run in [self._pull_on] * PULLS + [self._renew_on]:
            threading.Thread(target=run, daemon=True, name=f"{subscription} {run.__name__}").start()

    def read(self, position: Mapping[str, Any], linger: float) -> tuple[list[Message], list[str], Mapping[str, Any]]:
        """Return messages that are there or come soon, at most `MOST_ROWS`, their ack ids, and where to go on.

        Args:
            position: What was returned before. What this process gave out behind it is lost to whoever reads now, so
                it is given back to the service, which sends it again.
            linger: Seconds to wait for more.

        Raises:
            LoadErrors: no such subscription, no access, or no service since the process began.
        """
        with self._more:
            behind = int(position.get("pull", 0)) if position.get("reader") == self._name else 0
            back = self._leases.take_back(behind)
            self._asked = time.monotonic()
            self._more.notify_all()
            self._more.wait_for(lambda: len(self._waiting) >= MOST_ROWS or self._failed is not None, linger)
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            given = [self._waiting.popleft() for _ in range(min(MOST_ROWS, len(self._waiting)))]
            self._pull += bool(given)
            acks = self._leases.give([name for name, _ in given], self._pull)
        self._give_back(back)
        return [message for _, message in given], acks, {"reader": self._name, "pull": self._pull}

    def acknowledge(self, acks: Sequence[str]) -> None:
        """Acknowledge; what an outage keeps from it is sent later."""
        with self._more:
            ids = [*self._unsent, *self._leases.done(acks)]
            self._unsent = []
        unsent = self._sent(ids, lambda some: self._service.acknowledge(request=self._of(some), timeout=POLL))
        with self._more:
            self._unsent += unsent

    def close(self) -> None:
        """Give everything back that is open, and stop."""
        with self._more:
            self._closed = True
            self._leases.give([name for name, _ in self._waiting], self._pull + 1)
            back = self._leases.take_back(-1)
            self._more.notify_all()
        self._give_back(back)
        self._service.close()

    def _pull_on(self) -> None:
        """Pull as long as there is room and somebody reads."""
        pause = 0.1
        while self._wait_for_readers():
            try:
                request = {"subscription": self._subscription, "max_messages": _AT_ONCE}
                response = self._service.pull(request=request, timeout=POLL, retry=None)
                self._receive(type(response).pb(response))
                pause = 0.1
            except DeadlineExceeded:
                continue  # there was nothing
            except (GoogleAPICallError, GoogleAuthError, ValueError) as error:
                if not self._closed:
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

    def _receive(self, response: Any) -> None:
        """Let new messages wait for a reader; one that is open already is only renewed."""
        now = time.monotonic()
        with self._more:
            self._heard = True
            for received in response.received_messages:
                name = received.message.message_id
                if self._leases.take(name, received.ack_id, now):
                    self._waiting.append((name, _message(received.message)))
            self._more.notify_all()

    def _note(self, error: Exception) -> None:
        """Keep an error that will not pass for the reader; tell of another, which is waited out."""
        now = time.monotonic()
        with self._more:
            if isinstance(error, _LASTING) or (not self._heard and now - self._made > PATIENCE):
                self._failed = self._error(error)
                self._more.notify_all()
            elif now - self._told > 10:
                self._told = now
                _log.warning("%s: the service does not answer, and is asked again: %s", self._address, error)

    def _renew_on(self) -> None:
        """Renew leases, and send what could not be sent."""
        while not self._closed:
            time.sleep(EVERY)
            with self._more:
                due = [] if self._closed else self._leases.due(time.monotonic())
            self._renew(due)
            if self._unsent and not self._closed:
                self.acknowledge([])

    def _renew(self, acks: Sequence[str]) -> None:
        def renew(some: Sequence[str]) -> None:
            until = time.monotonic() + LEASE
            request = {**self._of(some), "ack_deadline_seconds": LEASE}
            self._service.modify_ack_deadline(request=request, timeout=POLL)
            with self._more:
                self._leases.renewed(some, until)

        self._sent(acks, renew)

    def _give_back(self, acks: Sequence[str]) -> None:
        def give(some: Sequence[str]) -> None:
            self._service.modify_ack_deadline(request={**self._of(some), "ack_deadline_seconds": 0}, timeout=POLL)

        self._sent(acks, give)

    def _sent(self, acks: Sequence[str], send: Callable[[Sequence[str]], None]) -> list[str]:
        """Send ids; return those that an outage kept from it. What the service does not know any more is dropped."""
        parts = deque(_parts(acks))
        while parts:
            some = parts.popleft()
            try:
                send(some)
            except BadRequest:
                if len(some) > 1:
                    parts.extendleft([some[len(some) // 2 :], some[: len(some) // 2]])
                else:
                    with self._more:
                        self._leases.done(some)
            except (GoogleAPICallError, GoogleAuthError, ValueError) as error:
                if not self._closed:
                    self._note(error)
                return [ack for part in (some, *parts) for ack in part]
        return []

    def _of(self, acks: Sequence[str]) -> dict[str, Any]:
        return {"subscription": self._subscription, "ack_ids": acks}

    def _error(self, error: Exception) -> LoadErrors:
        hint = "is it there, and reachable from here? the emulator is named by PUBSUB_EMULATOR_HOST"
        if isinstance(error, NotFound):
            hint = f"make it: `gcloud pubsub subscriptions create {self._subscription} --topic=TOPIC`"
        elif isinstance(error, Forbidden | Unauthorized | GoogleAuthError):
            hint = "sign in (`gcloud auth application-default login`), and have the role roles/pubsub.subscriber"
        return LoadErrors([LoadError(self._address, None, f"the subscription cannot be read: {error}", hint=hint)])


def _message(found: Any) -> Message:
    """Return a message of the service; its number is its id, which is one."""
    number = int(found.message_id) if found.message_id.isdecimal() and len(found.message_id) < 19 else -1
    published = found.publish_time.seconds * 1_000 + found.publish_time.nanos // 1_000_000
    return Message(found.data, dict(found.attributes) if found.attributes else _NONE, "", number, published)


def _parts(acks: Sequence[str]) -> Iterator[Sequence[str]]:
    return (acks[start : start + _AT_ONCE] for start in range(0, len(acks), _AT_ONCE))
