"""Playbooks: what is accepted, what is refused with which words, and what identifies one."""

import json
import pickle
import re
from collections.abc import Iterator
from contextlib import chdir, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import DAY, HOUR, MINUTE
from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_file import PlaybookErrors, load_playbook, not_about, parse_playbook, playbook_json_schema


@pytest.fixture(autouse=True, scope="module")
def _beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand where the playbook's own contract is."""
    folder = tmp_path_factory.mktemp("beside")
    usage = (Path(__file__).parents[2] / "schemas" / "avro" / "usage.avsc").read_text("utf-8")
    (folder / "meter.avsc").write_text(usage.replace('"name": "usage"', '"name": "meter"'), "utf-8")
    with chdir(folder):
        yield


WHOLE = """
playbook: fibre_town
version: 7
effective_from: 2026-12-01T00:00:00+02:00
time_zone: Europe/Helsinki
tick: 1m
let:
  low_mb: 500
  weekend: local_weekday > 5
signals: [usage, balance, {meter: meter.avsc}, order]
subscriber:
  features:
    left_mb:     {last: remaining_mb, from: balance, where: bucket = 'data'}
    mb_2h:       {sum: mb, from: usage, where: kind = 'data', window: 2h}
    days_before: {distinct: local_date, from: usage, window: 28d, offset: 28d}
    quiet:       {seconds_since_last: any, from: usage, window: 1d}
    any_peer:    {count: any, from: usage, window: 30m, offset: 10m}
  derived:
    hours_left:  {expr: left_mb / (mb_2h / 2.0), bounds: [0, 100]}
  segments:
    churn_risk:
      describe: Uses us less
      enter: days_before >= 10 AND mb_2h < 1
      exit: mb_2h > 5
      hold: 3d
      expire: 14d
      on_late: trigger
  moments:
    running_out: {when: left_mb < low_mb, again_after: 1d}
    heavy_hour:  {when: mb_2h > 2000, repeat: 1h}
    abandoned:   {after: {order: state = 'started'}, without: {order: any, usage: any}, same: order_id, within: 30m}
offers:
  topup: {for: subscriber.running_out, family: data, owner: consumer, value: 4, cost: 0.02, p_accept: 0.22, priority: 1,
          eligible: true, send: [app, sms], valid_for: 6h, cooldown: 3d, params: {left_mb: left_mb}}
  stay:  {for: [subscriber.churn_risk, subscriber.churn_risk.exited], family: retention, owner: care, value: 90,
          send: app, valid_for: 3d}
policy:
  caps:
    - {per: subscriber, max: 1, in: 7d, family: data}
    - {per: subscriber, max: 2, in: month, channel: sms}
priors: {retention: 0.1}
"""


def test_a_whole_playbook_is_understood() -> None:
    book = parse_playbook(WHOLE)
    features, offers = book.subscriber.features, book.offers
    assert (book.tick, book.grace, book.allowed_lateness) == (MINUTE, 2 * MINUTE, DAY)
    assert book.effective_from == 1_796_076_000_000
    assert book.signals == {"usage": None, "balance": None, "meter": "meter.avsc", "order": None}
    assert book.let == {"low_mb": "500", "weekend": "local_weekday > 5"}
    assert [(f.aggregate, f.column, f.from_) for f in features.values()][:2] == [
        ("last", "remaining_mb", "balance"),
        ("sum", "mb", "usage"),
    ]
    assert book.subscriber.derived["hours_left"].bounds == (0.0, 100.0)
    assert book.subscriber.segments["churn_risk"].hold == 3 * DAY
    assert book.subscriber.moments["heavy_hour"].repeat == HOUR
    abandoned = book.subscriber.moments["abandoned"]
    assert (abandoned.after, abandoned.then) == ({"order": "state = 'started'"}, None)
    assert (abandoned.without, abandoned.same) == ({"order": "any", "usage": "any"}, ("order_id",))
    assert (abandoned.within, abandoned.when) == (30 * MINUTE, None)
    assert (offers["topup"].value, offers["topup"].cost, offers["topup"].eligible) == ("4", "0.02", "TRUE")
    assert offers["stay"].for_ == ("subscriber.churn_risk", "subscriber.churn_risk.exited")
    assert (offers["stay"].send, offers["stay"].priority) == (("app",), 5)
    assert [cap.in_ for cap in book.policy.caps] == [7 * DAY, "month"]


