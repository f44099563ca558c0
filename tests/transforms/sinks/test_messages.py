"""Rows become messages: the line of a file each, an id that is its own, a key that keeps order."""

import io
import json
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.offers_pipeline import WRITERS
from schemas.offer import OFFER
from schemas.records import REJECTED, SEGMENT_STATS, TRANSITION
from tests.schemas import samples
from transforms.decision.offers import event_texts, offers_of
from transforms.sinks.messages import latest, messages_of, rows_of
from transforms.sinks.target import Messages
from transforms.write_outputs import FORMATS

DECISIONS = samples.decisions()
OFFERS = offers_of(samples.plan(), DECISIONS)
TRANSITIONS = st.builds(
    lambda subject, name, tick, evidence: {
        "subject_kind": "subscriber",
        "subject": subject,
        "tick": tick,
        "kind": "segment",
        "name": name,
        "event": "entered",
        "late": False,
        "evidence": evidence,
    },
    st.text(max_size=5),
    st.text(max_size=5),
    st.integers(0, 2**42),
    st.none() | st.just('{"mb":1}'),
)


def _messages(name: str, table: pa.Table, schema: pa.Schema) -> Messages:
    (batch,) = table.combine_chunks().to_batches()
    return messages_of(name, batch, schema, WRITERS.get(name, FORMATS)["jsonl"])


def test_an_offer_is_its_event_under_the_key_of_its_contact_root() -> None:
    made = _messages("offers", OFFERS, OFFER)
    assert [text.decode() for text in made.texts] == event_texts(OFFERS).to_list()
    roots = DECISIONS.filter(pa.compute.field("action") != "no_offer")
    kinds = zip(roots["root_kind"].to_pylist(), roots["root"].to_pylist(), strict=True)
    assert made.keys == [f"{kind}/{root}" for kind, root in kinds]
    assert made.content_type.startswith("application/cloudevents+json")


def test_a_withdrawal_is_another_message_than_its_offer() -> None:
    ids = _messages("offers", OFFERS, OFFER).ids
    (event,) = {*OFFERS["id"].to_pylist()}
    assert ids == [f"{event}/offer.made", f"{event}/offer.withdrawn"]
    assert len({*_messages("decisions", DECISIONS, DECISIONS.schema).ids}) == len(DECISIONS)


def test_without_its_root_an_offer_has_the_key_of_its_subject() -> None:
    assert _messages("offers", OFFERS.select(OFFER.names), OFFER).keys == OFFERS["subject"].to_pylist()


@given(st.lists(TRANSITIONS, min_size=1, max_size=20))
def test_a_text_is_the_line_of_the_file(rows: list[dict[str, Any]]) -> None:
    batch = pa.RecordBatch.from_pylist(rows, TRANSITION)
    made = _messages("transitions", pa.Table.from_batches([batch]), TRANSITION)
    sink = io.BytesIO()
    WRITERS["transitions"]["jsonl"](pa.Table.from_batches([batch]), sink)
    assert b"".join(text + b"\n" for text in made.texts) == sink.getvalue()
    assert [json.loads(text)["subject"] for text in made.texts] == [row["subject"] for row in rows]
    assert made.keys == [f"subscriber/{row['subject']}" for row in rows]
    assert made.ids == [blake2b(text, digest_size=16).hexdigest() for text in made.texts]
    assert latest(rows_of(batch, TRANSITION)) == max(row["tick"] for row in rows)


STATS = {"subject_kind": "sme", "segment": "busy", "words": "", "window": "hour", "end": 7, "size": 1, "base": 1}
REFUSED = {"source": "a.csv", "position": "1", "stage": "s", "reason": "r", "message": "m", "payload": b"\xff"}


@pytest.mark.parametrize(
    ("name", "row", "schema", "key", "tick"),
    [
        ("segment_stats", STATS | {"entered": 0, "exited": 0, "overlap": []}, SEGMENT_STATS, "sme/busy", 7),
        ("rejected", REFUSED | {"payload_hash": "", "payload_length": 1, "attempt": 1}, REJECTED, "a.csv", None),
    ],
)
def test_others_have_the_key_of_what_they_are_about(
    name: str, row: dict[str, Any], schema: pa.Schema, key: str, tick: int | None
) -> None:
    batch = pa.RecordBatch.from_pylist([row], schema)
    assert messages_of(name, batch, schema, FORMATS["jsonl"]).keys == [key]
    assert latest(rows_of(batch, schema)) == tick


def test_texts_that_are_not_one_a_row_are_an_error() -> None:
    batch = pa.RecordBatch.from_pylist([STATS | {"entered": 0, "exited": 0, "overlap": []}], SEGMENT_STATS)
    with pytest.raises(ValueError, match="segment_stats: 0 texts of 1 rows"):
        messages_of("segment_stats", batch, SEGMENT_STATS, lambda _, __: None)
