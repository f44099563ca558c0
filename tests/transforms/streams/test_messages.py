"""Messages: what is a signal's, what is not, and that none costs its neighbours."""

import io
import json
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import REJECTED
from schemas.sources import SourceConfig
from tests.transforms.streams.feeds import NOW, SCHEMA, avro_value, feed, json_value, message, signal
from transforms.parsing.raw import CARRIED, MAX_PAYLOAD, PARTITION, POSITION, PUBLISHED, positions_of
from transforms.streams.feed import Feed, Message
from transforms.streams.messages import parse_messages

FEED = feed()
AVRO = feed(format="avro", schema=SCHEMA)
EVENT = {"specversion": "1.0", "type": "t", "id": "ce", "source": "crm", "time": "2026-01-05T00:00:00.123Z"}
HEADERS = {"ce_specversion": b"1.0", "ce_id": b"ce", "ce_source": b"crm", "ce_subject": b"anna"}
LOOKS = (
    json_value(1),
    json_value(2, mb="no number"),
    json_value(3) + b"  ",
    b"  " + json_value(4),
    json_value(5).replace(b",", b",\n"),
    json_value(6) + b"\n" + json_value(7),
    json.dumps({**EVENT, "data": signal(8)}).encode(),
    b"{}",
    b"{",
    b"",
    b"   ",
    b"null",
    b"\xff",
    b'{"id": "' + b"x" * (1 << 20) + b'"}',
)
"""Messages as they may look."""


def _parse(
    messages: list[Message], of: Feed = FEED, **options: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    blocks, rejected = parse_messages(messages, of, **options)
    for block in blocks:
        assert block.num_rows
        assert {*of.types, PUBLISHED, PARTITION, POSITION} == {*block.schema.names} - {CARRIED}
        wanted = {b"signal": b"usage", b"file": of.address.encode(), b"unit": of.unit.encode()}
        assert block.schema.metadata == wanted
    assert all(batch.schema == REJECTED and batch.num_rows for batch in rejected)
    return [row for block in blocks for row in block.to_pylist()], [
        row for batch in rejected for row in batch.to_pylist()
    ]


def _among_good(value: bytes | None, of: Feed = FEED, **options: Any) -> tuple[dict[str, Any] | None, tuple[str, str]]:
    """Return the row, or place and reason of the rejection, of a message between good ones, which must come through."""
    good = avro_value if of.format == "avro" else json_value
    first, last = good(1), good(3)
    if options.get("schema_of"):
        first, last = b"\0\0\0\0\7" + first, b"\0\0\0\0\7" + last
    headers = options.pop("headers", None)
    rows, rejected = _parse([message(first, 1), message(value, 42, headers), message(last, 3)], of, **options)
    by_place = {row[POSITION]: row for row in rows}
    assert {1, 3} <= {*by_place}
    assert len(rows) + len(rejected) == 3
    told = [(row["position"], row["reason"]) for row in rejected]
    return by_place.get(42), told[0] if told else ("", "")


def test_columns_partition_publish_time_and_position_of_a_message() -> None:
    rows, rejected = _parse([message(json_value(7, unread=[1]), 9)])
    wanted = {
        **signal(7),
        "subject_kind": None,
        "kind": None,
        "traceparent": None,
        PUBLISHED: NOW,
        PARTITION: "3",
        POSITION: 9,
    }
    assert (rows, rejected) == ([wanted], [])


@pytest.mark.parametrize("name", ["@position", "@published", "@partition", "@traceparent", "position", 'size "MB"'])
def test_a_column_of_any_name_is_that_of_the_message(name: str) -> None:
    made = {"id": "id", "time": "time", "subject": "subject", "mb": '"' + name.replace('"', '""') + '"'}
    values = [json_value(number, **{name: 7.5}) for number in (1, 2)]
    rows, rejected = _parse(
        [message(value, n) for n, value in enumerate([*values, b"{oops"])], feed(SourceConfig(map=made))
    )
    assert [(row[name], row[POSITION], row[PARTITION]) for row in rows] == [(7.5, 0, "3"), (7.5, 1, "3")]
    assert [row["reason"] for row in rejected] == ["malformed_json"]


def test_a_row_is_found_again_by_partition_and_offset() -> None:
    (block,), _ = parse_messages([message(json_value(1), 41), Message(json_value(2), {}, "", 5, None)], FEED)
    assert positions_of(block, pa.array([0, 1]).to_numpy()) == ["partition 3 offset 41", "offset 5"]


@pytest.mark.parametrize(
    "value",
    [
        json_value(2),
        b"\n " + json_value(2) + b" \r\n",
        json.dumps(signal(2), indent=2).encode(),
        json.dumps(signal(2) | {"more": {"deep": [1, {}]}}, indent=2).encode(),
    ],
)
def test_json_may_be_spread_over_lines(value: bytes) -> None:
    row, told = _among_good(value)
    assert told == ("", "")
    assert row is not None
    assert row["id"] == "e2"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "empty_message"),
        (b" \n", "empty_message"),
        (b"{", "malformed_json"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'{"id": "a"}\n{"id": "b"}', "malformed_json"),
        (b'{"id": "a\nb"}', "malformed_json"),
        (b'{"id": "\xff"}', "invalid_utf8"),
        (b'{"id": 5}', "wrong_type"),
        (b'{"mb": 1e999}', "out_of_range"),
        (b'{"id": "' + b"x" * (1 << 20) + b'"}', "oversize_record"),
        (b"\0\0\0\0\7" + json_value(2), "confluent_framing"),
        (b"\xef\xbb\xbf" + json_value(2), "malformed_json"),
    ],
)
def test_what_is_no_object_is_rejected_alone(value: bytes | None, reason: str) -> None:
    assert _among_good(value) == (None, ("partition 3 offset 42", reason))