def test_a_playbook_may_be_small() -> None:
    book = parse_playbook(
        "playbook: p\nsignals: [usage]\nsubscriber: {features: {n: {count: any, from: usage, window: 5m}}}"
    )
    assert (book.version, book.time_zone, book.offers, book.policy.caps) == (1, "UTC", {}, ())


def _hash(text: str, **lets: str) -> str:
    return parse_playbook(text, lets=lets).content_hash


def test_the_hash_is_of_what_is_said() -> None:
    moved = WHOLE.replace("version: 7\n", "").replace("tick: 1m\n", "tick: '1m'   # each minute\nversion: 7\n")
    assert len(_hash(WHOLE)) == 32
    assert _hash(moved) == _hash(WHOLE)
    assert _hash(WHOLE.replace("version: 7", "version: 8")) != _hash(WHOLE)
    assert _hash(WHOLE.replace("[app, sms]", "[sms, app]")) != _hash(WHOLE)


def test_a_let_can_be_set_for_a_try() -> None:
    assert parse_playbook(WHOLE, lets={"low_mb": "300"}).let["low_mb"] == "300"
    assert _hash(WHOLE, low_mb="300") != _hash(WHOLE)
    assert _hash(WHOLE, low_mb="500") == _hash(WHOLE)
    with pytest.raises(LoadErrors, match=r"no `low_bm` under `let` to set(.|\n)*did you mean `low_mb`\?"):
        parse_playbook(WHOLE, lets={"low_bm": "300"})


def test_a_playbook_travels_to_workers() -> None:
    book = parse_playbook(WHOLE, "town.yaml", {"low_mb": "300"})
    copy: Playbook = pickle.loads(pickle.dumps(book))
    assert (copy, copy.content_hash, copy.file, copy.text) == (book, book.content_hash, "town.yaml", WHOLE)
    assert str(copy.error(("subscriber", "moments", "heavy_hour", "when"), "is wrong", "a b")) == (
        "town.yaml:30: is wrong\n    a b"
    )


