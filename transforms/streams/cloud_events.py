"""CloudEvents 1.0 on the way in, structured (JSON) and binary: what is the data, and what stands beside it."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from transforms.streams.feed import Message

ATTRIBUTES = ("id", "source", "time", "subject")
"""Attributes of an event that become columns, where the data have none of the name."""

TRACES = ("ce-traceparent", "traceparent", "googclient-traceparent")
"""Headers that tell the trace, the first first, with `-` for `_`; the last one is what clients of Pub/Sub write."""

_JSON = "application/cloudevents+json"
_OTHERS = "application/cloudevents"
SIGN = b'"specversion"'
"""What every structured event has in its bytes."""

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Event(msgspec.Struct):
    """An event as it should be."""

    specversion: str
    data: msgspec.Raw
    id: str | None = None
    source: str | None = None
    time: str | None = None
    subject: str | None = None
    traceparent: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class Body(NamedTuple):
    """The data of a message, whatever it came in, the attributes that came beside it as text, and its trace."""

    message: Message
    value: bytes
    attributes: Mapping[str, str]
    trace: str | None = None


class BadEvent(Exception):
    """A message that says it is an event and is none that can be read; with a reason code."""

    def __init__(self, reason: str, why: str) -> None:
        """Tell why."""
        super().__init__(why)
        self.reason = reason


def body_of(message: Message, value: bytes, *, bare_json: bool) -> Body:
    """Return the data of a message.

    Args:
        message: Bare, or an event: structured where its content type says so, or its JSON has `specversion` and data;
            binary where its headers have `ce_id` or the like (`ce-id`).
        value: Its bytes.
        bare_json: Whether to look for events in JSON of any content type.

    Raises:
        BadEvent: of another version, or without data that can be read.
    """
    headers = {name.lower().replace("_", "-"): text for name, text in message.headers.items()}
    kind = _text("content-type", headers.get("content-type", "")).strip().lower()
    if kind.startswith(_JSON):
        return _structured(message, value, sure=True, carried=_carried(headers))
    if kind.startswith(_OTHERS):
        raise BadEvent("unknown_cloud_event", f"the content type is none of ours: send `{_JSON}`, or binary events")
    if "ce-specversion" in headers:
        _check_version(_text("ce-specversion", headers["ce-specversion"]))
    attributes = {
        name: _text(f"ce-{name}", headers[f"ce-{name}"]) for name in ATTRIBUTES if headers.get(f"ce-{name}") is not None
    }
    if bare_json and not attributes and SIGN in value:
        return _structured(message, value, sure=False, carried=_carried(headers))
    return Body(message, value, attributes, _carried(headers))


def may_be_event(message: Message, value: bytes) -> bool:
    """Return whether `body_of` must look at a message of JSON; quick."""
    return bool(message.headers) or SIGN in value


def _carried(headers: Mapping[str, Any]) -> str | None:
    """Return the trace that headers tell; what is no text is none that holds."""
    found = next((headers[name] for name in TRACES if headers.get(name) is not None), None)
    return found.decode(errors="replace") if isinstance(found, bytes) else found


def _structured(message: Message, value: bytes, *, sure: bool, carried: str | None) -> Body:
    """Return the data of an event in JSON, or the value itself if it need not be one and is none."""
    try:
        event = _EVENT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _looked_at(message, value, sure=sure)._replace(trace=carried)
    _check_version(event.specversion)
    given = {"id": event.id, "source": event.source, "time": event.time, "subject": event.subject}
    trace = carried if event.traceparent is None else str(event.traceparent)
    return Body(message, bytes(event.data), {name: text for name, text in given.items() if text is not None}, trace)


def _looked_at(message: Message, value: bytes, *, sure: bool) -> Body:
    """Return the same of what is no event as it should be, member by member."""
    try:
        members = _MEMBERS.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if sure:
            raise BadEvent("malformed_json", f"the event is no JSON object: {error}") from error
        return Body(message, value, {})
    has_data = "data" in members or "data_base64" in members
    if not sure and not ("specversion" in members and has_data):
        return Body(message, value, {})
    _check_version(_member(members, "specversion") or "")
    if not has_data:
        raise BadEvent("no_data", "the event has no data")
    data = bytes(members["data"]) if "data" in members else _unpacked(_member(members, "data_base64") or "")
    found = {name: _member(members, name) for name in ATTRIBUTES if name in members}
    return Body(message, data, {name: text for name, text in found.items() if text is not None})


def _check_version(version: str) -> None:
    if not version.startswith("1."):
        raise BadEvent("unknown_cloud_event", "the event is not of CloudEvents 1.0: its `specversion` is another")


def _member(members: Mapping[str, msgspec.Raw], name: str) -> str | None:
    """Return an attribute of an event, which is a text or null."""
    try:
        return msgspec.json.decode(members[name], type=str | None) if name in members else None
    except msgspec.ValidationError as error:
        raise BadEvent("wrong_type", f"the event's `{name}` is not text") from error
    except msgspec.DecodeError as error:
        raise BadEvent("malformed_json", f"the event's `{name}` is no JSON: {error}") from error


def _unpacked(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadEvent("no_data", f"the event's `data_base64` is not base64: {error}") from error


def _text(name: str, value: Any) -> str:
    """Return a header as text."""
    try:
        return value.decode() if isinstance(value, bytes) else str(value or "")
    except UnicodeDecodeError as error:
        raise BadEvent("invalid_utf8", f"the header `{name}` is not UTF-8") from error
