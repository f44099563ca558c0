"""Offers: CloudEvents whose content is that of the decision, in JSON and Avro."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import fastavro
import pyarrow as pa
import pytest

from schemas.offer import OFFER_AVRO
from schemas.records import ERASED
from tests.transforms.decision.small_policies import HOUR, Offer, Policy, Trigger, batch_of, plan_of
from transforms.blobs import table_blob
from transforms.decision.decide import decide
from transforms.decision.erasure import decide_and_erase
from transforms.decision.ledger_state import KIND, dump, packed
from transforms.decision.ledgers import Ledgers
from transforms.decision.offers import ROOTED, event_texts, offers_of, write_event_container, write_event_lines
from transforms.decision.reshard_ledgers import reshard_ledgers

TICK = 1_767_593_100_000  # 2026-01-05T06:05:00Z
PLAN = plan_of(Policy((Offer("a", cooldown=HOUR, send=("sms",)), Offer("b", ("u",), priority=2, family="g"))))
TRIGGERS = [
    Trigger(subject='o"1\\ä', tick=TICK, x=None),
    Trigger(subject="p", trigger="u", tick=TICK + 1, x=3, y=2.5),
    Trigger(subject="p", trigger="t", tick=TICK + HOUR),
    Trigger(subject="p", trigger="t", tick=TICK + HOUR + 1),
]
DECISIONS = decide(PLAN, None, [batch_of(TRIGGERS)], 2**52).decisions
OFFERS = offers_of(PLAN, DECISIONS)


def test_an_offer_is_a_cloud_event() -> None:
    first = json.loads(event_texts(OFFERS)[0])
    assert first == {
        "specversion": "1.0",
        "id": TRIGGERS[0].id(),
        "source": "/segment-of-one/test",
        "type": "offer.made",
        "subject": 'subscriber/o"1\\ä',
        "time": "2026-01-05T06:05:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:segment-of-one:offer:1",
        "mode": "live",
        "playbookversion": 3,
        "data": {
            "offer": "a",
            "channel": "sms",
            "family": "f",
            "owner": "team",
            "message": "marketing",
            "recipient_kind": "subscriber",
            "recipient": 'o"1\\ä',
            "trigger": "t",
            "priority": 5,
            "value_micros": 500_000,
            "valid_until": "2026-01-05T07:05:00.000Z",
            "playbook": "test",
            "version": 3,
            "playbook_hash": "0" * 32,
            "reason": None,
            "cause": None,
            "params": {"x": None},
        },
    }


def test_only_decisions_that_send_are_offers() -> None:
    assert DECISIONS["action"].to_pylist() == ["offer", "offer", "offer", "no_offer"]
    assert OFFERS["id"].to_pylist() == [one.id() for one in TRIGGERS[:3]]
    events = [json.loads(text) for text in event_texts(OFFERS)]
    assert [event["data"]["params"] for event in events] == [{"x": None}, {"x": 3}, {"x": 0}]
    assert [(event["data"]["family"], event["data"]["priority"]) for event in events] == [("f", 5), ("g", 2), ("f", 5)]
    assert events[1]["time"] == "2026-01-05T06:05:00.001Z"


def _of_a_release_before(state: bytes) -> bytes:
    """Return a state that does not tell what is known of offers."""
    header, tables = table_blob.load(KIND, state)
    return table_blob.dump(
        KIND, {name: one for name, one in header.items() if name not in ("offers", "tables")}, tables
    )


@pytest.mark.parametrize("shards", [None, 3])
@pytest.mark.parametrize(("kept", "told"), [(bytes, ("team", 5)), (_of_a_release_before, ("", 0))])
def test_what_a_playbook_lacks_is_withdrawn_as_it_was_made(
    kept: Callable[[bytes], bytes], told: tuple[str, int], shards: int | None
) -> None:
    state = kept(dump(decide(PLAN, None, [batch_of(TRIGGERS[:1])], TICK).ledger))
    if shards:
        parts = (reshard_ledgers([state], shard, shards, TICK) for shard in range(shards))
        state = next(packed(part) for part in parts if len(part.reservations))
    name = TRIGGERS[0].subject
    row = {"root_kind": "subscriber", "root": name, "subject_kind": "subscriber", "subject": name, "token": "#"}
    erased = pa.RecordBatch.from_pylist([{**row, "source": "s", "id": "1", "tick": TICK + 1}], schema=ERASED)
    plan = replace(plan_of(Policy((Offer("b", ("u",), family="g"),), tick=1)), playbook_hash="1" * 32)
    (decided, _), *_ = decide_and_erase(plan, Ledgers.load(state), [erased], TICK + 1)
    (offer,) = offers_of(plan, decided.decisions, decided.offers).to_pylist()
    assert (offer["type"], offer["data"]["offer"], offer["data"]["family"]) == ("offer.withdrawn", "a", "f")
    assert (offer["data"]["owner"], offer["data"]["priority"]) == told


def test_json_lines_hold_an_event_each() -> None:
    sink = io.BytesIO()
    write_event_lines(OFFERS, sink)
    assert sink.getvalue().decode().splitlines() == event_texts(OFFERS).to_list()


def test_avro_holds_the_same() -> None:
    sink = io.BytesIO()
    write_event_container(OFFERS, sink)
    sink.seek(0)
    reader = fastavro.reader(sink)
    first = next(reader)
    assert isinstance(first, dict)
    assert first["time"] == datetime(2026, 1, 5, 6, 5, tzinfo=UTC)
    assert first["data"]["valid_until"] == datetime(2026, 1, 5, 7, 5, tzinfo=UTC)
    assert first["data"]["params"] == '{"x":null}'
    assert list(first) == [field["name"] for field in OFFER_AVRO["fields"]]
    assert len(list(reader)) == 2


def test_no_offers_are_an_empty_table() -> None:
    for plan in (PLAN, plan_of(Policy(()))):
        none = offers_of(plan, DECISIONS.slice(0, 0))
        assert (none.schema, none.num_rows, event_texts(none).to_list()) == (ROOTED, 0, [])