def test_a_rejection_has_the_message_as_it_came_or_nothing_of_a_private_feed() -> None:
    value = b'\n{"id": 5,\n "x": 1}\n'
    _, (open_one,) = _parse([message(value)])
    assert (open_one["payload"], open_one["payload_length"], open_one["stage"]) == (value, len(value), "ReadStream")
    _, (hidden,) = _parse([message(value)], feed(SourceConfig(pseudonymise=("subject",))))
    assert (hidden["payload"], hidden["payload_length"]) == (None, len(value))
    _, (long_one,) = _parse([message(b"[" * (MAX_PAYLOAD + 1))])
    assert long_one["payload"] is None


def test_json_with_the_id_of_a_schema_is_read_where_a_registry_is_named() -> None:
    row, _ = _among_good(b"\0\0\0\0\7" + json_value(2), schema_of=lambda number: {})
    assert row is not None
    assert row["id"] == "e2"


SIGNAL = json_value(2)
TRACED = json.dumps(EVENT | {"subject": "anna", "traceparent": "event", "data": {"mb": 2}}).encode()


@pytest.mark.parametrize(
    ("value", "headers", "trace"),
    [
        (SIGNAL, {"traceparent": b"header"}, "header"),
        (SIGNAL, {"traceparent": "attribute"}, "attribute"),
        (SIGNAL, {"googclient_traceparent": "google"}, "google"),
        (SIGNAL, {"googclient_traceparent": "google", "traceparent": b"header"}, "header"),
        (SIGNAL, {"traceparent": b"\xff"}, "\ufffd"),
        (SIGNAL, {"other": b"\xff"}, None),
        (b'{"mb": 2}', HEADERS | {"ce_time": str(NOW), "ce_traceparent": b"binary", "traceparent": b"hop"}, "binary"),
        (TRACED, {}, "event"),
        (TRACED, {"traceparent": b"hop"}, "event"),
        (TRACED, {"content-type": b"application/cloudevents+json"}, "event"),
        (TRACED.replace(b'"event"', b"5"), {}, "5"),
        (TRACED.replace(b'"event"', b"null"), {"traceparent": b"hop"}, "hop"),
    ],
)
def test_a_message_brings_the_trace_that_it_was_sent_with(
    value: bytes, headers: dict[str, Any], trace: str | None
) -> None:
    row, told = _among_good(value, headers=headers)
    assert told == ("", "")
    assert row is not None
    assert row.get(CARRIED) == trace


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (json.dumps(EVENT | {"subject": "anna", "data": {"mb": 2}}).encode(), {}),
        (json.dumps(EVENT | {"subject": "anna", "data": {"mb": 2}}, indent=1).encode(), {}),
        (json.dumps(EVENT | {"subject": "anna", "data_base64": "eyJtYiI6IDJ9"}).encode(), {}),
        (
            json.dumps(EVENT | {"subject": "anna", "data": {"mb": 2}}).encode(),
            {"content-type": b"application/cloudevents+json; charset=UTF-8"},
        ),
        (b'{"mb": 2}', HEADERS | {"ce_time": b"2026-01-05T00:00:00.123Z"}),
        (b'{"mb": 2, "id": null}', {"ce-id": "ce", "CE-Source": "crm", "ce-subject": "anna", "ce-time": str(NOW)}),
        (b'{"mb": 2, "id": "ce", "time": 1767571200123}', HEADERS),
    ],
)
def test_attributes_of_an_event_are_columns(value: bytes, headers: dict[str, Any]) -> None:
    row, told = _among_good(value, headers=headers)
    assert told == ("", "")
    assert row is not None
    wanted = {"id": "ce", "source": "crm", "time": 1_767_571_200_123, "subject": "anna", "mb": 2.0}
    assert {name: row[name] for name in wanted} == wanted


