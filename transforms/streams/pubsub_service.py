"""The calls to Pub/Sub for one subscription, and what their errors mean."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from google.api_core.exceptions import (
    BadRequest,
    DeadlineExceeded,
    Forbidden,
    GoogleAPIError,
    NotFound,
    ServiceUnavailable,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import pubsub_v1

from schemas.errors import LoadError, LoadErrors

POLL = 20.0
"""Seconds that a call may take; so long a pull waits for a message."""

SOON = 5.0
"""Seconds in which a service that is asked whether it is there says so."""

AT_ONCE = 1_000
"""Messages of one call."""

FAILURES = (GoogleAPIError, GoogleAuthError, ValueError)
"""What calls raise; a ValueError once the client is closed."""

_AWAY = (DeadlineExceeded, ServiceUnavailable, GoogleAuthError)
_LASTING = (NotFound, Forbidden, Unauthorized, BadRequest, GoogleAuthError)


class Sent(NamedTuple):
    """What became of ids that were sent: those that an outage kept from it, those that are not known any more."""

    unsent: list[str]
    unknown: list[str]
    error: Exception | None


class Service:
    """A subscription; safe between threads."""

    def __init__(self, address: str, subscription: str) -> None:
        """Connect.

        Args:
            address: Of the subscription, for people.
            subscription: `projects/PROJECT/subscriptions/NAME`.

        Raises:
            LoadErrors: there are no credentials.
        """
        self._address, self._subscription = address, subscription
        try:
            self._client = pubsub_v1.SubscriberClient()
        except GoogleAuthError as error:
            raise self.told(error) from error

    def pull(self) -> Sequence[Any] | None:
        """Return messages with their ack ids; None if nothing came for a while, of messages or of answers.

        Raises:
            FAILURES: what the service, or the way to it, says instead.
        """
        request = {"subscription": self._subscription, "max_messages": AT_ONCE}
        try:
            response = self._client.pull(request=request, timeout=POLL, retry=None)
        except DeadlineExceeded:
            return None
        found: Sequence[Any] = type(response).pb(response).received_messages
        return found

    def silence(self) -> Exception | None:
        """Return why the service says nothing; None if it does, be it that this account may not ask."""
        try:
            self._client.get_subscription(subscription=self._subscription, timeout=SOON, retry=None)
        except _AWAY as error:
            return error
        except FAILURES:
            pass
        return None

    def acknowledge(self, acks: Sequence[str]) -> Sent:
        """Acknowledge messages."""
        return in_parts(acks, lambda some: self._client.acknowledge(request=self._of(some), timeout=POLL, retry=None))

    def lease(self, acks: Sequence[str], seconds: int) -> Sent:
        """Keep messages for so long from now; 0 gives them back."""

        def send(some: Sequence[str]) -> None:
            request = {**self._of(some), "ack_deadline_seconds": seconds}
            self._client.modify_ack_deadline(request=request, timeout=POLL, retry=None)

        return in_parts(acks, send)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()

    def told(self, error: Exception) -> LoadErrors:
        """Return an error with what to do."""
        hint = "is it there, and reachable from here? the emulator is named by PUBSUB_EMULATOR_HOST"
        if isinstance(error, NotFound):
            hint = f"make it: `gcloud pubsub subscriptions create {self._subscription} --topic=TOPIC`"
        elif isinstance(error, Forbidden | Unauthorized | GoogleAuthError):
            hint = "sign in (`gcloud auth application-default login`), and have the role roles/pubsub.subscriber"
        return LoadErrors([LoadError(self._address, None, f"the subscription cannot be read: {error}", hint=hint)])

    def _of(self, acks: Sequence[str]) -> dict[str, Any]:
        return {"subscription": self._subscription, "ack_ids": acks}


def lasts(error: Exception) -> bool:
    """Return whether an error will not pass by itself."""
    return isinstance(error, _LASTING)


def in_parts(acks: Sequence[str], send: Callable[[Sequence[str]], None]) -> Sent:
    """Send ids, so many at once; where one is refused, halves, until it is alone."""
    parts = deque(acks[start : start + AT_ONCE] for start in range(0, len(acks), AT_ONCE))
    unknown: list[str] = []
    while parts:
        some = parts.popleft()
        try:
            send(some)
        except BadRequest:
            middle = len(some) // 2
            if middle:
                parts.extendleft([some[middle:], some[:middle]])
            else:
                unknown += some
        except FAILURES as error:
            return Sent([ack for part in (some, *parts) for ack in part], unknown, error)
    return Sent([], unknown, None)
