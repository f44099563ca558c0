"""`segone validate`: the whole truth about a playbook, at once."""

import textwrap
from pathlib import Path

import pytest

from pipelines.validate import load_checked, ready_after, validate
from schemas.errors import LoadErrors
from transforms.compiler.load import load_plans

GOOD = """
playbook: town
tick: 1m
let: {low_mb: 500}
signals: [usage, balance]
subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance, where: bucket = 'data'}
    mb_2h:   {sum: mb, from: usage, window: 2h}
    days:    {distinct: local_date, from: usage, window: 28d}
    before:  {distinct: local_date, from: usage, window: 28d, offset: 28d}
  derived:
    hours_left: {expr: left_mb / (mb_2h / 2.0)}
    fading:     {expr: 1 - days / before, bounds: [0, 1]}
  segments:
    leaving: {describe: Uses us less, enter: fading > 0.5 AND before >= 10, exit: fading < 0.3, hold: 3d}
    heavy:   {enter: mb_2h > 1000 AND NOT leaving}
  moments:
    running_out: {when: left_mb < low_mb AND hours_left < 6}
    empty:       {when: left_mb = 0}
offers:
  topup: {for: subscriber.running_out, family: data, owner: consumer, eligible: NOT subscriber.heavy, value: 4,
          p_accept: 0.2, send: [app, sms], valid_for: 6h, cooldown: 3d, params: {left_mb: left_mb}}
policy:
  caps: [{per: subscriber, max: 1, in: day}, {per: subscriber, max: 2, in: 7d, channel: sms}]
"""


def _file(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "town.yaml").write_text(text, "utf-8")
    return tmp_path / "town.yaml"


def test_a_good_playbook_is_told_in_a_few_lines(tmp_path: Path) -> None:
    book, _ = load_checked(_file(tmp_path))
    told, *warnings = validate(_file(tmp_path)).split("warning: ")
    assert len(warnings) == 3
    assert told == textwrap.dedent(f"""\
        town, version 1, {book.content_hash}
          tick 1m, grace 2m, late up to 1d; UTC
          reads usage, balance
        subscriber: 4 features, 2 derived values
          segment leaving: ready 56d after the start (Uses us less)
          segment heavy: ready 56d after the start
          moment running_out: ready 2h after the start
          moment empty: ready at once
        offers: 1, with 2 caps
          topup: for subscriber.running_out by app, sms, again after 3d
          at most 1 a day to a subscriber
          at most 2 of sms in 7d to a subscriber
          consent: nobody is asked
        """)


@pytest.mark.parametrize(
    ("cap", "told"),
    [
        ("message: care", "at most 2 of care in 7d to a subscriber"),
        ("message: any", "at most 2 in 7d to a subscriber for whatever purpose"),
    ],
)
def test_a_cap_tells_what_counts(tmp_path: Path, cap: str, told: str) -> None:
    assert f"  {told}\n" in validate(_file(tmp_path, ("in: 7d, channel: sms", f"in: 7d, {cap}")))


def test_readiness_is_the_furthest_look_back(tmp_path: Path) -> None:
    _, plan = load_checked(_file(tmp_path))
    day = 86_400_000
    assert ready_after(plan) == {"leaving": 56 * day, "heavy": 56 * day, "running_out": day // 12, "empty": 0}


def test_a_segment_waits_for_those_that_go_before_it(tmp_path: Path) -> None:
    change = "heavy:   {enter: mb_2h > 1000, exclusive: mood, priority: 2}"
    ranked = (
        ("hold: 3d}", "hold: 3d, exclusive: mood, priority: 1}"),
        ("heavy:   {enter: mb_2h > 1000 AND NOT leaving}", change),
    )
    _, plan = load_checked(_file(tmp_path, *ranked))
    assert ready_after(plan)["heavy"] == 56 * 86_400_000


def test_a_group_waits_for_what_it_reads_of_its_members(tmp_path: Path) -> None:
    household = "household:\n  features:\n    lost: {count: any, from: members, where: leaving}\n"
    household += "    people: {count: any, from: members}\n"
    household += "  segments: {calm: {enter: lost = 0}, some: {enter: people > 0}}\n"
    changes = ("signals: [usage, balance]", "signals: [usage, balance, membership]"), ("offers:", f"{household}offers:")
    book, _ = load_checked(_file(tmp_path, *changes))
    assert ready_after(load_plans(book)["household"]) == {"calm": 56 * 86_400_000, "some": 0}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ([("mb_2h > 1000", "mb_3h > 1000")], [17]),
        # form, fit, features, expressions and offers at once
        (
            [
                ("tick: 1m", "tikc: 1m"),
                ("where: bucket = 'data'", "where: buckt = 'data'"),
                ("sum: mb,", "sum: kind,"),
                ("fading < 0.3", "fadin < 0.3"),
                ("left_mb = 0", "left_mb = 'none'"),
                ("value: 4", "value: lef_mb"),
                ("channel: sms", "chanel: sms"),
            ],
            [3, 8, 9, 16, 22, 25],
        ),
        # what only misses a malformed part is not told
        ([("window: 2h", "window: 2 h")], [9]),
        ([("sum: mb,", "sum: m,")], [9]),
        ([("low_mb: 500", "low_mb: 500 +, unused: (1")], [4, 4]),
        ([("enter: fading > 0.5", "enterr: fading > 0.5")], [16, 16]),
        ([("value: 4", "value: any_thing"), ("valid_for: 6h", "valid_for: 6")], [23]),
    ],
)
def test_all_mistakes_are_told_at_once(tmp_path: Path, changes: list[tuple[str, str]], lines: list[int]) -> None:
    with pytest.raises(LoadErrors) as caught:
        load_checked(_file(tmp_path, *changes))
    assert [error.line for error in caught.value.errors] == lines, str(caught.value)


def test_a_let_is_set_for_a_try(tmp_path: Path) -> None:
    book, _ = load_checked(_file(tmp_path), {"low_mb": "300"})
    assert book.let["low_mb"] == "300"
