"""Schemas of a Confluent schema registry by their ids, asked once each."""

import json
import time
from base64 import b64encode
from functools import cache
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from schemas.errors import LoadError, LoadErrors

TIMEOUT = 10.0
PATIENCE = 30.0
"""Seconds for which a registry that does not answer is asked again."""

ASK_AGAIN = 60.0
"""Seconds after which an id that was not there is asked for again."""


class Registry:
    """What `SchemaOf` asks of one registry."""

    def __init__(self, address: str) -> None:
        """Take `http(s)://[USER:PASSWORD@]HOST:PORT[/PATH]`.

        Raises:
            LoadErrors: it is no such address.
        """
        parts = urlsplit(address)
        self._shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise self._error("is no address of a schema registry", "write it as `registry=http://HOST:8081`")
        self._headers = {"Accept": "application/json"}
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
        self._schemas: dict[int, Any] = {}
        self._missed: dict[int, tuple[float, str]] = {}

    def __call__(self, number: int) -> Any:
        """Return the schema of an id.

        Raises:
            LookupError: there is none, or none of Avro that is whole.
            LoadErrors: the registry does not answer, or refuses us.
        """
        if number in self._schemas:
            return self._schemas[number]
        missed, why = self._missed.get(number, (0.0, ""))
        if not why or time.monotonic() - missed > ASK_AGAIN:
            try:
                self._schemas[number] = self._asked(number)
                return self._schemas[number]
            except LookupError as error:
                why = str(error.args[0])
                self._missed[number] = (time.monotonic(), why)
        raise LookupError(why)

    def _asked(self, number: int) -> Any:
        found = self._answer(f"{self._shown.rstrip('/')}/schemas/ids/{number}")
        kind = found.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise LookupError(f"it is one of {kind}, not of Avro")
        if found.get("references"):
            raise LookupError("it refers to other schemas of the registry: register it with all its types in it")
        try:
            return json.loads(found["schema"])
        except (KeyError, TypeError, ValueError) as error:
            raise LookupError("the registry does not give it as JSON") from error

    def _answer(self, url: str) -> dict[str, Any]:
        """Return what the registry answers; one that does not is asked again for a while."""
        end, pause = time.monotonic() + PATIENCE, 0.1
        while True:
            try:
                with urlopen(Request(url, headers=self._headers), timeout=TIMEOUT) as response:
                    found = json.load(response)
                return found if isinstance(found, dict) else {}
            except HTTPError as error:
                error.close()
                told = f"answers {error.code} {error.reason}"
                if error.code == 404:
                    raise LookupError("the registry does not know it") from error
                if error.code < 500 and error.code != 429:
                    raise self._error(told, "look at the address, and at the user and password in it") from error
            except (OSError, ValueError) as error:
                told = f"does not answer: {error}"
            if time.monotonic() + pause > end:
                raise self._error(told, "is it running, and can it be reached from here?")
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _error(self, message: str, hint: str) -> LoadErrors:
        return LoadErrors([LoadError(self._shown, None, f"the schema registry {message}", hint=hint)])


@cache
def registry(address: str) -> Registry | None:
    """Return the registry at an address, the same in the whole process; `None` of an empty one."""
    return Registry(address) if address else None
