"""To whom groups' triggers go, against a plain program: channels, consents, moves, late rows, erasures, cut spans."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.editions import kernel_grid
from tests.reference.group_playbooks import GROUPS, moves
from tests.reference.groups import World
from tests.reference.playbooks import SMALL
from tests.reference.records import MINUTE, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, SUBSCRIBERS, Call, ends, in_calls, in_time
from transforms.compiler.features import RECIPIENT_FACTS
from transforms.context.advance_levels import Levels
from transforms.context.groups import recipient_facts
from transforms.context.live import resident
from transforms.shell.versions import load_contexts

TEXT = """
playbook: p
allowed_lateness: 10m
dedup_horizon: 10m
erased_for: 15m
signals: [usage, membership, consent, profile, erasure]
subscriber: {features: {n: {count: any, from: usage, window: 5m}}}
household: {features: {n: {count: any, from: usage, window: 1h}}, moments: {busy: {when: n > 0, repeat: 1m},
            quiet: {when: n > 0, repeat: 1m}}}
sme: {features: {n: {count: any, from: usage, window: 1h}}, moments: {busy: {when: n > 0, repeat: 1m}}}
offers:
  gift: {for: household.busy, family: f, owner: us, value: 1, p_accept: 1, send: [app, sms], valid_for: 1h}
  help: {for: [household.busy, sme.busy], family: f, owner: us, value: 1, p_accept: 1, send: [mail], valid_for: 1h,
         message: care, to: owner}
  news: {for: household.quiet, family: f, owner: us, value: 1, p_accept: 1, send: [app], valid_for: 1h,
         message: service}
