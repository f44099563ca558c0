"""Tables in expressions: what is kept of them, what is recorded, what is told of mistakes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.validate import load_checked
from schemas.errors import LoadErrors
from schemas.playbook import Playbook
from tests.reference.contexts import Reference
from tests.reference.kernel import Kernel
from tests.reference.playbooks import SMALL
from tests.reference.records import Signal
from tests.reference.strategies import dealt, ends, signals
from transforms.compiler.load import load_plan

TARIFFS = "tariff,unlimited,monthly\nflex,false,19.90\nmax,true,39.90\n"
BOOK = """
playbook: town
signals: [usage, profile]
tables: {tariffs: {key: profile.tariff, file: tariffs.csv}}
subscriber:
  features: {n: {count: any, from: usage, window: 1h}}
  moments: {busy: {when: n > 3 AND NOT tariffs.unlimited}}
offers:
  plan: {for: subscriber.busy, family: data, owner: us, value: 1, p_accept: 0.5, send: app, valid_for: 1d}
"""


def written(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = BOOK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "tariffs.csv").write_text(TARIFFS, "utf-8")
    (tmp_path / "town.yaml").write_text(text, "utf-8")
    return tmp_path / "town.yaml"


def test_what_is_read_is_recorded_with_the_version(tmp_path: Path) -> None:
    book, plan = load_checked(written(tmp_path))
    assert [derived.name for derived in plan.derived] == ["tariffs.unlimited", "tariffs.version"]
    assert [feature.name for feature in plan.features] == ["n", "profile.tariff"]
    assert [derived.name for derived in plan.strata[0].derived] == ["tariffs.unlimited"]
    assert f"tariffs.version {book.contents['tariffs'].version}" == plan.derived[1].expression.canonical


def test_only_what_changed_is_another_definition(tmp_path: Path) -> None:
    keys = load_plan(load_checked(written(tmp_path))[0]).keys
    path = written(tmp_path)
    (tmp_path / "tariffs.csv").write_text(TARIFFS.replace("39.90", "42.00"), "utf-8")
    same = load_plan(load_checked(path)[0]).keys
    assert (same["busy"], same["tariffs.unlimited"]) == (keys["busy"], keys["tariffs.unlimited"])
    (tmp_path / "tariffs.csv").write_text(TARIFFS.replace("true", "false"), "utf-8")
    assert load_plan(load_checked(path)[0]).keys["busy"] != keys["busy"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("NOT tariffs.unlimited", "NOT tariffs.unlimted"), "no `tariffs.unlimted` here"),
        (("NOT tariffs.unlimited", "NOT tariffs.unlimted"), "did you mean `tariffs.unlimited`?"),
        (("profile.tariff,", "profile.tarif,"), "tariffs.csv:1: has no column `tarif`, its key"),
        (("[usage, profile]", "[usage]"), "`profile.tariff` is read, and `profile` is not one of them"),
        (("NOT tariffs.unlimited", "tariffs.monthly"), "`tariffs.monthly` is a number; a truth value is needed"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        load_checked(written(tmp_path, change))
    assert told in str(caught.value)
    assert len(caught.value.errors) == 1


OFTEN = ("n > 3 AND NOT tariffs.unlimited", "n > 0 AND tariffs.monthly > 20 OR tariffs.unlimited IS NULL")


@pytest.fixture(scope="module")
def often(tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    path = written(tmp_path_factory.mktemp("town"), OFTEN)
    (path.parent / "tariffs.csv").write_text(
        "tariff,unlimited,monthly\nflex,,19.90\nmax,true,\nbasic,false,25\n", "utf-8"
    )
    return load_checked(path)[0]


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(rows=signals(), spans=ends(), data=st.data())
def test_agrees_with_the_reference(often: Playbook, rows: list[Signal], spans: list[int], data: st.DataObject) -> None:
    mine = [row for row in rows if row.signal in ("usage", "profile")]
    truth, kernel = Reference(often, SMALL), Kernel(load_plan(often))
    for signals_, upto in dealt(mine, spans, [data.draw(st.sampled_from([0, 0, 1, -1])) for _ in mine]):
        truth.advance(signals_, upto)
        kernel.advance(signals_, upto)
    assert sorted(kernel.transitions) == sorted(truth.transitions)
    version = {"tariffs.version": often.contents["tariffs"].version}
    for where, context in kernel.contexts.items():
        assert context.values == truth.contexts[where].values | version


def test_a_key_is_a_text_of_the_profile(tmp_path: Path) -> None:
    path = written(tmp_path, ("profile.tariff,", "profile.birth_year,"))
    (tmp_path / "tariffs.csv").write_text(TARIFFS.replace("tariff", "birth_year"), "utf-8")
    with pytest.raises(LoadErrors, match=r"`tables\.tariffs\.key`: `profile\.birth_year` is no text"):
        load_checked(path)
