"""Versions that follow one another: what goes on, what begins anew, and that nothing else changes."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import load_playbook, parse_playbook
from schemas.versions import Versions
from tests.cases import examples
from tests.reference.editions import group_versions, instant, kernel_grid, versions
from tests.reference.group_playbooks import group_calls
from tests.reference.groups import World
from tests.reference.kernel import Kernel, batches
from tests.reference.playbooks import SMALL, playbooks
from tests.reference.records import MINUTE, Context, Signal
from tests.reference.stages import Stages
from tests.reference.strategies import START, Call, dealt, ends, signals
from tests.reference.versions import Succession
from tests.transforms.context.test_advance import assert_same, played
from transforms.compiler.features import SUBSCRIBER
from transforms.context.run import Options
from transforms.shell.versions import ContextPlans, load_all_offers, load_contexts

EXAMPLES = Path(__file__).parents[3] / "examples"


class Successive(Kernel):
    """One shard, advanced by the kernel through versions."""

    def __init__(self, plans: ContextPlans) -> None:
        """Start without state."""
        super().__init__(plans.plans[0][SUBSCRIBER])
        self.plans, self.closed, self.shard = plans, None, None

    def advance(self, signals: list[Signal], upto: int, *, final: bool = False) -> None:
        """Advance over one span, each version to its last tick."""
        state, waiting = (self.shard.dump(), self.shard.waiting) if self.shard else (None, [])
        new = [*waiting, *_batches(self.plans, signals)]
        self.shard = self.plans.advance((SUBSCRIBER,), state, self.closed, new, upto, Options(final=final))
        for made in self.shard.every:
            self.take(made)
        self.closed = upto


def _batches(plans: ContextPlans, rows: list[Signal]) -> list[pa.RecordBatch]:
    """Return batches with the columns that some version reads."""
    plan = plans.plans[0][SUBSCRIBER]
    wide = {name: replace(signal, columns=plans.columns[name]) for name, signal in plan.signals.items()}
    return batches(replace(plan, signals=wide), rows)


def _plans(books: Versions) -> ContextPlans:
    return load_contexts(books, grid=kernel_grid(SMALL, books.first))


def _only_its_own(kernel: Kernel, truth: Succession) -> None:
    """Drop from contexts what other versions know and this one leaves NULL."""
    for where, context in kernel.contexts.items():
        own = truth.contexts[where].values
        values = {name: value for name, value in context.values.items() if name in own or value is not None}
        kernel.contexts[where] = Context(values, context.segments)
    kernel.triggers = [replace(one, context=kernel.contexts[one.subject, one.tick]) for one in kernel.triggers]


@examples(30)
@given(versions(SMALL), signals(), ends(), st.data())
def test_agrees_with_the_reference(books: Versions, rows: list[Signal], spans: list[int], data: st.DataObject) -> None:
    shifts = [data.draw(st.sampled_from([0, 0, 0, 0, 1, 2, -1, -3])) for _ in rows]
    calls = dealt(rows, spans, shifts)
    truth = played(Succession(books.playbooks, SMALL), calls)
    kernel = played(Successive(_plans(books)), calls)
    _only_its_own(kernel, truth)
    assert_same([kernel], truth)


@examples(20)
@given(group_versions(SMALL), group_calls(), st.integers(1, 2))
def test_groups_agree_with_the_reference(books: Versions, calls: list[Call], shards: int) -> None:
    assert_groups_agree(books, calls, shards)


def test_a_later_version_may_tell_groups_less() -> None:
    """In one call: what it tells waits while the version before, which reads more columns, goes to its last tick."""
    text = "playbook: p\nsignals: [usage, membership]\n"
    text += "household: {features: {n: {count: any, from: usage, window: 5m%s}}}\n"
    start = f"version: 2\neffective_from: {instant(START + 3 * MINUTE)}\n"
    first = parse_playbook(text % ", where: kind = 'data'")
    books = Versions.of([first, parse_playbook(start + text % "", "v2.yaml")])
    place = {"group_kind": "household", "group": "h", "state": "joined", "role": None}
    rows = [Signal("membership", "m", "crm", START, "a", place)]
    rows += [Signal("usage", "u", "net", START + 4 * MINUTE, "a", {"kind": "data"})]
    assert_groups_agree(books, [(rows, START + 9 * MINUTE)], 1)


@pytest.mark.parametrize(
    ("edit", "turns"),
    [(("window: 5m", "window: 6m"), [1, 4, 10]), (("n > 0", "n > 1"), [1]), (("max: n", "min: n"), [1])],
)
def test_groups_wait_for_what_is_new_of_their_members(edit: tuple[str, str], turns: list[int]) -> None:
    text = "playbook: p\nsignals: [usage, membership]\n"
    text += "subscriber: {features: {n: {count: any, from: usage, window: 5m}}, segments: {active: {enter: n > 0}}}\n"
    text += "household: {features: {x: {max: n, from: members, where: active OR n = 0}},"
    text += " segments: {seen: {enter: x IS NOT NULL}}}\n"
    start = f"version: 2\neffective_from: {instant(START + 4 * MINUTE)}\n"
    books = Versions.of([parse_playbook(text), parse_playbook(start + text.replace(*edit), "v2.yaml")])
    place = {"group_kind": "household", "group": "h", "state": "joined", "role": None}
    rows = [Signal("membership", "m", "crm", START, "a", place)]
    rows += [Signal("usage", f"{minute}", "net", START + minute * MINUTE, "a", {}) for minute in range(12)]
    stages = Stages(_plans(books))
    stages.advance(rows, START + 12 * MINUTE)
    (shard,) = stages.shards["household"]
    assert [(one.tick - START) // MINUTE for one in shard.transitions] == turns


def assert_groups_agree(books: Versions, calls: list[Call], shards: int) -> None:
    truth, stages = World(books.playbooks, SMALL), Stages(_plans(books), shards, shards)
    for rows, upto in calls:
        mine = [row for row in rows if row.subject_kind in truth.levels]
        truth.advance(mine, upto)
        stages.advance(mine, upto)
    assert {size for shards in stages.shards.values() for shard in shards for size in shard.sizes} == truth.sizes
    for kind, level in truth.levels.items():
        for shard in stages.shards[kind]:
            _only_its_own(shard, level)
        assert_same(stages.shards[kind], level)


@examples(25)
@given(versions(SMALL), signals(), ends())
def test_spans_may_be_cut_anywhere(books: Versions, rows: list[Signal], spans: list[int]) -> None:
    shifts = [0] * len(rows)
    cut = played(Successive(_plans(books)), dealt(rows, spans, shifts))
    whole = played(Successive(_plans(books)), dealt(rows, spans[-1:], shifts))
    assert (cut.transitions, cut.triggers) == (whole.transitions, whole.triggers)
    assert cut.contexts == whole.contexts
    assert cut.shard.dump() == whole.shard.dump()


@examples(25)
@given(playbooks(), signals(), ends(), st.integers(0, 40))
def test_a_new_number_changes_nothing(text: str, rows: list[Signal], spans: list[int], minute: int) -> None:
    book = parse_playbook(text)
    again = parse_playbook(f"version: 2\neffective_from: {instant(START + minute * MINUTE)}\n{text}", "v2.yaml")
    calls = dealt(rows, spans, [0] * len(rows))
    one = played(Successive(_plans(Versions((book,)))), calls)
    two = played(Successive(_plans(Versions.of([book, again]))), calls)
    assert (two.transitions, two.triggers, two.counts) == (one.transitions, one.triggers, one.counts)
    assert two.contexts == one.contexts
    assert two.shard.dump() == one.shard.dump()


FADING = """
playbook: p
version: {version}
{start}signals: [usage, profile]
subscriber:
  features: {{n: {{count: any, from: usage, window: {window}m}}, tariff: {{last: tariff, from: profile}}}}
  derived:
    {name}: {{expr: {expr}{more}}}