def test_data_have_the_last_word_over_attributes() -> None:
    data = {"mb": 2, "id": "own", "subject": "bert"}
    row, _ = _among_good(json.dumps(EVENT | {"subject": "anna", "data": data}).encode())
    assert row is not None
    assert (row["id"], row["subject"], row["source"]) == ("own", "bert", "crm")


def test_a_bare_object_may_speak_of_versions() -> None:
    for more in ({"specversion": "1.0"}, {"x": "specversion"}, {"x": {"specversion": 1}, "data": 3}):
        row, _ = _among_good(json_value(2, **more))
        assert row is not None
        assert row["id"] == "e2"


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (json.dumps(EVENT | {"specversion": "0.3", "data": {}}).encode(), {}, "unknown_cloud_event"),
        (json.dumps(EVENT | {"id": 5, "data": {}}).encode(), {}, "wrong_type"),
        (json.dumps(EVENT | {"data": [1]}).encode(), {}, "wrong_type"),
        (json.dumps(EVENT | {"data_base64": "?"}).encode(), {}, "no_data"),
        (json.dumps(EVENT).encode(), {"content-type": "application/cloudevents+json"}, "no_data"),
        (b"{", {"content-type": "application/cloudevents+json"}, "malformed_json"),
        (b"[]", {"content-type": "application/cloudevents-batch+json"}, "unknown_cloud_event"),
        (b"{}", HEADERS | {"ce_specversion": b"2.0"}, "unknown_cloud_event"),
        (b"{}", HEADERS | {"ce_id": b"\xff"}, "invalid_utf8"),
        (b"{}", HEADERS | {"ce_time": b"soon"}, "wrong_type"),
    ],
)
def test_an_event_that_is_none_is_rejected_alone(value: bytes, headers: dict[str, Any], reason: str) -> None:
    assert _among_good(value, headers=headers) == (None, ("partition 3 offset 42", reason))


def _single(schema: dict[str, Any], value: bytes) -> bytes:
    return b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")) + value


@pytest.mark.parametrize("value", [avro_value(2), _single(SCHEMA, avro_value(2))])
def test_avro_bare_and_single(value: bytes) -> None:
    row, told = _among_good(value, AVRO)
    assert told == ("", "")
    assert row is not None
    assert (row["id"], row["time"], row["mb"], row["source"]) == (b"e2", NOW + 2, 1.5, None)


def test_attributes_of_an_event_in_avro() -> None:
    row, _ = _among_good(avro_value(2, mb=None), AVRO, headers=HEADERS | {"ce_id": b"other"})
    assert row is not None
    assert (row["id"], row["source"]) == ("e2", "crm")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        avro_value(2)[:-1],
        avro_value(2) + b"\0",
        avro_value(2)[:-1] + b"\x08",  # a symbol that there is not
        _single(SCHEMA | {"name": "other"}, avro_value(2)),
        b"\xff" * 30,
    ],
)
def test_what_is_no_record_of_avro_is_rejected_alone(value: bytes) -> None:
    assert _among_good(value, AVRO) == (None, ("partition 3 offset 42", "malformed_avro"))


def _registry(number: int) -> Any:
    if number == 8:
        raise LookupError("it is of another kind")
    return {7: SCHEMA, 9: {"type": "string"}, 10: SCHEMA | {"fields": SCHEMA["fields"][1:]}}[number]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\0\0\0\0\7", "malformed_avro"),
        (b"\0\0\0\0\10" + avro_value(2), "unknown_schema"),
        (b"\0\0\0\0\11" + avro_value(2), "unknown_schema"),
        (b"\0\0\0\1\0" + avro_value(2), "unknown_schema"),
        (b"\0\0\0", "not_framed"),
        (avro_value(2), "not_framed"),
    ],
)
def test_ids_of_schemas_that_cannot_be_read_with(value: bytes, reason: str) -> None:
    registered = feed(format="avro", registry="http://here")
    assert _among_good(value, registered, schema_of=_registry) == (None, ("partition 3 offset 42", reason))