def _with(change: tuple[str, str]) -> str:
    old, new = change
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("version:", "versoin:"), "3: `versoin`: unknown key\n    versoin: 7\n    did you mean `version`?"),
        (("playbook: fibre_town", "version2: 1"), "1: `playbook` is missing"),
        (("fibre_town", "Fibre Town"), "2: `playbook`: `Fibre Town` is not a name"),
        (("version: 7", "version: seven"), "3: `version`: must be a whole number, not `seven`"),
        (("version: 7", "version: 7.5"), "3: `version`: must be a whole number, not `7.5`"),
        (("2026-12-01T00:00:00+02:00", "2026-12-01"), "4: `effective_from`: must be a date and time with an offset"),
        (("Helsinki", "Helsinky"), "5: `time_zone`: no time zone `Europe/Helsinky`"),
        (("Helsinki", "Helsinky"), "did you mean `Europe/Helsinki`?"),
        (
            ("tick: 1m", "tick: 60"),
            "6: `tick`: must be a number and a unit, as `90s`, `5m`, `2h`, `3d` or `1w`, not `60`",
        ),
        (("tick: 1m", "tick: 0s"), "6: `tick`: must be greater than 0"),
        (("tick: 1m", "tick: 7m"), "6: `tick`: `tick` 7m does not divide a day"),
        (("tick: 1m", "allowed_lateness: 2d"), "6: `allowed_lateness`: `allowed_lateness` of 2d is longer than 1d"),
        (("tick: 1m", "erased_for: 2h"), "6: `erased_for`: `erased_for` of 2h is shorter than 1d"),
        (("tick: 1m", "min_confidence: 1.5"), "6: `min_confidence`: must be less than or equal to 1, not `1.5`"),
        (("tick: 1m", "min_confidence: -0.1"), "6: `min_confidence`: must be greater than or equal to 0"),
        (("  low_mb: 500", "  low_mb: [500]"), "8: `let.low_mb`: must be text, not a list"),
        (("send: [app, sms]", "send: {app: 1}"), "`offers.topup.send`: must be a list, not a mapping"),
        (("  weekend:", "  mb_2h:"), "14: `subscriber.features.mb_2h`: the name `mb_2h` is taken by `let.mb_2h`"),
        (("[usage, balance,", "[usage, usage, balance,"), "10: `signals`: names `usage` twice"),
        (("[usage, balance, {meter: meter.avsc}, order]", "usage"), "10: `signals`: must be a list of signal types"),
        (
            ("[usage, balance, {meter: meter.avsc}, order]", "[[usage]]"),
            "10: `signals`: must hold names of signal types",
        ),
        (("from: balance", "from: balances"), "13: `subscriber.features.left_mb.from`: `from: balances` is not one of"),
        (("from: balance", "from: balances"), "did you mean `balance`?"),
        (
            ("{sum: mb,", "{sum: mb, max: mb,"),
            "must have exactly one aggregate of count, sum, min, max, mean, distinct,",
        ),
        (("{sum: mb,", "{smu: mb,"), "14: `subscriber.features.mb_2h.smu`: unknown key"),
        (("{sum: mb,", "{sum: any,"), "14: `subscriber.features.mb_2h.sum`: `sum: any` has no column to work on"),
        (("'data', window: 2h", "'data'"), "14: `subscriber.features.mb_2h`: `sum` needs a `window`"),
        (("'data'}", "'data', offset: 1h}"), "13: `subscriber.features.left_mb.offset`: `offset` needs a `window`"),
        (("window: 2h", "window: 90s"), "`window` 90s is not a multiple of the tick of 1m\n"),
        (("window: 2h", "window: 90s"), "use 1m or 2m"),
        (("offset: 10m", "offset: 15s"), "`offset` 15s is not a multiple of the tick of 1m"),
        (("window: 2h", "window: 121m"), "`window` 121m is not a multiple of the pane of 5m\n"),
        (("window: 28d, offset: 28d", "window: 28d, offset: 90m"), "`offset` 90m is not a multiple of the pane of 1h"),
        (
            ("tick: 1m", "tick: 10m"),
            "16: `subscriber.features.quiet.window`: `tick` 10m does not divide the pane of 5m",
        ),
        (("where: bucket = 'data'", "where: bucket IN ('a', 'b')"), "13: is not valid YAML"),
        (("where: bucket = 'data'", "wher: x"), "did you mean `where`?"),
        (("where: bucket = 'data'", "bucket = 'data'"), "put an expression that has a comma in quotes"),
        (("left_mb:     {last", "left mb:     {last"), "13: `subscriber.features.left mb`: `left mb` is not a name"),
        (
            ("left_mb:     {last", "case:     {last"),
            "13: `subscriber.features.case`: `case` is a word of SQL and cannot",
        ),
        (
            ("{last: remaining_mb, from: balance, where: bucket = 'data'}", ""),
            "must be a mapping, as `{key: value}`, not empty",
        ),
        (("bounds: [0, 100]", "bounds: [0]"), "19: `subscriber.derived.hours_left.bounds.1`: has too few items"),
        (
            ("bounds: [0, 100]", "bounds: [0, x]"),
            "19: `subscriber.derived.hours_left.bounds.1`: must be a number, not `x`",
        ),
        (
            ("bounds: [0, 100]", "bounds: [9, 1]"),
            "19: `subscriber.derived.hours_left.bounds`: `bounds` are the wrong way round: 9 is above 1",
        ),
        (("bounds: [0, 100]", "mirror: 3d"), "19: `subscriber.derived.hours_left.mirror`: unknown key"),
        (("      enter:", "      entr:"), "21: `subscriber.segments.churn_risk`: `enter` is missing"),
        (
            ("expire: 14d", "expire: 1d"),
            "26: `subscriber.segments.churn_risk.expire`: `expire` 1d is shorter than `hold` 3d",
        ),
        (
            ("on_late: trigger", "exclusive: mood"),
            "21: `subscriber.segments.churn_risk`: `exclusive` and `priority` go together: the set, and the rank in it",
        ),
        (("on_late: trigger", "priority: 1"), "`exclusive` and `priority` go together"),
        (
            ("on_late: trigger", "exclusive: mood\n      priority: 1"),
            "27: `subscriber.segments.churn_risk.exclusive`: no other segment is in the set `mood`",
        ),
        (("on_late: trigger", "on_late: tell"), "must be 'record' or 'trigger', not `tell`"),
        (("  moments:", "  moment:"), "28: `subscriber.moment`: unknown key\n    moment:\n    did you mean `moments`?"),
        (("    running_out:", "    mb_2h:"), "the name `mb_2h` is taken by `subscriber.features.mb_2h`"),
        (("repeat: 1h", "repeat: 90s"), "`repeat` 90s is not a multiple of the tick of 1m"),
        (
            ("{when: mb_2h > 2000, ", "{"),
            "30: `subscriber.moments.heavy_hour`: needs `when`, or `after` with",
        ),
        (("repeat: 1h", "within: 1h"), "30: `subscriber.moments.heavy_hour.within`: `within` needs `after`"),
        (("repeat: 1h", "then: {usage: any}"), "30: `subscriber.moments.heavy_hour.then`: `then` needs `after`"),
        ((", within: 30m", ""), "31: `subscriber.moments.abandoned`: `after` needs `within`"),
        (("within: 30m", "within: 0s"), "31: `subscriber.moments.abandoned.within`: must be greater than 0"),
        (("without: {order: any, usage: any}, ", ""), "abandoned`: `after` needs `then`, `without` or both"),
        (("within: 30m", "within: 30m, repeat: 1h"), "31: `subscriber.moments.abandoned.repeat`: `repeat` goes with"),
        (("{order: any", "{oder: any"), "31: `subscriber.moments.abandoned.without.oder`: `oder` is not one of"),
        (("{order: any", "{oder: any"), "did you mean `order`?"),
        (("{order: any, usage: any}", "{}"), "31: `subscriber.moments.abandoned.without`: has too few items"),
        (("{order: any, usage: any}", "order"), "`subscriber.moments.abandoned.without`: must be a mapping, as"),
        (
            ("    abandoned:", "    trigger:"),
            "31: `subscriber.moments.trigger`: `trigger` is what `trigger.COLUMN`",
        ),
        (
            ("for: subscriber.running_out", "for: subscriber.runing_out"),
            "33: `offers.topup.for.0`: `for: subscriber.runing_out`",
        ),
        (("for: subscriber.running_out", "for: subscriber.runing_out"), "did you mean `subscriber.running_out`?"),
        (("for: subscriber.running_out", "for: subscriber.running_out.exited"), "is no segment or moment"),
        (("for: subscriber.running_out", "for: []"), "`offers.topup.for`: has too few items"),
        (("[app, sms]", "[app, app]"), "`offers.topup.send`: `send` names something twice"),
        (
            ("[app, sms]", "[inbound, sms]"),
            "`offers.topup.send`: `inbound` is what own channels are called, and nothing is sent by it",
        ),
        (("[app, sms]", "[inbound, sms]"), "leave it out, and say `policy: {inbound_first: {marketing: 24h}}`"),
        (("priority: 1", "priority: 0"), "`offers.topup.priority`: must be greater than or equal to 1, not `0`"),
        (("valid_for: 6h, ", ""), "`offers.topup`: `valid_for` is missing"),
        (("cooldown: 3d", "gaol: x"), "`offers.topup.gaol`: unknown key"),
        (("cooldown: 3d", "gaol: x"), "did you mean `goal`?"),
        (("cooldown: 3d", "goal: {order: any}"), "`offers.topup.goal`: `within` is missing"),
        (("cooldown: 3d", "goal: {within: 2d}"), "`offers.topup.goal`: no signal type says when it is reached"),
        (
            ("cooldown: 3d", "goal: {order: any, usage: any, within: 2d}"),
            "is about one signal type, not `order`, `usage`",
        ),
        (("cooldown: 3d", "goal: {oder: any, within: 2d}"), "`offers.topup.goal.oder`: `oder` is not one of"),
        (("cooldown: 3d", "goal: {oder: any, within: 2d}"), "did you mean `order`?"),
        (("cooldown: 3d", "goal: {erasure: any, within: 2d}"), "nothing is computed from `erasure` signals"),
        (("cooldown: 3d", "goal: {order: any, within: 0s}"), "`offers.topup.goal.within`: must be greater than 0"),
        (("cooldown: 3d", "goal: {order: any, within: 90s}"), "`within` 90s is not a multiple of the tick of 1m"),
        (("priors: {retention: 0.1}", ""), "35: `offers.stay`: no `p_accept`, and its family `retention` has no prior"),
        (("retention: 0.1", "retention: 1.1"), "`priors.retention`: must be less than or equal to 1, not `1.1`"),
        (("retention: 0.1", "retention: 0.1, dat: 0.1"), "41: `priors.dat`: no offer has the family `dat`"),
        (("family: data}", "family: date}"), "39: `policy.caps.0.family`: no offer has the family `date`"),
        (("  caps:", "  explore: {date: 10%}\n  caps:"), "`policy.explore.date`: no offer has the family `date`"),
        (("  caps:", "  explore: {data: 110%}\n  caps:"), "`policy.explore.data`: must be less than or equal to 1"),
        (("channel: sms", "channel: email"), "`policy.caps.1.channel`: no offer has the channel `email`"),
        (("per: subscriber", "per: street"), "`policy.caps.0.per`: must be 'subscriber', 'household' or 'sme'"),
        (
            ("per: subscriber", "per: household"),
            "`policy.caps.0.per`: `per: household` counts nothing: the playbook has neither households nor SMEs",
        ),
        (
            ("\noffers:", "\nhousehold: {segments: {left_mb: {enter: mb_2h > 1}}}\noffers:"),
            "`household.segments.left_mb`: the name `left_mb` is that of a value at `subscriber`",
        ),
        (("tick: 1m", "tick: 1m\nfeed_timeout: {usgae: 1h}"), "`usgae` is not one of the playbook's `signals`"),
        (
            ("tick: 1m", "tick: 1m\nfeed_timeout: {usage: 90s}"),
            "`feed_timeout` 90s is not a multiple of the tick of 1m",
        ),
        (("tick: 1m", "tick: 1m\nfeed_timeout: {usage: 0s}"), "`feed_timeout.usage`: must be"),
        (("  caps:", "  consent: {profilling: opt_in}\n  caps:"), "`policy.consent.profilling`: unknown key"),
        (
            ("  caps:", "  inbound_first: {marketing: 90s}\n  caps:"),
            "`policy.inbound_first.marketing`: `marketing` 90s is not a multiple of the tick of 1m",
        ),
        (
            ("  caps:", "  inbound_first: {marketing: 24h}\n  caps:"),
            "`policy.inbound_first.marketing`: who comes is told by `contact` or `outcome`",
        ),
        (("  caps:", "  inbound_first: {care: 0s}\n  caps:"), "`policy.inbound_first.care`: must be greater than 0"),
        (("  caps:", "  inbound_first: {sales: 1d}\n  caps:"), "`policy.inbound_first.sales`: unknown key"),
        (("in: month", "in: fortnight"), "`policy.caps.1.in`: must be a number and a unit"),
        (("in: month", "in: 0s"), "`policy.caps.1.in`: must be `day`, `week`, `month` or more than 0s"),
    ],
)
def test_mistakes_say_where_and_what(change: tuple[str, str], told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        parse_playbook(_with(change), "p.yaml")
    lines = str(caught.value)
    assert told in lines
    assert lines.startswith("p.yaml:")


@pytest.mark.parametrize(
    ("written", "shares"), [("1%..5%", (0.01, 0.05)), ("0%..0.3%", (0.0, 0.003)), ("7%..100%", (0.07, 1.0))]
)
def test_an_expected_share(written: str, shares: tuple[float, float]) -> None:
    book = parse_playbook(_with(("on_late: trigger", f"expect: {written}")))
    assert book.subscriber.segments["churn_risk"].expect == shares


@pytest.mark.parametrize("written", ["5%..1%", "1%..101%", "1..5%", "5%", "0.05", "-1%..5%", "[1, 5]", "1%...5%"])
def test_what_is_no_expected_share(written: str) -> None:
    with pytest.raises(LoadErrors, match=r"must be the least and the greatest share, as `1%..5%`, not"):
        parse_playbook(_with(("on_late: trigger", f"expect: {written}")))


SETS = """
    a: {enter: mb_2h > 1, exclusive: mood, priority: 1}
    b: {enter: mb_2h > 2, exclusive: mood, priority: 20}
    c: {enter: mb_2h > 3, exclusive: mood, priority: 3}
    d: {enter: mb_2h > 4, exclusive: size, priority: 1}
    e: {enter: mb_2h > 5, exclusive: size, priority: 2}
    f: {enter: mb_2h > 6}
"""


def test_who_goes_before_in_a_set() -> None:
    level = parse_playbook(_with(("\n  moments:", f"{SETS}  moments:"))).subscriber
    assert {name: level.above(name) for name in "abcdef"} == {
        "a": (),
        "b": ("a", "c"),
        "c": ("a",),
        "d": (),
        "e": ("d",),
        "f": (),
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("priority: 3", "priority: 1"),
            "30: `subscriber.segments.c.priority`: `priority` 1 of the set `mood` is taken",
        ),
        (("size, priority: 2", "sise, priority: 2"), "no other segment is in the set `sise`\n"),
        (("size, priority: 2", "sise, priority: 2"), "did you mean `size`?"),
        (("priority: 3", "priority: 0"), "must be greater than or equal to 1, not `0`"),
    ],
)
def test_mistakes_in_sets(change: tuple[str, str], told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        parse_playbook(_with(("\n  moments:", f"{SETS.replace(*change)}  moments:")))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ("joins: {count: any, from: membership, window: 1h}", "`membership` signals are about subscribers"),
        ("gone: {count: any, from: erasure, window: 1h}", "nothing is computed from `erasure` signals"),
        ("ago: {min: idle, from: members}", "`idle` of members changes with time alone"),
        ("ago: {last: n, from: members}", "`last` of members is not known; they have no order"),
        ("ago: {max: n, from: members, window: 1h}", "members are taken as they are now"),
    ],
)
def test_mistakes_about_members(features: str, told: str) -> None:
    text = (
        "playbook: p\nsignals: [usage, membership]\n"
        "subscriber: {features: {n: {count: any, from: usage, window: 1h},"
        " idle: {seconds_since_last: any, from: usage, window: 1h}}}\n"
        f"household: {{features: {{{features}}}}}\n"
    )
    with pytest.raises(PlaybookErrors, match=re.escape(told)):
        parse_playbook(text)