policy: {consent: {marketing: opt_in, care: opt_out, service: contract}}
"""
Sent = tuple[int, str, str, str, str | None]


def said(minute: float, signal: str, who: str = "a", kind: str = "subscriber", **payload: object) -> Signal:
    """Return a signal some minutes after the start."""
    return Signal(signal, f"{signal}{who}{minute}", "crm", START + round(minute * MINUTE), who, payload, kind)


def home(minute: float, who: str, group: str = "h1", state: str = "joined", role: str | None = None) -> Signal:
    return said(minute, "membership", who, group_kind="household", group=group, state=state, role=role)


def consent(
    minute: float, who: str, state: str = "granted", channel: str | None = None, until: float | None = None
) -> Signal:
    lapses = None if until is None else at(until)
    return said(minute, "consent", who, purpose="marketing", channel=channel, state=state, valid_until=lapses)


def at(minute: float) -> int:
    return START + round(minute * MINUTE)


@st.composite
def policy_signals(draw: st.DrawFn) -> list[Signal]:
    """Return consents and profiles of subscribers, often at the same time; some are given twice."""
    rows: list[Signal] = []
    for index in range(draw(st.integers(1, 25))):
        time = at(draw(st.integers(0, 40))) + draw(st.sampled_from([0, 0, 1, 59_999]))
        purpose = draw(st.sampled_from(["marketing", "marketing", "marketing", "care", "profiling"]))
        until = draw(st.sampled_from([None, None, *(at(minute) for minute in (3, 10.5, 21, 40))]))
        payload: dict[str, object] = {"purpose": purpose, "valid_until": until}
        payload["channel"] = draw(st.sampled_from([None, None, "", "sms", "app", "mail"]))
        payload["state"] = draw(st.sampled_from(["granted", "granted", "withdrawn"]))
        name = draw(st.sampled_from(["consent", "consent", "profile"]))
        if name == "profile":
            payload = {"channels": draw(st.sampled_from([None, "", "app", "sms; mail", "push"]))}
        source = draw(st.sampled_from(["crm", "crm", "app"]))
        one = Signal(name, f"{index}", source, time, draw(st.sampled_from(SUBSCRIBERS)), payload)
        rows += [one] * draw(st.sampled_from([1, 1, 1, 2]))
    return rows


@st.composite
def histories(draw: st.DrawFn) -> list[Signal]:
    """Return the same with subscribers who come and go, in groups that are busy from the start."""
    busy = [said(0, "usage", name, kind) for kind, names in GROUPS.items() for name in names]
    return draw(st.permutations(draw(policy_signals()) + draw(moves()) + busy))


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    """Return calls with rows on time, early and late, and now and then erasures."""
    return in_calls(draw, draw(histories()), GROUPS)


def played(history: Sequence[Call], *texts: str, shards: int = 1, live: bool = False) -> Stages:
    """Play calls by the kernel."""
    books = Versions.of([parse_playbook(text, f"{n}.yaml") for n, text in enumerate(texts or [TEXT])])
    plans = load_contexts(books, kernel_grid(SMALL, books.first))
    stages = Stages(plans, shards, shards, live=live)
    for rows, upto in history:
        stages.advance([row for row in rows if row.subject_kind in stages.shards], upto)
    return stages


def sent(stages: Stages) -> list[Sent]:
    """Return to whom which triggers went: tick, kind, group, trigger, recipient."""
    shards = [(kind, shard) for kind in GROUPS for shard in stages.shards.get(kind, [])]
    every = [(kind, one) for kind, shard in shards for one in shard.triggers]
    return sorted((one.tick, kind, one.subject, one.trigger, one.address.recipient or "") for kind, one in every)


def expected(history: Sequence[Call], *texts: str) -> list[Sent]:
    """Return the same by definition."""
    world = World([parse_playbook(text, f"{n}.yaml") for n, text in enumerate(texts or [TEXT])], SMALL)
    for rows, upto in history:
        world.advance(rows, upto)
    every = [(kind, one) for kind in GROUPS if kind in world.levels for one in world.levels[kind].triggers]
    return sorted((one.tick, kind, one.subject, one.trigger, one.address.recipient or "") for kind, one in every)


@examples(30)
@given(calls(), st.integers(1, 3))
def test_triggers_go_to_whom_the_oracle_says(history: list[Call], shards: int) -> None:
    assert sent(played(history, shards=shards)) == expected(history)


@examples(15)
@given(calls())
def test_so_they_do_by_shards_that_stay_decoded(history: list[Call]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resident, "MOST", 2.0)
        assert sent(played(history, live=True)) == expected(history)


@examples(15)
@given(histories(), ends())
def test_spans_may_be_cut_anywhere(rows: list[Signal], spans: list[int]) -> None:
    """The same triggers go to the same, and the same is kept."""
    cut, whole = (played(in_time(rows, where)) for where in (spans, spans[-1:]))
    assert sent(cut) == sent(whole)
    assert kept(cut) == kept(whole)


def kept(stages: Stages) -> list[bytes]:
    """Return what groups keep of members as recipients, as bytes, of each level of each shard."""
    memories = [one.memory() for state in stages.states for one in Levels(state).residents]
    return [one.groups[KEPT].write_ipc(None).getvalue() if KEPT in one.groups else b"" for one in memories]


KEPT = recipient_facts.KEPT
STAY = [home(0, "a", role="primary"), home(0, "b", role="member"), said(0, "usage", "h1", "household")]
LATER = "effective_from: 2026-01-04T22:00:00Z"
CASES = {
    "nobody consents: the first": ([(STAY, 3)], "aaa"),
    "the one who consents, from the tick after": ([([*STAY, consent(1.5, "b")], 3)], "abb"),
    "of two who consent the first": ([([*STAY, consent(0.5, "b"), consent(1, "a")], 3)], "baa"),
    "a consent that is withdrawn": (
        [([*STAY, consent(0, "a"), consent(0, "b"), consent(1.5, "a", "withdrawn")], 3)],
        "abb",
    ),
    "a consent that lapses, on an idle stream": (
        [([*STAY, consent(0, "a", until=2), consent(0, "b")], 1), ([], 3)],
        "abb",
    ),
    "late: from the first open tick": ([(STAY, 2), ([consent(0.5, "b")], 4)], "aabb"),
    "for one of the channels": ([([*STAY, consent(0.5, "b", channel="sms")], 2)], "bb"),
    "for none of the channels": ([([*STAY, consent(0.5, "b", channel="mail")], 2)], "aa"),
    "for all but one channel": (
        [([*STAY, consent(0.5, "b"), consent(1.5, "b", "withdrawn", "sms"), consent(2.5, "b", "withdrawn", "app")], 3)],
        "bba",
    ),
    "a newer one for all": (
        [([*STAY, consent(0.1, "b", "withdrawn", "sms"), consent(0.2, "b", "withdrawn", "app"), consent(1.5, "b")], 3)],
        "abb",
    ),
    "a shorter one for each channel hides none for all": (
        [
            (
                [
                    *STAY,
                    consent(0, "b"),
                    consent(0.1, "b", channel="sms", until=2),
                    consent(1, "b", channel="app", until=2),
                ],
                3,
            )
        ],
        "bbb",
    ),
    "of several the latest that has not lapsed": (
        [([*STAY, consent(0, "b"), consent(0.1, "b", "withdrawn", until=3), consent(0.2, "b", until=2)], 4)],
        "babb",
    ),
    "who comes again is known": (
        [
            ([*STAY, home(0.2, "b", "h2"), consent(0.5, "b")], 1),
            ([home(2.5, "b", role="member")], 4),
        ],
        "aabb",
    ),
    "who consents and has no channel": (
        [([*STAY, consent(0, "a"), consent(0, "b"), said(1, "profile", "a", channels="push")], 3)],
        "abb",
    ),
    "what is erased is not known": (
        [([*STAY, consent(0, "b")], 2), ([said(2.5, "erasure", "b")], 3), ([home(20, "b")], 22)],
        "bb" + "a" * 20,
    ),
}
ONE = TEXT.replace("[household.busy, sme.busy]", "sme.busy")
"""There a household's `busy` is asked for by one offer only."""


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shards", [1, 3])
def test_a_trigger_goes(name: str, shards: int) -> None:
    given_, recipients = CASES[name]
    history = [(rows, at(minute)) for rows, minute in given_]
    told = sent(played(history, ONE, shards=shards))
    assert (
        "".join(to for _, _, group, trigger, to in told if (group, trigger) == ("h1", "household.busy")) == recipients
    )
    assert told == expected(history, ONE)


