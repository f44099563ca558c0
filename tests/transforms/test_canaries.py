"""Nothing of somebody who was erased is left in any state: searched byte by byte, whatever came of it and when."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from tests.cases import examples
from tests.reference.group_playbooks import GROUPS, group_cases
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Case
from tests.transforms.context.test_groups import plans_of
from transforms.blobs import table_blob
from transforms.blobs.envelope import unseal
from transforms.compiler.offer_plan import load_offers
from transforms.decision.erasure import decide_and_erase
from transforms.decision.ledgers import Ledgers

CANARY = "canary"
SUBJECTS = {"subscriber": SUBSCRIBERS, **GROUPS}


def marked(row: Signal, kind: str, subject: str) -> Signal:
    """Return a signal with the mark on all that it says about a subject."""
    whole = (row.subject_kind, row.subject) == (kind, subject)
    group = (row.payload.get("group_kind"), row.payload.get("group")) == (kind, subject)
    if not whole:
        return replace(row, payload={**row.payload, "group": CANARY + subject}) if group else row
    fixed = {"group_kind", "group", "state"} if row.signal == "membership" else set()
    texts = {key: CANARY + value for key, value in row.payload.items() if isinstance(value, str) and key not in fixed}
    names = {name: CANARY + getattr(row, name) for name in ("id", "source", "subject")}
    return replace(row, payload={**row.payload, **texts}, **names)


def plain(table: pa.Table) -> bytes:
    """Return a table as bytes that are not compressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def bytes_of(kind: str, blob: bytes) -> Iterator[bytes]:
    """Yield all that a stage's state says."""
    header, tables = table_blob.load(kind, blob)
    yield repr(header).encode()
    yield from map(plain, tables.values())


def kept(case: Case, shards: int) -> Iterator[bytes]:
    """Yield all that any shard of any stage holds after the last call: its state and what waits."""
    stages, plan = Stages(plans_of(case.playbook), shards, shards), load_offers(parse_playbook(case.playbook))
    ledgers, waiting = Ledgers.load(None), list[pa.RecordBatch]()
    for rows, upto in case.calls:
        made = stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
        waiting += [batch for one in made for batch in (one.outputs.triggers, *one.facts)]
        waiting += [batch for one in stages.erased for batch in (*one.everywhere, *one.facts)]
        for decided, _ in decide_and_erase(plan, ledgers, waiting, upto):
            waiting = decided.waiting
    yield from bytes_of("ledger", ledgers.dump())
    yield from (plain(pa.table(batch)) for batch in (*waiting, *stages.waiting))
    for state in stages.states:
        _, levels, tombstones = msgspec.msgpack.decode(unseal("levels", state))
        yield repr(tombstones).encode()
        yield from (part for blob in levels for part in bytes_of("contexts", blob))


@examples(8)
@given(group_cases(), st.sampled_from([(kind, one) for kind, all_ in SUBJECTS.items() for one in all_]), st.data())
def test_nothing_is_left_of_who_was_erased(case: Case, who: tuple[str, str], data: st.DataObject) -> None:
    erasure = Signal("erasure", "e", "law", START + data.draw(st.integers(0, 40)) * MINUTE, CANARY + who[1], {}, who[0])
    calls = [([marked(row, *who) for row in rows], upto) for rows, upto in case.calls]
    calls[data.draw(st.integers(0, len(calls) - 1))][0].append(erasure)
    if who[0] not in plans_of(case.playbook).plans[0]:
        return
    long = case.playbook.replace("erased_for: 12m", "erased_for: 3h")
    for part in kept(Case(long, calls), data.draw(st.integers(1, 2))):
        assert CANARY.encode() not in part


def test_the_search_finds_what_is_there() -> None:
    text = "playbook: p\nsignals: [usage, erasure]\nsubscriber: {features: {who: {last: peer, from: usage}}}\n"
    row = Signal("usage", "1", "net", START, "a", {"peer": "b"})
    found = [*kept(Case(text, [([marked(row, "subscriber", "a")], START + MINUTE)]), 1)]
    assert any(CANARY.encode() in part for part in found)