"""


@pytest.mark.parametrize(
    ("edit", "value"),
    [
        ({}, 0.125),
        ({"name": "cosy"}, 0.125),
        ({"more": ", half_life: 10m, refresh: 1m"}, 0.0),
        ({"more": ", half_life: 5m, refresh: 5m"}, 0.0),
        ({"more": ""}, 0.0),
        ({"expr": "n / 3.0"}, 0.0),
        ({"window": 6}, None),
    ],
)
def test_what_is_left_of_a_value_that_fades_is_left_under_the_same_definition(
    edit: dict[str, str], value: float | None
) -> None:
    said = {"window": 5, "name": "warm", "expr": "n / 2.0", "more": ", half_life: 5m, refresh: 1m"}
    books = [FADING.format(version=1, start="", **said)]
    books.append(FADING.format(version=2, start=_effective(10), **said | edit))
    kernel = Successive(_plans(Versions.of(map(parse_playbook, books))))
    kernel.advance([_signal("usage"), _signal("profile", tariff="flex")], START + 12 * MINUTE)
    kernel.advance([], START + 15 * MINUTE, final=True)
    assert kernel.contexts["a", START + 15 * MINUTE].values[(said | edit)["name"]] == value


DATES = """
playbook: p
version: {version}
contexts_every: 28d
{start}signals: [profile]
subscriber:
  features: {{tariff: {{last: tariff, from: profile}}}}
  moments: {{told: {{when: tariff = 'flex'}}, {more}}}