def test_who_insists_on_a_role_reaches_nobody_else() -> None:
    insists = ONE.replace("send: [app, sms]", "send: [app, sms], to: primary!")
    told = sent(played([([*STAY, consent(0, "b")], at(3))], insists))
    assert {to for *_, trigger, to in told if trigger == "household.busy"} == {"a"}


def test_no_more_is_kept_than_holds() -> None:
    every = [consent(0.5, "b", channel="sms"), consent(1.5, "b"), consent(2, "b", channel="app")]
    away = [consent(0, "c"), home(0, "c"), home(2.5, "c", state="left"), consent(0, "d")]
    for spans in ([9], [1, 2, 3, 9]):
        stages = played(in_time([*STAY, *every, *away, consent(1, "b", channel="push")], [at(m) for m in spans]), ONE)
        (memory, *_) = (one.memory() for one in Levels(stages.states[1]).residents)
        told = memory.groups[KEPT].select("purpose", "channel", "state").rows()
        assert told == [("marketing", "", "granted"), ("marketing", "app", "granted")]


@pytest.mark.parametrize(
    ("signals", "policy", "facts"),
    [
        ("consent, profile", "", {"consent", "profile"}),
        ("consent", "", {"consent"}),
        ("profile", "", {"profile"}),
        ("consent, profile", "policy: {consent: {marketing: contract}}", {"profile"}),
        ("consent", "policy: {consent: {marketing: contract}}", set()),
        ("order", "", set()),
    ],
)
def test_only_what_offers_ask_for_is_told(signals: str, policy: str, facts: set[str]) -> None:
    text = f"playbook: p\nsignals: [usage, membership, {signals}]\n" + SMALL_ONE + policy
    plans = load_contexts(Versions((parse_playbook(text),)))
    household, subscriber = (plans.plans[0][kind] for kind in ("household", "subscriber"))
    assert [forward.facts for forward in subscriber.forwards] == [facts]
    assert (RECIPIENT_FACTS in household.signals) == bool(facts)
    assert RECIPIENT_FACTS not in plans.columns
    rows = [*STAY, consent(0, "b"), said(1, "profile", "b", channels="app")]
    stages = played(
        [([row for row in rows if row.signal not in ("consent", "profile") or row.signal in signals], at(3))], text
    )
    assert any(kept(stages)) == bool(facts)


SMALL_ONE = """
household: {features: {n: {count: any, from: usage, window: 1h}}, moments: {busy: {when: n > 0, repeat: 1m}}}
offers: {gift: {for: household.busy, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1h}}
"""


def test_offers_for_subscribers_ask_nobody_in_groups() -> None:
    text = "playbook: p\nsignals: [usage, membership, consent, profile]\n" + SMALL_ONE.replace(
        "for: household.busy", "for: subscriber.busy"
    )
    text += "subscriber: {features: {n: {count: any, from: usage, window: 1h}}, moments: {busy: {when: n > 0}}}\n"
    stages = played([([*STAY, consent(0, "b"), said(1, "profile", "b", channels="app")], at(3))], text)
    assert not any(kept(stages))


CONTRACT = ONE.replace("{marketing: opt_in, care: opt_out, service: contract}", "{marketing: contract}")
PLAIN = ONE.replace("household.busy", "subscriber.busy").replace("household.quiet", "subscriber.busy")
PLAIN = PLAIN.replace("window: 5m}}}", "window: 5m}}, moments: {busy: {when: n > 0}}}")


def second(text: str) -> str:
    return text.replace("playbook: p", "playbook: p\nversion: 2\neffective_from: 2026-01-04T22:00:00Z")


@pytest.mark.parametrize(
    ("first", "then", "recipients"),
    [(ONE, CONTRACT, "b" * 9 + "a" * 3), (CONTRACT, ONE, "a" * 9 + "b" * 3), (PLAIN, ONE, "b" * 3)],
)
def test_reach_is_by_the_version_of_the_tick(first: str, then: str, recipients: str) -> None:
    history = [([*STAY, consent(0, "b")], at(5)), ([], at(12))]
    told = sent(played(history, first, second(then)))
    assert told == expected(history, first, second(then))
    assert "".join(to for *_, trigger, to in told if trigger == "household.busy") == recipients


def test_a_version_that_addresses_groups_first_tells_them_what_was_said_before_it_was_known() -> None:
    stages = played([([*STAY, consent(0, "b"), consent(1, "c")], at(5))], PLAIN)
    assert not any(kept(stages))
    books = Versions.of([parse_playbook(text, f"{n}.yaml") for n, text in enumerate((PLAIN, second(ONE)))])
    for shard in (*stages._first, *stages._second):
        shard._plans = load_contexts(books, kernel_grid(SMALL, books.first))
    stages.advance([], at(12))
    assert {to for *_, trigger, to in sent(stages) if trigger == "household.busy"} == {"b"}
