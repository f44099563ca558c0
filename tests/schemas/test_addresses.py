"""Addresses of what is read and published."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.address_options import OPTIONS
from schemas.addresses import Address, parse_address

GIVEN = [
    ("data/*.csv", "file", (), "data/*.csv", {}),
    ("data/?.csv", "file", (), "data/?.csv", {}),
    ("data/?watch.csv", "file", (), "data/?watch.csv", {}),
    ("gs://bucket/day=1/x.avro", "file", (), "gs://bucket/day=1/x.avro", {}),
    ("data/?t=2026-01-01/x.parquet", "file", (), "data/?t=2026-01-01/x.parquet", {}),
    ("landing/?watch", "watch", (), "landing", {"every": 5_000, "idle": 30_000, "ends": None, "replay": False}),
    ("s3://b/in/?watch&every=10s&idle=2m", "watch", (), "s3://b/in", {"every": 10_000, "idle": 120_000}),
    ("kafka://a:9092,[::1]:1/t.x", "kafka", ("a:9092", "[::1]:1"), "t.x", {"format": "jsonl", "start": "earliest"}),
    (
        "kafka://a:1/t?format=json&replay&ends=0s",
        "kafka",
        ("a:1",),
        "t",
        {"format": "jsonl", "replay": True, "ends": 0},
    ),
    ("kafka://a:1/t?start=1970-01-02T01:00:00+01:00", "kafka", ("a:1",), "t", {"start": 86_400_000}),
    ("kafka://a:1/t?linger=50ms&registry=http://r:8081", "kafka", ("a:1",), "t", {"linger": 50, "group": "segone"}),
    ("pubsub://p/sub?format=avro&schema=a/usage.avsc", "pubsub", ("p",), "sub", {"schema": "a/usage.avsc"}),
]


@pytest.mark.parametrize(("text", "scheme", "hosts", "name", "options"), GIVEN)
def test_addresses(text: str, scheme: str, hosts: tuple[str, ...], name: str, options: dict[str, Any]) -> None:
    address = parse_address(text)
    assert (address.scheme, address.hosts, address.name) == (scheme, hosts, name)
    assert {**address.options, **options} == address.options
    assert address.ends == (scheme == "file")
    assert parse_address(address.text) == address


WRONG = [
    ("", "is empty"),
    ("kafak://a:1/t", "no scheme `kafak://`; did you mean `kafka`?"),
    ("ftp://a/t", "no scheme `ftp://`; known: azfs, bigquery, gs, hdfs, kafka, pubsub, s3"),
    ("kafka://a/t", "`a` of `kafka://` is no host with its port; write `kafka://host:9092/topic`"),
    ("kafka://a:0/t", "`a:0` of `kafka://` is no host"),
    ("kafka://a:1", "`` of `kafka://` is no topic"),
    ("kafka://a:1/t/u", "`t/u` of `kafka://` is no topic"),
    ("kafka://a:1/t?ide=3s", "no option `ide` of kafka in reading; did you mean `idle`?"),
    ("kafka://a:1/t?every=3s", "no option `every` of kafka in reading; leave it out; known: client.NAME, ends"),
    ("kafka://a:1/t?idle", r"`idle` has no value: write `idle=...`"),
    ("kafka://a:1/t?idle=3", "`idle` must be a number and a unit, … not `3`"),
    ("kafka://a:1/t?idle=0s", "`idle` must be from 1ms to 366d"),
    ("kafka://a:1/t?replay=yes", "`replay` is a name alone"),
    ("kafka://a:1/t?replay=", "`replay` is a name alone"),
    ("kafka://a:1/t?idle=3s&idle=4s", "`idle` is there twice"),
    ("kafka://a:1/t?format=xml", "`format` must be `jsonl` or `avro`, not `xml`"),
    ("kafka://a:1/t?start=now", "`start` must be `earliest`, `latest` or an instant"),
    ("kafka://a:1/t?start=0001-01-01T00:00:00+23:00", "`start` must be … within the years 1 to 9999"),
    ("kafka://a:1/t?registry=r:8081", "`registry` must be the address of a schema registry"),
    ("kafka://a:1/t?schema=usage.json", "`schema` must be a file of an Avro schema"),
    ("kafka://a:1/t?client.=x", "`client.` is no setting"),
    ("pubsub://p/sub?client.x=y", "no option `client.x` of pubsub"),
    ("pubsub://projects/p/subscriptions/usage", "write `pubsub://p/usage` for"),
    ("pubsub://p", "`` of `pubsub://` is no subscription"),
    ("pubsub:///sub", "`` of `pubsub://` is no project"),
    ("bigquery://p/d/t", "`bigquery://p/d/t` is for publishing: export the table"),
    ("landing/?watch&evry=3s", "no option `evry` of a folder that is watched in reading; did you mean `every`?"),
    ("landing/?wacth&every=3s", "`?wacth` … the options of a path stand behind `/?watch`"),
    ("landing/?format=jsonl", "the options of a path stand behind"),
    ("in/*/?watch", "must be one folder"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_addresses_are_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=".*".join(map(re.escape, message.split("…")))):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kafka://a:1/t?idle=3s", "no option `idle` of kafka in publishing; leave it out; known: client.NAME"),
        ("kafka://a:1/t?format=avro", "no option `format` of kafka in publishing; leave it out; known: client.NAME"),
        ("pubsub://p/topic?format=avro", "no option `format` of pubsub in publishing; leave it out"),
        ("pubsub://p/t", "no topic"),
        ("out/?watch", "is for reading"),
        ("out/*", "must be one folder to publish to"),
    ],
)
def test_addresses_to_publish_to(text: str, message: str) -> None:
    assert parse_address("kafka://a:1/t?client.acks=all", "publish").client == {"acks": "all"}
    assert parse_address("out/", "publish").options == {}
    with pytest.raises(ValueError, match=message):
        parse_address(text, "publish")


def test_settings_of_the_client_are_not_shown() -> None:
    address = parse_address("kafka://a:1/t?client.sasl.password=s%26cret&client.sasl.username=me")
    assert address.client == {"sasl.password": "s&cret", "sasl.username": "me"}
    assert "cret" not in repr(address) + address.bare
    assert parse_address(address.text) == address


_PIECES = [*re.split(" ", "kafka:// pubsub:// a:1 / ? & = watch % %ff , client. s t 3 *"), *OPTIONS]
_texts = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(_PIECES),
        max_size=12,
    ).map("".join),
)


@given(_texts, st.sampled_from(["read", "publish"]))
def test_any_text_is_an_address_or_a_value_error(text: str, use: Any) -> None:
    address: Address | None
    try:
        address = parse_address(text, use)
    except ValueError as error:
        address, told = None, str(error)
    if address is None:
        assert told.isprintable()
        return
    assert parse_address(address.text, use) == address


_lengths = st.integers(1, 10**9).map(lambda ms: f"{ms}ms")
_named = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["json", "jsonl", "avro"]),
        "start": st.sampled_from(["latest", "2026-02-03T04:05:06.789-07:00"]),
        "group": st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5),
        **dict.fromkeys(["idle", "patience", "ends", "linger"], _lengths),
        "client.sasl.mechanism": st.sampled_from(["PLAIN", "a%20b%26", "x=y"]),
    },
)


@given(_named)
def test_options_come_back(options: dict[str, str]) -> None:
    text = "kafka://h:9092/topic" + ("?" if options else "") + "&".join(f"{k}={v}" for k, v in options.items())
    address = parse_address(text)
    assert parse_address(address.text) == address
    assert parse_address(address.text).text == address.text