"""


@pytest.mark.parametrize(("start", "fired"), [(10, [130]), (129, [130]), (130, []), (200, [])])
def test_a_date_that_a_version_reads_comes_near_without_a_signal(start: int, fired: list[int]) -> None:
    """The date begins 130 minutes after the profile came; before its start the version wakes nobody."""
    ends = "ends: {when: days_until(profile.contract_end) <= 0, refresh: 1m}"
    books = [DATES.format(version=1, start="", more=""), DATES.format(version=2, start=_effective(start), more=ends)]
    kernel = Successive(_plans(Versions.of(map(parse_playbook, books))))
    kernel.advance([_signal("profile", tariff="flex", contract_end="2026-01-05")], START + MINUTE)
    wakes = []
    while (wake := kernel.shard.wake) < START + 1000 * MINUTE:
        kernel.advance([], wake)
        wakes.append((wake - START) // MINUTE)
    assert wakes == [start, *fired]
    assert [(one.tick - START) // MINUTE for one in kernel.transitions if one.name == "ends"] == fired


def test_the_town_may_let_an_intent_fade_otherwise() -> None:
    file = str(EXAMPLES / "fibre_town" / "playbook.yaml")
    said = load_playbook(file).said
    books = [said]
    for more, start, half_life in ((1, "2026-12-01T00:00:00Z", "2d"), (2, "2026-12-08T00:00:00Z", "1d")):
        book = json.loads(json.dumps(said)) | {"version": said["version"] + more, "effective_from": start}
        book["subscriber"]["derived"]["fibre_intent"] |= {"half_life": half_life, "refresh": "1h"}
        books.append(book)
    versions = Versions.of(parse_playbook(json.dumps(book), file) for book in books)
    load_all_offers(versions)
    for before, after in pairwise(plans[SUBSCRIBER].keys for plans in load_contexts(versions).plans):
        assert {name for name in after if after[name] != before[name]} == {"fibre_intent", "looks_for_fibre"}


def _effective(minute: int) -> str:
    return f"effective_from: {instant(START + minute * MINUTE)}\n"


def _signal(signal: str, **payload: str) -> Signal:
    return Signal(signal, "1", "net", START, "a", payload)


EXPIRING = """
playbook: p
version: {version}
{start}signals: [usage]
subscriber:
  features: {{n: {{count: any, from: usage, window: 5m}}}}
  segments: {{eager: {{enter: n > 0, expire: {expire}m}}}}
"""


@pytest.mark.parametrize(("expire", "left"), [(2, 10), (7, 12), (30, 35)])
def test_a_membership_expires_by_the_version_in_force_but_not_before_it(expire: int, left: int) -> None:
    """`enter` holds at the ticks 1 to 5 of the first version, the second begins at 10."""
    books = [EXPIRING.format(version=1, start="", expire=20)]
    books.append(EXPIRING.format(version=2, start=_effective(10), expire=expire))
    for cuts in ([60], [8, 11, 60]):
        kernel = Successive(_plans(Versions.of(map(parse_playbook, books))))
        for cut in cuts:
            kernel.advance([_signal("usage")] if cut == cuts[0] else [], START + cut * MINUTE)
        exits = [one for one in kernel.transitions if one.event == "exited"]
        assert [((one.tick - START) // MINUTE, one.reason) for one in exits] == [(left, "expired")]