def test_schemas_of_a_registry_are_read_side_by_side() -> None:
    registered = feed(format="avro", registry="http://here")
    shorter = {**SCHEMA, "fields": SCHEMA["fields"][1:]}
    row, _ = _among_good(b"\0\0\0\0\12" + avro_value(2, shorter), registered, schema_of=_registry)
    assert row is not None
    assert (row["id"], row["mb"]) == (None, 1.5)


@pytest.mark.parametrize(("value", "reason"), [(b"\0\0\0\0\7x", "confluent_framing"), (avro_value(2), "no_schema")])
def test_avro_without_a_schema_is_told(value: bytes, reason: str) -> None:
    rows, (rejected,) = _parse([message(value)], feed(format="avro"))
    assert (rows, rejected["reason"]) == ([], reason)
    assert "registry=" in rejected["message"]


ANY = st.one_of(
    st.binary(max_size=40),
    st.text(st.sampled_from('{}[]",:01.eE-+\\nulltrue \n\r'), max_size=20).map(str.encode),
    st.dictionaries(
        st.sampled_from(["id", "mb", "time", "x", "data", "specversion"]), st.none() | st.text(max_size=2)
    ).map(lambda value: json.dumps(value, indent=1).encode()),
    st.integers(0, 60).map(lambda cut: avro_value(2)[:cut]),
    st.sampled_from([b"\0\0\0\0\7", b"\xc3\x01", b"null", b'{"specversion": "1.0", "data": ', b"\r", b"\n"]),
)
HEADED = st.dictionaries(
    st.sampled_from(["ce_id", "ce-time", "content-type", "ce_specversion", "x"]),
    st.sampled_from(
        [None, b"", b"1.0", b"\xff", "application/cloudevents+json", "application/json", b"2026-01-05T00:00:00Z"]
    ),
    max_size=3,
)


@settings(max_examples=100)
@given(st.lists(st.tuples(ANY, HEADED), max_size=5), st.sampled_from(["json", "avro", "registry"]), st.randoms())
def test_anything_beside_good_messages_leaves_them_whole(
    strange: list[tuple[bytes, dict[str, Any]]], kind: str, order: Any
) -> None:
    of = {"json": FEED, "avro": AVRO, "registry": feed(format="avro", registry="http://here")}[kind]
    schema_of = _registry if kind == "registry" else None
    start = b"\0\0\0\0\7" if kind == "registry" else b""
    good = [message(start + (json_value(i) if kind == "json" else avro_value(i)), i) for i in range(3)]
    mixed = [*good, *(message(value, 10 + i, headers) for i, (value, headers) in enumerate(strange))]
    order.shuffle(mixed)
    rows, rejected = _parse(mixed, of, schema_of=schema_of)
    found = sorted(row[POSITION] for row in rows) + sorted(int(row["position"].split()[-1]) for row in rejected)
    assert sorted(found) == sorted(each.position for each in mixed)
    ids = {row[POSITION]: row["id"] for row in rows}
    assert [ids[i] in (f"e{i}", f"e{i}".encode()) for i in range(3)] == [True] * 3
    alone = [_parse([each], of, schema_of=schema_of) for each in mixed]
    assert {row["position"]: row["reason"] for row in rejected} == {
        row["position"]: row["reason"] for _, refused in alone for row in refused
    }


def test_no_messages_give_nothing() -> None:
    assert parse_messages([], FEED) == ([], [])
    assert parse_messages([], AVRO) == ([], [])


def test_a_record_that_fastavro_writes_in_a_file_is_no_message() -> None:
    out = io.BytesIO()
    fastavro.writer(out, SCHEMA, [signal(2, kind="data")])
    assert _among_good(out.getvalue(), AVRO)[1][1] == "malformed_avro"


@given(values=st.lists(st.sampled_from(LOOKS), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_messages_at_once_are_what_they_are_one_by_one(values: list[bytes]) -> None:
    """A tombstone among them lets all of them be looked at one by one."""
    messages = [message(value, place) for place, value in enumerate(values)]
    rows, rejected = _parse(messages)
    rows_with, rejected_with = _parse([*messages, message(None, len(values))])
    assert rows == rows_with
    assert sorted(map(str, rejected)) == sorted(str(one) for one in rejected_with if one["reason"] != "tombstone")
