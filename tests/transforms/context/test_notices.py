"""Who is told of policy signals, and when, against a plain program: moves, late rows, copies, erasures, cuts of spans."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import contract
from schemas.playbook_file import parse_playbook
from schemas.records import NOTICE
from schemas.versions import Versions
from tests.reference.group_playbooks import GROUPS, moves
from tests.reference.identity import Identity, Root
from tests.reference.kernel import is_fact
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Call, Case, dealt, ends, erased, in_time
from tests.transforms.context.test_advance import examples
from transforms.compiler.notices import notices_of
from transforms.context.live import resident
from transforms.context.state.shard_state import KIND
from transforms.blobs import envelope, table_blob
from transforms.shell.versions import load_contexts, notice_schemas

LATENESS, MATTER, ERASED_FOR = 10 * MINUTE, 7 * MINUTE, 15 * MINUTE
POLICY = ("consent", "profile", "ticket", "control", "contact", "outcome")
TEXT = """
playbook: p
allowed_lateness: 10m
dedup_horizon: 10m
erased_for: 15m
signals: [usage, membership, consent, profile, ticket, control, contact, outcome, erasure]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}, moments: {busy: {when: n > 0}}}
household: {features: {contacts: {count: any, from: contact, where: channel = 'sms', window: 5m}}}
sme: {features: {n: {count: any, from: usage, window: 5m}}}
offers: {gift: {for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h,
         cooldown: 7m}}