@pytest.mark.parametrize("text", ["5", "[1]", "on", "{}", "playbook: p"])
def test_other_files_are_no_playbooks(text: str) -> None:
    with pytest.raises(PlaybookErrors) as caught:
        parse_playbook(text)
    assert caught.value.playbook is None


def test_all_mistakes_are_told_at_once() -> None:
    text = WHOLE.replace("version:", "versoin:").replace("window: 2h", "window: 2 h").replace("app, sms", "app, app")
    with pytest.raises(PlaybookErrors) as caught:
        parse_playbook(text.replace("repeat: 1h", "repeat: 90s"))
    assert [error.line for error in caught.value.errors] == [3, 14, 30, 34]


@pytest.mark.parametrize(
    ("changes", "lines", "lost"),
    [
        ([("window: 2h", "window: 2 h")], [14], {"mb_2h"}),
        ([("from: balance", "from: balances")], [13], {"left_mb"}),
        ([("hold: 3d", "hold: 30d"), ("tick: 1m", "tikc: 1m")], [6, 26], {"tikc", "churn_risk"}),
        ([("tick: 1m", "tick: 1 m"), ("repeat: 1h", "repeat: 90s")], [6], {"tick"}),
        ([("hold: 3d", "hold: 3 d"), ("when: left_mb < low_mb, ", "")], [25, 29], {"churn_risk", "running_out"}),
        ([("valid_for: 6h", "gaol: 6h")], [33, 34], {"topup", "gaol"}),
        ([("per: subscriber", "per: subscriber, who: me")], [39], {"who"}),
    ],
)
def test_what_is_understood_can_be_looked_into_further(
    changes: list[tuple[str, str]], lines: list[int], lost: set[str]
) -> None:
    text = WHOLE
    for old, new in changes:
        text = text.replace(old, new, 1)
    with pytest.raises(PlaybookErrors) as caught:
        parse_playbook(text)
    book = caught.value.playbook
    assert book is not None
    assert [error.line for error in caught.value.errors] == lines
    assert caught.value.lost == lost
    level = book.subscriber
    assert not lost & {*level.features, *level.derived, *level.segments, *level.moments, *book.offers}


