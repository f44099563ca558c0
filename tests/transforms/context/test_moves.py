"""What a move between households must not do: take personal features away, or let a cap be passed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.group_playbooks import group_cases, moves
from tests.reference.kernel import Kernel
from tests.reference.records import MINUTE, Signal, ms
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Call, Case, dealt, ends
from tests.transforms.context.test_groups import kernel
from transforms.compiler.offer_plan import load_offers
from transforms.decision.decide import decide
from transforms.decision.ledger_state import LedgerState
from transforms.shell.routing import addressed
from transforms.shell.versions import load_contexts


@examples(12)
@given(group_cases())
def test_who_changes_household_keeps_all_that_is_its_own(case: Case) -> None:
    """Wherever subscribers go, what happens to them is what happens to those who go nowhere."""
    nowhere = [([_idle(row) for row in rows], upto) for rows, upto in case.calls]
    (mover,), (stayer,) = (kernel(one).shards["subscriber"] for one in (case, Case(case.playbook, nowhere)))
    assert _personal(mover) == _personal(stayer)


def _idle(row: Signal) -> Signal:
    """Return a membership that says nothing, as a signal like any other, in the place of one that does."""
    told = {"group_kind": "household", "group": "nowhere", "state": "left", "role": None}
    return replace(row, payload=told) if row.signal == "membership" else row


def _personal(kernel: Kernel) -> list[object]:
    triggers = [(one.tick, one.subject, one.trigger, one.late, one.context) for one in kernel.triggers]
    counts = {name: count for name, count in kernel.counts.items() if name not in ("contradictory", "doubtful")}
    return [kernel.transitions, kernel.evidence, kernel.contexts, counts, triggers]


TEXT = """
playbook: caps
allowed_lateness: 10m
max_members: {size}
signals: [usage, membership]
subscriber:
  features: {{n: {{count: any, from: usage, window: 2m}}}}
  moments: {{busy: {{when: n > 0, repeat: 1m}}}}
household:
  features: {{n: {{count: any, from: usage, window: 5m}}}}
  moments: {{busy: {{when: n > 0, repeat: 1m}}}}
sme:
  features: {{n: {{count: any, from: usage, window: 5m}}}}
  moments: {{busy: {{when: n > 0, repeat: 1m}}}}
offers:
  gift: {{for: [subscriber.busy], family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h}}
  home: {{for: [household.busy, sme.busy], family: f, owner: us, to: {to}, value: 1, p_accept: 1, send: app,
          valid_for: 1h}}
policy: {{caps: [{{per: subscriber, max: {most}, in: {reach}m}}]}}
"""

SIZES = st.integers(1, 3)


@st.composite
def movers(draw: st.DrawFn) -> list[Call]:
    """Return calls with three subscribers who use and move a lot."""
    rows = draw(moves(most=20))
    usages = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(SUBSCRIBERS)))
    for index, (minute, subject) in enumerate(draw(usages)):
        rows.append(Signal("usage", f"{index}", "net", START + minute * MINUTE + 1, subject, {}))
    shifts = [draw(st.sampled_from([0, 0, 0, 1])) for _ in rows]
    return dealt(rows, draw(ends()), shifts)


@examples(15)
@given(
    movers(),
    st.sampled_from(["primary", "member"]),
    st.integers(1, 2),
    st.integers(1, 12),
    st.integers(1, 3),
    SIZES,
)
def test_a_move_never_lets_a_cap_be_passed(
    calls: list[Call], to: str, most: int, reach: int, shards: int, size: int
) -> None:
    """Nor does a group that becomes too large, or is so no more."""
    contacts = _contacts(TEXT.format(to=to, most=most, reach=reach, size=size), calls, shards)
    for ticks in contacts.values():
        for tick in ticks:
            assert sum(tick - reach * MINUTE < other <= tick for other in ticks) <= most


def test_there_are_contacts_that_a_move_could_let_pass() -> None:
    """One who is contacted in a household and moves is not, for as long as it counts; then it is again."""
    place = {"group_kind": "household", "state": "joined", "role": None}
    rows = [Signal("membership", f"{t}", "crm", START + t * MINUTE, "a", place | {"group": f"h{t}"}) for t in (0, 4)]
    rows += [Signal("usage", f"{t}", "net", START + t * MINUTE, "a", {}) for t in range(1, 12)]
    contacts = _contacts(TEXT.format(to="member", most=1, reach=6, size=9), [(rows, START + 20 * MINUTE)], 3)
    assert [(tick - START) // MINUTE for tick in sorted(contacts["a"])] == [2, 10, 16]


def _contacts(text: str, calls: Sequence[Call], shards: int) -> dict[str, list[int]]:
    """Return when each subscriber was contacted, by both stages of contexts and the ledgers, each in shards."""
    playbook = parse_playbook(text)
    stages, offers = Stages(load_contexts(Versions((playbook,))), shards, shards), load_offers(playbook)
    ledgers: list[LedgerState | None] = [None] * shards
    waiting: list[list[pa.RecordBatch]] = [[] for _ in range(shards)]
    contacts: dict[str, list[int]] = defaultdict(list)
    for rows, upto in calls:
        for advanced in stages.advance(rows, upto):
            for batch in (advanced.outputs.triggers, *advanced.facts):
                for shard, mine in addressed(batch, shards):
                    waiting[shard].append(mine)
        for shard in range(shards):
            decided = decide(offers, ledgers[shard], waiting[shard], upto)
            ledgers[shard], waiting[shard] = decided.ledger, decided.waiting
            for row in decided.decisions.to_pylist():
                if row["action"] == "offer":
                    contacts[row["recipient"]].append(ms(row["tick"]))
    return contacts
