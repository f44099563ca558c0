"""The trace of a trigger stands in its decision and offer, also after a wait, and in states of before."""

import json
from dataclasses import replace

import pyarrow as pa

from pipelines.offers_pipeline import outputs_of
from tests.schemas import samples
from transforms.decision.decide import decide
from transforms.decision.offers import event_texts, offers_of
from transforms.sinks.messages import messages_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PLAN = samples.plan()


def trigger(**more: str) -> pa.RecordBatch:
    row = {"subject": "anna", "trigger": "subscriber.running_out", "tick": samples.NINE, "late": False}
    row |= {"root_kind": "subscriber", "root": "anna", "recipient": "anna", "segments": []}
    row |= {"evidence": {"left_mb": 1.0}, "context": {"left_mb": 1.0}}
    metadata = {b"signal": b"trigger", b"subject_kind": b"subscriber"}
    return pa.RecordBatch.from_pylist([row | more], PLAN.triggers.with_metadata(metadata))


CONSENT = samples.consent()


def test_an_offer_and_its_message_bear_it_and_others_none() -> None:
    for more, expected in (({"traceparent": TRACE}, TRACE), ({}, None)):
        decisions = decide(PLAN, None, [trigger(**more), CONSENT], samples.NINE).decisions
        offers = offers_of(PLAN, decisions)
        (event,) = map(json.loads, event_texts(offers))
        assert event.get("traceparent") == expected
        assert ("traceparent" in event) == (expected is not None)
        for name, rows in (("decisions", decisions), ("offers", offers)):
            output = outputs_of(PLAN, ["jsonl"])[name]
            (batch,) = rows.combine_chunks().to_batches()
            (attributes,) = messages_of(name, batch, output.schema, output.formats["jsonl"]).attributes()
            assert attributes.get("traceparent") == expected


def test_a_trigger_of_before_there_were_traces_has_none() -> None:
    old = trigger(traceparent=TRACE).drop_columns(["traceparent"])
    decisions = decide(PLAN, None, [old, trigger(subject="ben", root="ben", recipient="ben", traceparent=TRACE)], 2**45)
    assert decisions.decisions["traceparent"].to_pylist() == [None, TRACE]


def test_who_waits_keeps_it_and_a_state_of_before_is_read() -> None:
    waits = decide(PLAN, None, [trigger(traceparent=TRACE)], samples.NINE)
    entry = pa.table(trigger(traceparent=TRACE)).append_column("subject_kind", pa.array(["subscriber"]))
    given = {
        "own_tick": samples.NINE,
        "n": 1,
        "until": samples.NINE + samples.HOUR,
        "deadline": samples.NINE + samples.HOUR,
    }
    for name, value in given.items():
        entry = entry.append_column(name, pa.array([value], pa.int64()))
    entry = entry.append_column("inbound", pa.nulls(1, pa.string())).append_column("decision_id", pa.array(["x"]))
    for table, expected in ((entry, TRACE), (entry.drop_columns(["traceparent"]), None)):
        known = replace(waits.ledger, deferred=table.replace_schema_metadata())
        later = decide(PLAN, known, [], samples.NINE + samples.HOUR)
        assert later.decisions["traceparent"].to_pylist() == [expected]