def test_mistakes_that_only_follow_can_be_left_out() -> None:
    book = parse_playbook(WHOLE)
    told = ["no `mb_2h` here", "`for: subscriber.other.exited` is no segment", "no `mb_3h` here", "no column `mb_2h`"]
    errors = [book.error((), message) for message in told]
    assert not_about({"mb_2h", "other"}, errors) == errors[2:]
    assert not_about((), errors) == errors


def test_files_are_named_as_the_user_named_them() -> None:
    with pytest.raises(LoadErrors, match=r"^no/such\.yaml: cannot be read"):
        load_playbook("no/such.yaml")


def test_the_json_schema_speaks_the_language_of_files() -> None:
    schema = playbook_json_schema()
    parts: dict[str, Any] = schema["$defs"]
    assert schema["properties"]["tick"]["pattern"] == "^[0-9]{1,9}[smhdw]$"
    assert schema["properties"]["tick"]["default"] == "1m"
    assert schema["properties"]["signals"]["type"] == "array"
    assert {"from", "window", "sum", "seconds_since_last"} <= parts["Feature"]["properties"].keys()
    assert {"for", "send"} <= parts["Offer"]["properties"].keys()
    assert "in" in parts["Cap"]["properties"]
    assert all(part["additionalProperties"] is False for part in [schema, *parts.values()])
    assert all("description" in field for part in [schema, *parts.values()] for field in part["properties"].values())


_KEYS = st.sampled_from(
    sorted(
        {*"ab", "playbook", "signals", "subscriber", "features", "offers", "for", "caps", "per", "count", "from", "let"}
    )
)
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["1m", "p"])
)
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)


@given(_TREES, st.sampled_from(["", "let", "signals", "subscriber", "offers", "policy", "priors", "tick"]))
def test_whatever_is_written_is_a_playbook_or_load_errors(tree: Any, section: str) -> None:
    whole = {"playbook": "p", "signals": ["usage"], "subscriber": {"features": {"n": {"last": "x", "from": "usage"}}}}
    with suppress(LoadErrors):
        parse_playbook(json.dumps(whole | {section: tree} if section else tree))
