"""How long subjects are known: as long as anything but ids is left of them."""

import pytest

from schemas.durations import DAY
from schemas.playbook_file import parse_playbook
from tests.reference.kernel import Kernel, batches
from tests.reference.records import MINUTE, Signal
from transforms.compiler.load import load_plan, load_plans
from transforms.context.advance import advance
from transforms.context.grid import EVER
from transforms.context.state import shard_state

PLAYBOOK = """
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  segments: {eager: {enter: n > 1, exit: n > 9}}
"""


def test_at_the_end_of_a_run_a_member_without_rows_has_a_context() -> None:
    """`a` is a member still, `b` never was one; of neither a row is left."""
    rows = [Signal("usage", f"{n}", "net", 10_000, who, {}) for n, who in enumerate("aab")]
    for cuts in ((60,), (1, 30, 60)):
        kernel = Kernel(load_plan(parse_playbook(PLAYBOOK)))
        for cut in cuts:
            kernel.advance(rows if cut == cuts[0] else [], cut * MINUTE, final=cut == 60)
        written = {who: context.segments for (who, tick), context in kernel.contexts.items() if tick == 60 * MINUTE}
        assert written == {"a": ("eager",)}


HOMES = """
playbook: p
signals: [usage, membership]
subscriber: {features: {n: {count: any, from: usage, window: 1m}}}
household: {features: {k: {count: any, from: usage, window: 1m}, long: {count: any, from: usage, window: WINDOW}}}
"""


@pytest.mark.parametrize(("window", "written"), [("2m", []), ("2h", ["h"])])
def test_the_context_of_a_home_of_which_but_its_people_are_left_is_not_written(window: str, written: list[str]) -> None:
    plans = load_plans(parse_playbook(HOMES.replace("WINDOW", window)))
    home = {"group_kind": "household", "group": "h", "state": "joined"}
    rows = [Signal("membership", "m", "net", 0, "a", home), Signal("usage", "u", "net", 10_000, "a", {})]
    told = advance(plans["subscriber"], None, batches(plans["subscriber"], rows), 60 * MINUTE)
    for cuts in ((60,), (1, 30, 60)):
        state, given = None, told.forwarded
        for cut in cuts:
            made = advance(plans["household"], state, given, cut * MINUTE, final=cut == 60)
            state, given = made.dump(), made.waiting
        ended = [row["subject"] for row in made.outputs.contexts.to_pylist() if row["cause"] == "end"]
        assert ended == written


PANES = """
playbook: p
signals: [usage]
subscriber:
  features:
    some: {count: any, from: usage, window: 2d}
    many: {count: any, from: usage, window: 60d}
"""


def test_panes_are_kept_for_their_own_windows_alone() -> None:
    plan = load_plan(parse_playbook(PANES))
    kernel = Kernel(plan)
    kernel.advance([Signal("usage", f"{day}", "net", day * DAY, "a", {}) for day in range(90)], 90 * DAY)
    assert kernel.advanced is not None
    memory = shard_state.load(kernel.advanced.dump())
    assert {name: table.height for name, table in memory.panes.items()} == {
        ("usage", 300_000): 2,
        ("usage", 3_600_000): 60,
    }


@pytest.mark.parametrize(
    ("others", "single"),
    [
        ("", 0),
        ("n: {count: any, from: usage, window: 5m}", 5),
        ("n: {count: any, from: usage, window: 5m, offset: 5m}", 10),
        ("n: {count: any, from: usage, window: 1d}", 124),  # two hours, and on to the border of a pane
    ],
)
def test_rows_are_single_for_as_long_as_exact_windows_look_at_them(others: str, single: int) -> None:
    features = f"{{last_app: {{last: app, from: usage}}, {others}}}"
    plan = load_plan(parse_playbook(f"playbook: p\nsignals: [usage]\nsubscriber: {{features: {features}}}"))
    rows = [Signal("usage", f"{minute}", "net", minute * MINUTE, "a", {"app": "maps"}) for minute in range(360)]
    for cuts in ((359,), (100, 358, 359)):
        kernel = Kernel(plan)
        for cut in cuts:
            kernel.advance(rows if cut == cuts[0] else [], cut * MINUTE)
        assert kernel.advanced is not None
        memory = shard_state.load(kernel.advanced.dump())
        assert sum(table.height for table in memory.rows.values()) == single
        assert memory.panes["usage", EVER].height == 1
