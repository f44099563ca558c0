"""The options of addresses: what each is called, where it may stand, and what its text means."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, unquote

from schemas.durations import DAY, MINUTE, SECOND, format_duration, parse_duration, parse_instant
from schemas.near_miss import near_miss
from schemas.visible import shortened, visible

Scheme = Literal["file", "watch", "kafka", "pubsub", "bigquery"]
Use = Literal["read", "publish"]

CLIENT = "client."
"""What the names of settings for the Kafka client begin with."""

_FORMATS = {"jsonl": "jsonl", "json": "jsonl", "avro": "avro"}
_WHENCE = ("earliest", "latest")
_LAST_START = 4_102_444_800_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAFE = ":+,/"


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        read: What its text means; a `ValueError` says how it must be.
        shown: Its value as text that `read` understands.
        default: Its value where nothing is said.
        reading: The schemes that have it in reading.
        publishing: Those in publishing.
        bare: Whether it is a name alone.
    """

    read: Callable[[str], Any]
    shown: Callable[[Any], str] = str
    default: Any = None
    reading: tuple[Scheme, ...] = ("kafka", "pubsub", "watch")
    publishing: tuple[Scheme, ...] = ()
    bare: bool = False


def _format(text: str) -> str:
    if text not in _FORMATS:
        raise ValueError("must be `jsonl` or `avro`")
    return _FORMATS[text]


def _start(text: str) -> str | int:
    if text in _WHENCE:
        return text
    try:
        at = parse_instant(text)
    except ValueError as error:
        raise ValueError(f"must be `earliest`, `latest` or an instant, which {error}") from error
    if not 0 <= at < _LAST_START:
        raise ValueError("must be an instant from 1970 to 2099")
    return at


def _start_text(value: str | int) -> str:
    return value if isinstance(value, str) else (_EPOCH + timedelta(milliseconds=value)).isoformat()


def _duration(text: str, least: int = 1) -> int:
    found = re.fullmatch("([0-9]{1,9})ms", text)
    length = int(found[1]) if found else parse_duration(text)
    if not least <= length <= 366 * DAY:
        raise ValueError(f"must be from {format_duration(least)} to 366d")
    return length


def _span(text: str) -> int:
    return _duration(text, 0)


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be a text of printable characters")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text) or not text.isprintable():
        raise ValueError("must be the address of a schema registry, as `http://host:8081`")
    return text


def _avsc(text: str) -> str:
    if not text.endswith(".avsc"):
        raise ValueError("must be a file of an Avro schema, as `usage.avsc`")
    return _text(text)


def _flag(text: str) -> bool:
    if text:
        raise ValueError("is a name alone: leave out what follows it")
    return True


_BROKERS: tuple[Scheme, ...] = ("kafka", "pubsub")

OPTIONS: Mapping[str, Option] = {
    "format": Option(_format, default="jsonl", reading=_BROKERS),
    "group": Option(_text, default="segone", reading=("kafka", "watch")),
    "start": Option(_start, _start_text, "earliest", reading=("kafka",)),
    "registry": Option(_url, reading=("kafka",)),
    "schema": Option(_avsc, reading=_BROKERS),
    "linger": Option(_span, format_duration, 100, reading=_BROKERS),
    "every": Option(_duration, format_duration, 5 * SECOND, reading=("watch",)),
    "idle": Option(_duration, format_duration, 30 * SECOND),
    "patience": Option(_duration, format_duration, 5 * MINUTE),
    "ends": Option(_span, format_duration),
    "replay": Option(_flag, default=False, bare=True),
    "own": Option(_flag, default=False, reading=("pubsub",), bare=True),
}


def options_of(scheme: Scheme, use: Use) -> dict[str, Option]:
    """Return the options that an address may have, `client.` apart, by name."""
    return {name: one for name, one in OPTIONS.items() if scheme in (one.reading if use == "read" else one.publishing)}


def parse_options(query: str, scheme: Scheme, use: Use) -> tuple[dict[str, Any], dict[str, str]]:
    """Return all options of a scheme, by default where nothing is said, and the settings of the client.

    Args:
        query: What follows the `?`; values may be percent-encoded.
        scheme: Of the address.
        use: What is to be done with it.

    Raises:
        ValueError: one that is unknown, that is said twice, or whose value is none, named with what to do.
    """
    known = options_of(scheme, use)
    values: dict[str, Any] = {}
    client: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, equals, text = part.partition("=")
        if scheme == "kafka" and name.startswith(CLIENT):
            _put(client, name.removeprefix(CLIENT), name, _client_setting(name, unquote(text)))
        elif name in known:
            _put(values, name, name, _value(name, known[name], unquote(text), bool(equals)))
        else:
            raise ValueError(_unknown(name, known, scheme, use))
    return {name: values.get(name, one.default) for name, one in known.items()}, client


def options_text(scheme: Scheme, use: Use, options: Mapping[str, Any], client: Mapping[str, str]) -> str:
    """Return what `parse_options` gives these for, without what is by default."""
    known = options_of(scheme, use)
    said = [(name, one) for name, one in known.items() if options[name] != one.default]
    return "&".join(
        [
            *(name if one.bare else f"{name}={quote(one.shown(options[name]), safe=_SAFE)}" for name, one in said),
            *(f"{CLIENT}{name}={quote(value, safe=_SAFE)}" for name, value in client.items()),
        ]
    )


def _put(values: dict[str, Any], key: str, name: str, value: Any) -> None:
    if key in values:
        raise ValueError(f"the option `{_told(name)}` is there twice: leave one of them out")
    values[key] = value


def _value(name: str, option: Option, text: str, equals: bool) -> Any:
    if not equals and not option.bare:
        raise ValueError(f"the option `{name}` has no value: write `{name}=...`")
    try:
        return option.read("=" if option.bare and equals and not text else text)
    except ValueError as error:
        raise ValueError(
            f"the option `{name}` {error}, not `{_told(text)}`" if text else f"`{name}` {error}"
        ) from error


def _client_setting(name: str, text: str) -> str:
    if not re.fullmatch(r"client\.[a-z0-9]+(\.[a-z0-9_]+)*", name) or not text:
        raise ValueError(
            f"`{_told(name)}` is no setting of the Kafka client: write it as `client.security.protocol=SASL_SSL`"
        )
    return text


def _unknown(name: str, known: Mapping[str, Option], scheme: Scheme, use: Use) -> str:
    doing = "reading" if use == "read" else "publishing"
    names: Sequence[str] = [*known, *([f"{CLIENT}NAME"] if scheme == "kafka" else [])]
    hint = near_miss(name, names) or "leave it out"
    if name in OPTIONS:
        hint = f"leave it out; {near_miss('', names)}" if names else "leave it out"
    kind = {"watch": "a folder that is watched", "file": "files"}.get(scheme, scheme)
    return f"no option `{_told(name)}` of {kind} in {doing}; {hint}"


def _told(text: str) -> str:
    return visible(shortened(text, 80))
