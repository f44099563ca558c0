"""Profiles in expressions: which fields are kept, and what is told of those that are not there."""

import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import parse_playbook
from transforms.compiler.load import load_plan

BOOK = """
playbook: town
signals: [usage, profile]
subscriber:
  features: {{n: {{count: any, from: usage, window: 1h}}}}
  derived: {{age: {{expr: 2026 - profile.birth_year}}}}
  moments: {{busy: {{when: n > 3 AND {condition}}}}}
offers:
  plan: {{for: subscriber.busy, family: data, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1d,
         eligible: profile.has_fixed, params: {{tariff: profile.tariff}}}}
"""


def test_only_what_is_read_is_kept() -> None:
    plan = load_plan(parse_playbook(BOOK.format(condition="profile.language = 'fi'")))
    read = ["tariff", "language", "birth_year", "has_fixed"]
    assert [feature.name for feature in plan.features] == ["n", *(f"profile.{name}" for name in read)]
    told = ["channels", "zone"]  # to contact roots
    assert plan.signals["profile"].columns == tuple(sorted([*read, *told]))
    assert plan.needed == {"n", "profile.language"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("profile.language = 'fi'", "profile.langage = 'fi'"),
            "`subscriber.moments.busy.when`: no `profile.langage` here",
        ),
        (
            ("[usage, profile]", "[usage]"),
            "town.yaml:3: `signals`: `profile.birth_year` is read, and `profile` is not one of them\n"
            "    signals: [usage]\n    add `profile` to `signals`",
        ),
        (("age:", "profile:"), "`profile` is what `profile.COLUMN` begins with"),
    ],
)
def test_what_is_not_there_is_told_once(change: tuple[str, str], told: str) -> None:
    text = BOOK.format(condition="profile.language = 'fi'").replace(*change)
    with pytest.raises(LoadErrors) as caught:
        load_plan(parse_playbook(text, "town.yaml"))
    (error,) = caught.value.errors
    assert told in str(error)
