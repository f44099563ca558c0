"""Messages of brokers to raw blocks: columns at once where messages are in order, one by one where they are not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import INSTANT
from transforms.parsing.casts import cast, read_as
from transforms.parsing.files import complete
from transforms.parsing.jsonl import parse_json_lines
from transforms.parsing.line_block import LineBlock
from transforms.parsing.lines import checked
from transforms.parsing.problems import Problems
from transforms.parsing.raw import (
    ATTEMPT,
    CARRIED,
    PARTITION,
    POSITION,
    PUBLISHED,
    Ints,
    Parsed,
    Rejection,
    mask_of,
    printable,
    rejected_batch,
)
from transforms.streams.avro_messages import FRAME, FRAMED, UNNAMED_REGISTRY, SchemaOf, parse_avro
from transforms.streams.cloud_events import ATTRIBUTES, SIGN, BadEvent, Body, body_of, may_be_event
from transforms.streams.feed import Feed, Message

_SPACE = b" \t\r\n"
_STAGE = "ReadStream"


@dataclass(frozen=True)
class _Lines(LineBlock):
    """Bodies side by side, a line each; `positions` are their places among all bodies."""

    bodies: Sequence[Body] = ()

    def reject(self, row: int, reason: str, message: str) -> Rejection:
        """Return the rejection of the message that a line is of."""
        return self.bodies[int(self.positions[row])].message.rejected(self.unit, reason, message)


def parse_messages(
    messages: Sequence[Message], feed: Feed, schema_of: SchemaOf | None = None, lost: Sequence[Rejection] = ()
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Return raw blocks of messages, and what is none.

    Args:
        messages: Of one feed, bare payloads and CloudEvents alike; what is given again is JSON in any feed.
        feed: What is in them.
        schema_of: Returns the schema of an id in the registry that the feed names; LookupError: there is none.
        lost: What was rejected before it was a message.

    Returns:
        Raw blocks of the columns in `feed.types`, `PUBLISHED`, `PARTITION` and `POSITION`, and `CARRIED` where
        a message told its trace, one of JSON, one of each schema of Avro, none of them empty; and a batch of
        `schemas.records.REJECTED`, if there is need of one: `tombstone`, `empty_message`, `oversize_record`,
        `invalid_utf8`, `malformed_json`, `wrong_type`, `out_of_range`, `no_data` and `unknown_cloud_event` of events,
        and those of `parse_avro`. Whatever is wrong with one message is one rejection, and touches no other.
    """
    tries = sorted({message.attempt if message.headers else 1 for message in messages}) or [1]
    if len(tries) > 1:
        parts = [[one for one in messages if one.attempt == attempt] for attempt in tries]
        made = [parse_messages(part, feed, schema_of, () if n else lost) for n, part in enumerate(parts)]
        return [block for mine, _ in made for block in mine], [batch for _, mine in made for batch in mine]
    again = tries[0] > 1
    if (bare := _bare_objects(messages, feed)) is not None:
        bodies, unopened = bare.bodies, list[Rejection]()
        parsed: Iterable[Parsed] = (_rows(bare, feed, [], again=again),)
    else:
        bodies, unopened = _opened(messages, feed)
        of_json = feed.format == "jsonl" or again
        parsed = _json(bodies, feed, schema_of, again=again) if of_json else parse_avro(bodies, feed, schema_of)
    rejections, blocks = [*lost, *unopened], []
    for rows, rejected in parsed:
        whole, misfits = _with_attributes(complete(rows, feed.types), bodies, feed)
        rejections += [*rejected, *misfits]
        if whole.num_rows:
            blocks.append(_told(whole, bodies, feed, tries[0]))
    if not rejections:
        return blocks, []
    return blocks, [rejected_batch(feed.address, _STAGE, rejections, private=feed.source.private, attempt=tries[0])]


def _opened(messages: Sequence[Message], feed: Feed) -> tuple[list[Body], list[Rejection]]:
    """Return the data of messages that have some."""
    bodies: list[Body] = []
    rejections: list[Rejection] = []
    none: Mapping[str, str] = {}
    bare_json = feed.format == "jsonl"
    for message in messages:
        value = message.value
        if value is None:
            rejections.append(
                message.rejected(feed.unit, "tombstone", "the message has no value: signals are not deleted")
            )
        elif len(value) > feed.max_bytes:
            why = f"the message is longer than {feed.max_bytes} bytes"
            rejections.append(message.rejected(feed.unit, "oversize_record", why))
        elif not (bare_json or message.headers) or (bare_json and not may_be_event(message, value)):
            bodies.append(Body(message, value, none))
        else:
            try:
                bodies.append(body_of(message, value, bare_json=bare_json))
            except BadEvent as error:
                rejections.append(message.rejected(feed.unit, error.reason, str(error)))
    return bodies, rejections


