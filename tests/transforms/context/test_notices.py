"""Who is told of policy signals and when, against a plain program: moves, late rows, copies, erasures, cut spans."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from schemas.records import AGAIN, NOTICE
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.group_playbooks import GROUPS, moves
from tests.reference.identity import Identity, Root
from tests.reference.kernel import is_fact
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Call, ends, in_calls, in_time
from transforms.compiler.notices import notices_of
from transforms.context.advance_levels import Levels
from transforms.context.live import resident
from transforms.context.state.retention import known
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
        payload = dict(zip(notice.columns, self.row[3:], strict=False))
        return None if notice.key is None else tuple(payload[name] for name in notice.key)

    @property
    def order(self) -> tuple[object, ...]:
        """What is greatest of the row that holds."""
        time, source, name, *payload = self.row
        return time, not (self.signal == "consent" and "withdrawn" in payload), source, name

    @property
    def until(self) -> float:
        """Until when a consent is valid."""
        until = self.row[3 + NOTICES["consent"].columns.index("valid_until")] if self.signal == "consent" else None
        return float("inf") if until is None else float(str(until))


def told_of(tick: int, root: Root, who: Root, signal: str, row: tuple[object, ...], again: bool) -> Told:
    """Return what a root is told; of an outcome of a subscriber also whether another root may know more."""
    marked = signal == "outcome" and who[0] == "subscriber"
    return Told(tick, root, who, signal, (*row, again) if marked else row)


def holding(rows: Iterable[Told]) -> list[Told]:
    """Return what of one key holds, and of consents what will once later ones have lapsed."""
    found: list[Told] = []
    for one in sorted(rows, key=lambda one: one.order):
        found = [*(other for other in found if other.until > one.until), one]
    return found


def effective(told: Iterable[Told]) -> dict[object, list[tuple[int, object]]]:
    """Return what each root knows: of each key which rows from which tick on; of others from which tick on each row."""
    found: dict[object, list[tuple[int, object]]] = defaultdict(list)
    by_tick: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        by_tick[one.tick].append(one)
    holds: dict[object, list[Told]] = defaultdict(list)
    for tick, mine in sorted(by_tick.items()):
        for one in mine:
            what = (one.root, one.who, one.signal, one.row if one.key is None else one.key)
            holds[what] = holding((*holds[what], one))
        for what, held in holds.items():
            rows = [one.row for one in held]
            if not found[what] or found[what][-1][1] != rows:
                found[what].append((tick, rows))
    return found


class Oracle:
    """Who is told what at which tick, by definition."""

    def __init__(self) -> None:
        """Start with nobody known and no tick closed."""
        self.told: list[Told] = []
        self._identity, self._closed, self._waiting = Identity(), 0, list[tuple[int, Signal]]()
        self._known: dict[Root, list[tuple[int, Signal]]] = defaultdict(list)
        self._applied, self._until = set[tuple[object, ...]](), dict[Root, int]()
        self._requests: dict[tuple[object, ...], int] = {}
        self._moves: dict[Root, list[int]] = defaultdict(list)

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
        before = self._roots(tick - MINUTE - 1)
        erased = {(row.subject_kind, row.subject) for row in rows if row.signal == "erasure"}
        for row in (row for row in rows if row.signal == "erasure"):
            self._erase(row, tick)
        new = [row for row in rows if self._applies(row, tick)]
        for row in (row for row in new if row.signal == "membership"):
            self._identity.hear(row, tick, MINUTE)
        after = self._roots(tick - 1)
        for who, roots in after.items():
            if who[0] == "subscriber" and roots != before[who] and who not in erased:
                self._moves[who].append(tick)
            for _, row in self._known[who]:
                if NOTICES[row.signal].key is not None or row.time >= tick - MATTER - LATENESS:
                    for root in roots - before[who]:
                        self._tell(tick, root, row, again=True)
        for row in (row for row in new if row.signal in POLICY):
            who = (row.subject_kind, row.subject)
            for root in after[who]:
                self._tell(tick, root, row, again=any(tick - MATTER < move for move in self._moves[who]))
            self._known[who].append((tick, row))

    def _roots(self, time: int) -> dict[Root, set[Root]]:
        """Return who is told of whose signals at a time: an SME, and the households of its members."""
        found = {("subscriber", name): {self._identity.root(name, time)} for name in SUBSCRIBERS}
        found |= {(kind, name): {(kind, name)} for kind, names in GROUPS.items() for name in names}
        for name in SUBSCRIBERS:
            firm, house = (self._identity.group(name, kind, time) for kind in ("sme", "household"))
            if firm and house:
                found["sme", firm].add(("household", house))
        return found

    def _erase(self, row: Signal, tick: int) -> None:
        who = (row.subject_kind, row.subject)
        request = (*who, row.source, row.id)
        if tick < self._requests.get(request, 0):
            return
        self._requests[request] = self._until[who] = tick + ERASED_FOR
        self._known.pop(who, None)
        self._moves.pop(who, None)
        if row.subject_kind == "subscriber":
            self._identity.forget(row.subject)
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

    def _tell(self, tick: int, root: Root, row: Signal, *, again: bool) -> None:
        said = row.payload | ({"target": None} if row.payload.get("scope") == "everything" else {})
        payload = (said.get(column) for column in NOTICES[row.signal].columns)
        self.told.append(
            told_of(
                tick, root, (row.subject_kind, row.subject), row.signal, (row.time, row.source, row.id, *payload), again
            )
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
    "valid_until": [None, None, *(START + minute * MINUTE for minute in (10, 25, 50))],
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
    return draw(st.permutations(draw(policy_signals()) + draw(moves())))


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    """Return calls with rows on time, early and late, and now and then erasures."""
    return in_calls(draw, draw(histories()), GROUPS)


@dataclass
class Played:
    """What came of calls."""

    stages: Stages
    batches: list[pa.RecordBatch]

    @property
    def told(self) -> list[Told]:
        """What contact roots were told, in order."""
        return [_told(batch, row) for batch in self.batches for row in batch.to_pylist()]


def played(history: Sequence[Call], text: str = TEXT, shards: int = 1, *, live: bool = False) -> Played:
    """Play calls by the kernel."""
    stages = Stages(load_contexts(Versions((parse_playbook(text),))), shards, shards, live=live)
    made = Played(stages, [])
    for rows, upto in history:
        every = stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
        made.batches += [batch for one in every for batch in one.facts if not is_fact(batch)]
    return made


def _told(batch: pa.RecordBatch, row: dict[str, object]) -> Told:
    signal = batch.schema.metadata[b"of"].decode()
    payload = (row[name] for name in batch.schema.names[len(NOTICE) :])
    content = (row["time"], row["source"], row["id"], *payload)
    who, again = (row["subject_kind"], row["subject"]), AGAIN in batch.schema.metadata
    return told_of(row["tick"], (row["root_kind"], row["root"]), who, signal, content, again)


def expected(history: Iterable[Call]) -> dict[object, list[tuple[int, object]]]:
    oracle = Oracle()
    for rows, upto in history:
        oracle.advance(rows, upto)
    return effective(oracle.told)


@examples(30)
@given(calls(), st.integers(1, 3))
def test_contact_roots_are_told_what_the_oracle_says(history: list[Call], shards: int) -> None:
    assert effective(played(history, shards=shards).told) == expected(history)


@examples(15)
@given(calls())
def test_so_they_are_by_shards_that_stay_decoded(history: list[Call]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident, "MOST", 2.0)
        assert effective(played(history, live=True).told) == expected(history)


@examples(15)
@given(histories(), ends())
def test_spans_may_be_cut_anywhere(rows: list[Signal], spans: list[int]) -> None:
    """The same rows are told, once each, and the same is kept."""
    cut, whole = (played(in_time(rows, where)) for where in (spans, spans[-1:]))
    assert sorted(cut.told, key=repr) == sorted(whole.told, key=repr)
    assert len({repr(one) for one in whole.told}) == len(whole.told)
    assert kept(cut.stages) == kept(whole.stages)


def kept(stages: Stages) -> list[dict[str, bytes]]:
    """Return the tables of what is kept for new contact roots, as bytes, of each level of each shard."""
    memories = [one.memory() for state in stages.states for one in Levels(state).residents]
    return [{name: table.write_ipc(None).getvalue() for name, table in sorted(one.notices.items())} for one in memories]


HEAD = "playbook: p\nsignals: [usage, membership, {signals}]\n"
LEVELS = """
subscriber: {features: {n: {count: any, from: usage, window: 5m}}, moments: {busy: {when: n > 0}}}
household: {features: {n: {count: any, from: usage, window: 5m}}}
"""
OFFERS = (
    "offers: {gift: {for: subscriber.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h%s}}\n"
)


def said(minute: float, signal: str, who: str = "b", kind: str = "subscriber", **payload: object) -> Signal:
    """Return a signal some minutes after the start."""
    return Signal(signal, f"{signal}{minute}", "crm", START + round(minute * MINUTE), who, payload, kind)


def home(minute: float, group: str, state: str = "joined") -> Signal:
    return said(minute, "membership", group_kind="household", group=group, state=state, role=None)


def consent(minute: float, state: str = "granted", until: float | None = None) -> Signal:
    lapses = None if until is None else at(until)
    return said(minute, "consent", purpose="marketing", channel=None, state=state, valid_until=lapses)


def at(minute: float) -> int:
    return START + round(minute * MINUTE)


def brief(made: Played) -> list[tuple[float, str, str, float]]:
    """Return what was told: minute of the tick, root, signal and minute of the signal."""
    return sorted(
        ((one.tick - START) / MINUTE, one.root[1], one.signal, (one.row[0] - START) / MINUTE) for one in made.told
    )


CASES = {
    "at the tick after its time, to its own root": (
        [([consent(0.5)], 5)],
        [(1, "b", "consent", 0.5)],
    ),
    "late: at the first open tick": (
        [([], 4), ([consent(0.5)], 9)],
        [(5, "b", "consent", 0.5)],
    ),
    "to the household in which it is then": (
        [([home(0, "h1"), consent(0.5)], 5)],
        [(1, "h1", "consent", 0.5)],
    ),
    "to the household that it leaves at that tick, and then to itself": (
        [([home(0, "h1"), consent(0.5), home(1, "h1", "left")], 5)],
        [(1, "h1", "consent", 0.5), (2, "b", "consent", 0.5)],
    ),
    "of two of one time what is granted holds": (
        [([replace(consent(0.5), id="a"), consent(0.5, "withdrawn"), home(0.4, "h1"), home(3, "h2")], 9)],
        [(1, "h1", "consent", 0.5), (1, "h1", "consent", 0.5), (4, "h2", "consent", 0.5)],
    ),
    "who moves is known to the new root; of one key the latest": (
        [([consent(0.5), consent(1.5, "withdrawn"), home(3, "h1")], 9)],
        [(1, "b", "consent", 0.5), (2, "b", "consent", 1.5), (4, "h1", "consent", 1.5)],
    ),
    "what holds again once a later one lapses, too": (
        [
            (
                [
                    consent(0.5),
                    consent(1, until=9),
                    consent(1.5, "withdrawn", until=8),
                    consent(2, until=9),
                    home(3, "h1"),
                ],
                9,
            )
        ],
        [
            *((n, "b", "consent", m) for n, m in ((1, 0.5), (2, 1), (2, 1.5), (3, 2))),
            *((4, "h1", "consent", m) for m in (0.5, 2)),
        ],
    ),
    "who comes back within the tick did not move": (
        [([home(0, "h1"), consent(0.5), home(3.1, "h1", "left"), home(3.2, "h1")], 9)],
        [(1, "h1", "consent", 0.5)],
    ),
    "who leaves is known to itself": (
        [([home(0, "h1"), consent(0.5)], 2), ([home(3, "h1", "left")], 9)],
        [(1, "h1", "consent", 0.5), (4, "b", "consent", 0.5)],
    ),
    "a late move, at the first open tick": (
        [([consent(0.5)], 4), ([home(1, "h1")], 9)],
        [(1, "b", "consent", 0.5), (5, "h1", "consent", 0.5)],
    ),
    "a contact as long as it may matter": (
        [([said(m, "contact", channel="app", state="sent") for m in (1.9, 2)] + [home(18, "h1")], 30)],
        [(2, "b", "contact", 1.9), (3, "b", "contact", 2), (19, "h1", "contact", 2)],
    ),
    "nothing of who is erased": (
        [([consent(0.5)], 2), ([said(2.5, "erasure")], 5), ([home(6, "h1")], 9)],
        [(1, "b", "consent", 0.5)],
    ),
    "all that is known of who was in a household that is erased": (
        [([home(0, "h1"), consent(0.5)], 2), ([said(2.5, "erasure", "h1", "household")], 5)],
        [(1, "h1", "consent", 0.5), (3, "b", "consent", 0.5)],
    ),
    "a group of its own signals": (
        [([said(0.5, "profile", "h1", "household", zone="Europe/Helsinki")], 5)],
        [(1, "h1", "profile", 0.5)],
    ),
    "a group not of its members' signals, though they are forwarded": (
        [([home(0, "h1"), said(0.5, "contact", channel="sms", state="sent")], 5)],
        [(1, "h1", "contact", 0.5)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_root_is_told(name: str) -> None:
    given_, told = CASES[name]
    history = [(rows, at(minute)) for rows, minute in given_]
    assert brief(played(history)) == told
    assert effective(played(history).told) == expected(history)


def test_where_there_are_no_groups_nothing_is_kept() -> None:
    rows = [consent(0.5), said(1.5, "contact", channel="app", state="sent")]
    made = played([(rows, at(5))], LONE)
    assert brief(made) == [(1, "b", "consent", 0.5), (2, "b", "contact", 1.5)]
    assert kept(made.stages) == [{}]
    assert kept(played([(rows, at(5))]).stages) != [{}]


def test_no_more_is_kept_than_a_new_root_may_be_told() -> None:
    contacts = [said(minute, "contact", channel="app", state="sent") for minute in (2, 3)]
    rows = [home(0, "h1"), consent(0.5), consent(1.5, "withdrawn"), *contacts]
    for spans in ([20], [2, 10, 20]):
        stages = played(in_time(rows, [at(minute) for minute in spans])).stages
        (memory, *_) = (one.memory() for one in Levels(stages.states[0]).residents)
        assert {name: table["time"].to_list() for name, table in memory.notices.items()} == {
            "consent": [at(1.5)],
            "contact": [at(3)],
        }
    stages.advance([], at(40))
    (memory, *_) = (one.memory() for one in Levels(stages.states[0]).residents)
    assert [*memory.notices] == ["consent"]


def test_who_is_known_by_notices_alone_is_not_forgotten_and_has_no_context() -> None:
    made = played([([consent(0.5)], at(1)), ([], at(9)), ([home(300, "h1")], at(400))])
    assert brief(made) == [(1, "b", "consent", 0.5), (301, "h1", "consent", 0.5)]
    (memory, *_) = (one.memory() for one in Levels(made.stages.states[0]).residents)
    assert known(memory).tolist() == [True]
    memory.groups = {}
    assert known(memory).tolist() == [False]


def test_a_batch_is_as_the_schema_of_its_signal_says() -> None:
    schemas = notice_schemas(Versions((BOOK,)))
    assert {name: schema.names[len(NOTICE) :] for name, schema in schemas.items()} == {
        "consent": ["purpose", "channel", "state", "valid_until"],
        "profile": ["zone", "channels"],
        "ticket": ["ticket_id", "severity", "state"],
        "control": ["action", "scope", "target"],
        "contact": ["decision_id", "offer", "family", "message", "channel", "state"],
        "outcome": ["decision_id", "offer", "channel", "result"],
    }
    rows = [home(0, "h1"), *(said(1, name, state="sent") for name in ("consent", "ticket", "contact"))]
    for batch in played([([*rows, home(5, "h2")], at(9))]).batches:
        name = batch.schema.metadata[b"of"].decode()
        assert batch.schema.equals(schemas[name])
        again = {AGAIN: b""} if batch["tick"].to_pylist() == [at(6)] else {}
        assert batch.schema.metadata == {b"signal": b"notice", b"of": name.encode()} | again
        assert batch["tick"].to_pylist() == [at(6) if again else at(2)]


@pytest.mark.parametrize(
    ("signals", "offers", "notices"),
    [
        ("order", OFFERS % "", set()),
        ("consent, profile", "", set()),
        ("consent", OFFERS % "", {"consent"}),
        ("profile", OFFERS % "", {"profile"}),
        ("consent", OFFERS % ", message: care", {"consent"}),
        ("consent", OFFERS % "" + "policy: {consent: {marketing: contract}}\n", set()),
        ("ticket", OFFERS % "", set()),
    ],
)
def test_only_what_the_policy_reads_is_told(signals: str, offers: str, notices: set[str]) -> None:
    text = HEAD.replace("{signals}", signals) + LEVELS + offers
    plans = load_contexts(Versions((parse_playbook(text),))).plans[0]
    assert [{*plan.notices} for plan in plans.values()] == [notices] * 2
    rows = [home(0, "h1"), consent(0.5), said(1, "usage"), said(2, "profile"), home(3, "h2")]
    made = played([([row for row in rows if row.signal in (*signals.split(", "), "membership", "usage")], at(9))], text)
    assert {one.signal for one in made.told} == notices
    assert {name for tables in kept(made.stages) for name in tables} == notices


def test_all_versions_tell_the_columns_that_any_reads() -> None:
    later = TEXT.replace("severity = 1", "topic = 'bill'").replace("playbook: p", "playbook: p\nversion: 2\n{}")
    later = later.replace("{}", "effective_from: 2026-01-04T22:00:00Z", 1)
    books = Versions.of([BOOK, parse_playbook(later, "v2.yaml")])
    contexts, schemas = load_contexts(books), notice_schemas(books)
    assert schemas["ticket"].names[len(NOTICE) :] == ["ticket_id", "severity", "state", "topic"]
    assert contexts.columns["ticket"] == ("severity", "state", "ticket_id", "topic")
    for plan in (plan for plans in contexts.plans for plan in plans.values()):
        assert plan.notice_schemas == schemas
        assert plan.kept_for("contact") == 17 * MINUTE