policy: {no_sales_while: {ticket: "state <> 'closed' AND severity = 1"}}
"""
LONE = "\n".join(line for line in TEXT.splitlines() if not line.startswith(("household", "sme")))
BOOK = parse_playbook(TEXT)
NOTICES = notices_of(BOOK)
TOLD = dict.fromkeys(("b", "d"))


@dataclass(frozen=True, order=True)
class Told:
    """One signal of which a contact root is told at a tick."""

    tick: int
    root: Root
    who: Root
    signal: str
    row: tuple[object, ...] = field(compare=False)

    @property
    def key(self) -> tuple[object, ...] | None:
        """Of what only the latest holds; None: all hold."""
        notice = NOTICES[self.signal]
        payload = dict(zip(notice.columns, self.row[3:], strict=True))
        return None if notice.key is None else tuple(payload[name] for name in notice.key)

    @property
    def order(self) -> tuple[object, ...]:
        """What is greatest of the row that holds."""
        time, source, name, *payload = self.row
        return time, not (self.signal == "consent" and "withdrawn" in payload), source, name


def effective(told: Iterable[Told]) -> dict[object, list[tuple[int, object]]]:
    """Return what each root knows: of each key which row from which tick on; of others from which tick on each row."""
    found: dict[object, list[tuple[int, object]]] = defaultdict(list)
    by_tick: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        by_tick[one.tick].append(one)
    holds: dict[object, Told] = {}
    for tick, mine in sorted(by_tick.items()):
        for one in mine:
            what = (one.root, one.who, one.signal, one.row if one.key is None else one.key)
            if what not in holds or holds[what].order < one.order:
                holds[what] = one
        for what, one in holds.items():
            if not found[what] or found[what][-1][1] != one.row:
                found[what].append((tick, one.row))
    return found


class Oracle:
    """Who is told what at which tick, by definition."""

    def __init__(self) -> None:
        """Start with nobody known and no tick closed."""
        self.told: list[Told] = []
        self._identity, self._closed, self._waiting = Identity(), 0, list[tuple[int, Signal]]()
        self._known: dict[str, list[tuple[int, Signal]]] = defaultdict(list)
        self._applied, self._until = set[tuple[object, ...]](), dict[Root, int]()
        self._requests: dict[tuple[object, ...], int] = {}

    def advance(self, signals: Iterable[Signal], upto: int) -> None:
        """Take signals in, then close every tick up to and including one."""
        for row in signals:
            if row.signal == "erasure" or row.time >= self._closed - LATENESS:
                self._waiting.append((max(row.time - row.time % MINUTE, self._closed) + MINUTE, row))
        due = [one for one in self._waiting if one[0] <= upto]
        self._waiting = [one for one in self._waiting if one[0] > upto]
        for tick in range(min((tick for tick, _ in due), default=upto), upto + 1, MINUTE):
            self._close(tick, [row for acts, row in due if acts == tick])
        self._closed = upto

    def _close(self, tick: int, rows: list[Signal]) -> None:
        before = {name: self._identity.root(name, tick - MINUTE - 1) for name in SUBSCRIBERS}
        for row in (row for row in rows if row.signal == "erasure"):
            self._erase(row, tick)
        new = [row for row in rows if self._applies(row, tick)]
        for row in (row for row in new if row.signal == "membership"):
            self._identity.hear(row, tick, MINUTE)
        for name, root in before.items():
            now = self._identity.root(name, tick - 1)
            for _, row in self._known[name] if now != root else ():
                if NOTICES[row.signal].key is not None or row.time >= tick - MATTER - LATENESS:
                    self._tell(tick, now, row)
        for row in (row for row in new if row.signal in POLICY):
            own = row.subject_kind != "subscriber"
            self._tell(tick, (row.subject_kind, row.subject) if own else self._identity.root(row.subject, tick - 1), row)
            if not own:
                self._known[row.subject].append((tick, row))

    def _erase(self, row: Signal, tick: int) -> None:
        who = (row.subject_kind, row.subject)
        request = (*who, row.source, row.id)
        if tick < self._requests.get(request, 0):
            return
        self._requests[request] = self._until[who] = tick + ERASED_FOR
        if row.subject_kind == "subscriber":
            self._identity.forget(row.subject)
            self._known.pop(row.subject, None)
        else:
            self._identity.dissolve(*who, tick - MINUTE)

    def _applies(self, row: Signal, tick: int) -> bool:
        about = [(row.subject_kind, row.subject)]
        about += [(row.payload["group_kind"], row.payload["group"])] if row.signal == "membership" else []
        key = (row.subject_kind, *row.key)
        if row.signal == "erasure" or key in self._applied or any(tick < self._until.get(one, 0) for one in about):
            return False
        self._applied.add(key)
        return True

    def _tell(self, tick: int, root: Root, row: Signal) -> None:
        payload = (row.payload.get(column) for column in NOTICES[row.signal].columns)
        self.told.append(
            Told(tick, root, (row.subject_kind, row.subject), row.signal, (row.time, row.source, row.id, *payload))
        )


VALUES = {
    "purpose": ["marketing", "care"],
    "channel": [None, "sms"],
    "zone": ["Europe/Helsinki", None],
    "channels": [None, "app sms"],
    "ticket_id": ["t1", "t2"],
    "severity": [None, 1],
    "action": ["pause", "resume"],
    "scope": ["offer", "everything"],
    "target": [None, "gift"],
    "decision_id": [None, "d1"],
    "result": ["seen", "rejected"],
}
STATES = {"consent": ["granted", "withdrawn"], "ticket": ["open", "closed"], "contact": ["sent", "failed"]}


@st.composite
def policy_signals(draw: st.DrawFn) -> list[Signal]:
    """Return signals that the policy reads, often at the same time; some are given twice."""
    rows: list[Signal] = []
    for index in range(draw(st.integers(1, 20))):
        name = draw(st.sampled_from(POLICY))
        kind = draw(st.sampled_from(["subscriber"] * 6 + [*GROUPS]))
        values = {column: VALUES.get(column, [None]) for column in NOTICES[name].columns}
        values |= {"state": STATES[name]} if "state" in values else {}
        payload = {column: draw(st.sampled_from(choices)) for column, choices in values.items()}
        time = START + draw(st.integers(0, 40)) * MINUTE + draw(st.sampled_from([0, 0, 1, 59_999]))
        who = draw(st.sampled_from(GROUPS.get(kind, SUBSCRIBERS)))
        one = Signal(name, f"{index}", draw(st.sampled_from(["crm", "crm", "app"])), time, who, payload, kind)
        rows += [one] * draw(st.sampled_from([1, 1, 1, 2]))
    return rows


@st.composite
def histories(draw: st.DrawFn) -> list[Signal]:
    """Return policy signals of subscribers who come and go, and of groups."""
    rows: list[Signal] = draw(policy_signals()) + draw(moves())
    certain = [replace(row, payload=dict(row.payload) | {"confidence": None}) for row in rows[:0]]
    rows = [row if row.signal != "membership" else _certain(row) for row in rows]
    return [*certain, *draw(st.permutations(rows))]


def _certain(row: Signal) -> Signal:
    return replace(row, payload={**row.payload, "confidence": None})


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    """Return calls with rows on time, early and late, and now and then erasures."""
    rows = draw(histories())
    shifts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    case = Case("", dealt(rows, draw(ends()), shifts))
    if draw(st.booleans()):
        case = erased(draw, case, {"subscriber": SUBSCRIBERS, **GROUPS})
    return case.calls


@dataclass
class Played:
    """What came of calls."""

    told: list[Told] = field(default_factory=list)
    batches: list[pa.RecordBatch] = field(default_factory=list)
    stages: Stages | None = None


def played(given_: Sequence[Call], text: str = TEXT, shards: int = 1, *, live: bool = False) -> Played:
    """Play calls by the kernel."""
    stages, made = Stages(load_contexts(Versions((parse_playbook(text),))), shards, shards, live=live), Played()
    for rows, upto in given_:
        every = stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
        made.batches += [batch for one in every for batch in one.facts if not is_fact(batch)]
    made.stages = stages
    made.told = [_told(batch, row) for batch in made.batches for row in batch.to_pylist()]
    return made


def _told(batch: pa.RecordBatch, row: dict[str, object]) -> Told:
    signal = batch.schema.metadata[b"of"].decode()
    payload = (row[name] for name in NOTICES[signal].columns)
    content = (row["time"], row["source"], row["id"], *payload)
    return Told(row["tick"], (row["root_kind"], row["root"]), (row["subject_kind"], row["subject"]), signal, content)


def expected(given_: Iterable[Call]) -> dict[object, list[tuple[int, object]]]:
    oracle = Oracle()
    for rows, upto in given_:
        oracle.advance(rows, upto)
    return effective(oracle.told)


@examples(120)
@given(calls(), st.integers(1, 3))
def test_contact_roots_are_told_what_the_oracle_says(given_: list[Call], shards: int) -> None:
    assert effective(played(given_, shards=shards).told) == expected(given_)


@examples(60)
@given(calls())
def test_so_they_are_by_shards_that_stay_decoded(given_: list[Call]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident, "MOST", 2.0)
        assert effective(played(given_, live=True).told) == expected(given_)


@examples(60)
@given(histories(), ends())
def test_spans_may_be_cut_anywhere(rows: list[Signal], spans: list[int]) -> None:
    """The same rows are told, once each, and the same is kept."""
    cut, whole = (played(in_time(rows, where)) for where in (spans, spans[-1:]))
    assert sorted(cut.told, key=repr) == sorted(whole.told, key=repr)
    assert len({repr(one) for one in whole.told}) == len(whole.told)
    assert kept(cut) == kept(whole)


def kept(made: Played) -> list[dict[str, bytes]]:
    """Return the tables of what is kept for new contact roots, as bytes, of each shard's levels."""
    assert made.stages is not None
    found = []
    for state in made.stages.states:
        levels = envelope.unpack("levels", state, list)[1]
        tables = [table_blob.load(KIND, level)[1] for level in levels]
        found += [{name: table for name, table in mine.items() if name.startswith("notices")} for mine in tables]
    return found
