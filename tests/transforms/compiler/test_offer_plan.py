"""Plans of offers: what a playbook means, and what it may not say."""

import polars as pl
import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from tests.transforms.decision.small_policies import HOUR
from transforms.compiler.compile_expression import ScopeColumn
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, SUBJECT, Limit, OfferPlan
from transforms.compiler.offer_plan import compile_offers

DAY = 24 * HOUR
MEMBER = ScopeColumn(pl.Boolean(), nullable=False)
SCOPE = {"mb": ScopeColumn(pl.Float64()), "kind": ScopeColumn(pl.String()), "heavy": MEMBER, "light": MEMBER}
BOOK = """
playbook: town
version: 4
time_zone: Europe/Helsinki
tick: 5m
let: {big: mb > 100}
signals: [usage]
subscriber:
  features:
    mb: {sum: mb, from: usage, window: 2h}
    kind: {last: kind, from: usage}
  segments:
    heavy: {enter: mb > 100}
    light: {enter: mb < 1}
  moments:
    burst: {when: mb > 500}
"""


def plan_of(offers: str, rest: str = "") -> OfferPlan:
    playbook = parse_playbook(f"{BOOK}\noffers:\n{offers}\n{rest}", "town.yaml")
    return compile_offers(playbook, {"subscriber": SCOPE})


def test_a_plan_says_what_the_playbook_says() -> None:
    plan = plan_of(
        """
  pack: {for: [subscriber.burst, subscriber.heavy.exited], family: data, owner: us, value: 4, cost: 1, send: [sms, app],
         valid_for: 6h, cooldown: 3d, eligible: big AND NOT subscriber.heavy, params: {n: mb / 2.0, a: kind}}
  call: {for: subscriber.heavy, family: care, owner: care, message: care, priority: 1, value: mb, p_accept: 0.3,
         send: [call_centre], valid_for: 1h, eligible: NOT light}
""",
        "priors: {data: 0.1}\npolicy: {caps: [{per: subscriber, max: 2, in: month, channel: sms},"
        " {per: subscriber, max: 1, in: 7d, family: data}], explore: {data: 12.5%, care: 0%}}",
    )
    assert plan.explore == {"data": 0.125}, "what never explores costs nothing"
    call, pack = plan.offers
    assert (call.name, call.message, call.priority, call.p_accept_assumed) == ("call", "care", 1, False)
    assert (pack.send, pack.triggers) == (("sms", "app"), ("subscriber.burst", "subscriber.heavy.exited"))
    assert (pack.valid_for, pack.p_accept_assumed) == (6 * HOUR, True)
    assert [param.meta.output_name() for param in pack.params] == ["a", "n"]
    assert plan.segments == ("light", "subscriber.heavy")
    assert plan.limits == (
        Limit(COOLDOWN, "cooldown", SUBJECT, 1, 3 * DAY, offer=("pack",)),
        Limit(
            CAPS,
            "cap_2_per_subscriber_in_month_channel_sms",
            "subscriber",
            2,
            "month",
            channel=("sms",),
            message=("marketing",),
        ),
        Limit(
            CAPS,
            "cap_1_per_subscriber_in_7d_family_data",
            "subscriber",
            1,
            7 * DAY,
            family=("data",),
            message=("marketing",),
        ),
    )
    assert (plan.playbook, plan.version, plan.tick, plan.time_zone) == ("town", 4, HOUR // 12, "Europe/Helsinki")


def test_all_mistakes_are_told_with_their_lines() -> None:
    with pytest.raises(LoadErrors) as caught:
        plan_of(
            """
  pack:
    {for: subscriber.burst, family: data, owner: us, send: [sms], valid_for: 6h, priority: 2,
     eligible: mb,
     value: kind,
     cost: mbs / 2.0,
     p_accept: 1.2,
     params: {a: SUM(mb)}}
"""
        )
    assert [str(error) for error in caught.value.errors] == [
        "town.yaml:22: `offers.pack.eligible`: is a number, not a truth value\n    mb",
        "town.yaml:23: `offers.pack.value`: is text, not a whole number or a number\n    kind",
        "town.yaml:24: `offers.pack.cost`: no `mbs` here\n    mbs / 2.0\n    did you mean `mb`?",
        "town.yaml:25: `offers.pack.p_accept`: is a probability, from 0 to 1\n    1.2",
        "town.yaml:26: `offers.pack.params.a`: no function `SUM`\n    SUM(mb)\n    aggregates belong under `features`",
    ]


GROUPS = """
household:
  segments:
    heavy: {enter: total > 9}
    worker: {enter: total > 1}
"""
SCOPES = {
    "subscriber": SCOPE,
    "household": {"mb": ScopeColumn(pl.Float64(), nullable=False), "total": ScopeColumn(pl.Int64()), "heavy": MEMBER},
}


def eligible(trigger: str, text: str) -> OfferPlan:
    """Return the plan of one offer of a playbook about households too."""
    rest = f"{{for: {trigger}, family: f, owner: us, value: 1, p_accept: 0.1, send: app, valid_for: 1h"
    book = f"{BOOK}{GROUPS}\noffers: {{a: {rest}, eligible: '{text}'}}}}".replace("[usage]", "[usage, membership]")
    return compile_offers(parse_playbook(book, "town.yaml"), SCOPES)


@pytest.mark.parametrize(
    ("trigger", "text", "segments"),
    [
        ("subscriber.burst", "mb > 1 AND NOT household.worker", ("household.worker",)),
        ("household.worker", "total > 1 AND subscriber.light", ("subscriber.light",)),
        ("household.worker.exited", "heavy", ("heavy",)),
        ("[subscriber.burst, household.worker]", "mb > 1 AND heavy OR subscriber.heavy", ("heavy", "subscriber.heavy")),
    ],
)
def test_an_offer_sees_the_levels_of_its_triggers_and_segments_of_all(
    trigger: str, text: str, segments: tuple[str, ...]
) -> None:
    assert eligible(trigger, text).segments == segments


@pytest.mark.parametrize(
    ("trigger", "text", "told"),
    [
        ("subscriber.burst", "total > 1", "no `total` here"),
        ("household.worker", "light", "no `light` here"),
        ("[subscriber.burst, household.worker]", "total > 1", "no `total` here"),
        ("[subscriber.burst, household.worker]", "kind IS NULL", "no `kind` here"),
    ],
)
def test_an_offer_sees_nothing_else(trigger: str, text: str, told: str) -> None:
    with pytest.raises(LoadErrors, match=told):
        eligible(trigger, text)