def _json(bodies: Sequence[Body], feed: Feed, schema_of: SchemaOf | None, *, again: bool) -> Iterator[Parsed]:
    """Parse bodies of one JSON object each."""
    texts: list[bytes] = []
    places: list[int] = []
    rejections: list[Rejection] = []
    for place, body in enumerate(bodies):
        text = body.value.strip(_SPACE)
        if text.startswith(FRAMED) and len(text) > FRAME and schema_of is not None:
            text = text[FRAME:].strip(_SPACE)
        if not text:
            rejections.append(body.message.rejected(feed.unit, "empty_message", "the message is empty"))
        elif text.startswith(FRAMED):
            rejections.append(body.message.rejected(feed.unit, "confluent_framing", UNNAMED_REGISTRY))
        else:
            texts.append(text.replace(b"\n", b"\r") if b"\n" in text else text)  # is space too, and ends no line
            places.append(place)
    yield _rows(_lines(texts, places, bodies, feed.unit), feed, rejections, again=again)


def _rows(lines: _Lines, feed: Feed, rejections: list[Rejection], *, again: bool) -> Parsed:
    """Parse lines of one JSON object each; what was rejected before comes first."""
    block, unsound = checked(lines, feed.max_bytes)
    rows, malformed = parse_json_lines(block, feed.types, again=again)
    return Parsed(rows, [*rejections, *unsound, *malformed])


class _Bare(Sequence[Body]):
    """Messages as bodies that have no attributes, made when they are asked for."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages

    def __len__(self) -> int:
        return len(self.messages)

    @overload
    def __getitem__(self, place: int) -> Body: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Body]: ...
    def __getitem__(self, place: int | slice) -> Body | Sequence[Body]:
        if isinstance(place, slice):
            return _Bare(self.messages[place])
        message = self.messages[place]
        return Body(message, message.value or b"", {})


def _bare_objects(messages: Sequence[Message], feed: Feed) -> _Lines | None:
    """Return messages as lines at once, or None unless each can only be a bare object of JSON on one line."""
    if feed.format != "jsonl" or any(message.headers or message.value is None for message in messages):
        return None
    texts = [message.value or b"" for message in messages]
    lines = _lines(texts, range(len(texts)), _Bare(messages), feed.unit)
    data = lines.data
    objects = data.startswith(b"{") and data.count(b"\n{") == len(texts) - 1 and data.count(b"\n") == len(texts)
    if not objects or SIGN in data or int((lines.stops - lines.starts).max()) > feed.max_bytes:
        return None
    return lines


def _lines(texts: Sequence[bytes], places: Sequence[int], bodies: Sequence[Body], unit: str) -> _Lines:
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    stops = np.cumsum(sizes + 1) - 1
    data = b"".join([b"\n".join(texts), b"\n"]) if texts else b""
    return _Lines(data, stops - sizes, stops, np.array(places, np.int64), unit, bodies=bodies)


def _with_attributes(
    rows: pa.RecordBatch, bodies: Sequence[Body], feed: Feed
) -> tuple[pa.RecordBatch, list[Rejection]]:
    """Fill the columns that data lack from the attributes of their events."""
    given_any = not isinstance(bodies, _Bare) and any(body.attributes for body in bodies)
    places = rows.column(POSITION).to_pylist() if given_any else []
    given = [bodies[place].attributes for place in places]
    problems = Problems(rows.num_rows)
    for name in ATTRIBUTES:
        texts = pa.array([attributes.get(name) for attributes in given], pa.string())
        if name in feed.types and texts.null_count < len(texts):
            column = _filled(rows.column(name), texts, name, feed.types[name], problems)
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    rejections = [bodies[places[row]].message.rejected(feed.unit, reason, why) for row, reason, why in problems.bad()]
    good = problems.good()
    return rows if good is None else rows.filter(pa.array(good)), rejections


def _filled(own: pa.Array, texts: pa.Array, name: str, kind: pa.DataType, problems: Problems) -> pa.Array:
    """Return a column with the attribute where it has no value."""
    made = cast(texts, kind)
    missing = mask_of(own.is_null())
    for bad, reason in made.faults:
        wanted = "an instant (RFC 3339)" if kind == INSTANT else f"a {kind}"
        problems.add(bad & missing, reason, f"the event's `{name}` is not {wanted}")
    if own.type != made.array.type:
        found = read_as(own, kind)
        for bad, reason in found.faults:
            problems.add(bad, reason, f"`{name}` is not of the type that it should be")
        own = found.array
    return pc.coalesce(own, made.array)


def _told(rows: pa.RecordBatch, bodies: Sequence[Body], feed: Feed, attempt: int) -> pa.RecordBatch:
    """Return a raw block that tells where its rows come from, and when the broker got them."""
    places: Ints = rows.column(POSITION).to_numpy()
    every = bodies.messages if isinstance(bodies, _Bare) else [body.message for body in bodies]
    messages = [every[place] for place in places.tolist()]
    made: dict[str, Any] = {
        **{name: rows.column(name) for name in rows.schema.names if name != POSITION},
        PUBLISHED: pa.array([message.published for message in messages], pa.int64()),
        PARTITION: pa.array([message.partition for message in messages], pa.string()).dictionary_encode(),
        POSITION: pa.array([message.position for message in messages], pa.int64()),
    }
    traces = [] if isinstance(bodies, _Bare) else [bodies[place].trace for place in places.tolist()]
    if any(traces):
        made = {CARRIED: pa.array(traces, pa.string()), **made}
    metadata = {"signal": feed.source.contract.name, "file": printable(feed.address), "unit": feed.unit}
    metadata |= {ATTEMPT.decode(): str(attempt)} if attempt > 1 else {}
    return pa.RecordBatch.from_pydict(made).replace_schema_metadata(metadata)
