"""Models in expressions: as good as what they compute, recorded with their version, mistakes told with their line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.validate import load_checked
from schemas.errors import LoadErrors
from schemas.models import MAX_BYTES
from schemas.playbook_file import load_playbook, parse_playbook
from tests.onnx_models import linear
from tests.reference.contexts import Reference
from tests.reference.kernel import Kernel
from tests.reference.playbooks import SMALL
from tests.reference.records import Signal
from tests.reference.strategies import dealt, ends, signals
from transforms.compiler.load import load_plan

BOOK = """
playbook: town
signals: [usage, balance]
let: {worried: "churn(n, left) + 1 > 2.5"}
models: {churn: {file: churn.onnx, inputs: [uses, mb]}}
subscriber:
  features: {n: {count: any, from: usage, window: 3m}, left: {last: remaining_mb, from: balance, window: 7m}}
  derived: {score: {expr: "churn(n, left)", bounds: [0, 6], half_life: 3m, refresh: 2m}}
  segments: {low: {enter: score >= 1.5, exit: score < 0.7}}
  moments: {sudden: {when: worried}}
household:
  features: {n: {count: any, from: members}}
  segments: {large: {enter: n > 2}}
offers:
  stay: {for: [subscriber.low, subscriber.sudden], family: data, owner: us, value: score, p_accept: 0.5, send: app,
         valid_for: 1d}
"""
ALONE = BOOK[: BOOK.index("household:")] + BOOK[BOOK.index("offers:") :]


def written(folder: Path, *changes: tuple[str, str], content: bytes | None = None, book: str = BOOK) -> Path:
    text = book.replace("[usage, balance]", "[usage, balance, membership]") if "household" in book else book
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "churn.onnx").write_bytes(linear(0.5, 0.25) if content is None else content)
    (folder / "town.yaml").write_text(text, "utf-8")
    return folder / "town.yaml"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("town"), book=ALONE)


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(rows=signals(), spans=ends(), data=st.data())
def test_a_model_is_as_good_as_what_it_computes(
    alone: Path, rows: list[Signal], spans: list[int], data: st.DataObject
) -> None:
    mine = [row for row in rows if row.signal in ("usage", "balance")]
    calls = dealt(mine, spans, [data.draw(st.sampled_from([0, 0, 1, -1])) for _ in mine])
    spelt_out = parse_playbook(alone.read_text("utf-8").replace("churn(n, left)", "n * 0.5 + left * 0.25"), str(alone))
    truth, kernel = Reference(spelt_out, SMALL), Kernel(load_plan(load_playbook(alone)))
    for signals_, upto in calls:
        truth.advance(signals_, upto)
        kernel.advance(signals_, upto)
    assert sorted(kernel.transitions) == sorted(truth.transitions)
    version = {"models.churn": load_playbook(alone).model_files["churn"].version}
    for where, context in kernel.contexts.items():
        assert context.values == truth.contexts[where].values | version


def test_the_version_is_in_the_contexts_of_levels_that_call_it(tmp_path: Path) -> None:
    book, plan = load_checked(written(tmp_path))
    assert [derived.name for derived in plan.derived] == ["models.churn", "score"]
    assert plan.derived[0].expression.canonical == f"'{book.model_files['churn'].version}'"
    assert load_plan(book, "household").derived == ()


@pytest.mark.parametrize("change", [(), ("churn.onnx,", "churn.onnx, column: 0,"), ("[uses, mb]", "[calls, mb]")])
def test_another_model_is_another_definition(tmp_path: Path, change: tuple[str, str]) -> None:
    book, plan = load_checked(written(tmp_path))
    other = written(tmp_path, change) if change else written(tmp_path, content=linear(0.5, 0.125))
    new, again = load_checked(other)
    assert new.content_hash != book.content_hash
    assert {name for name in plan.keys if plan.keys[name] != again.keys[name]} - {"models.churn"} == {
        "score",
        "low",
        "sudden",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("churn.onnx", "chrn.onnx"), ":5: `chrn.onnx` cannot be read: No such file"),
        (("[uses, mb]", "[uses, mb, age]"), ":5: `models.churn.inputs`: the model takes rows and columns as [None, 2]"),
        (("[uses, mb]", "[uses, uses]"), ":5: `models.churn.inputs`: `uses` is there twice"),
        (("mb]}", "mb], output: z}"), ":5: `models.churn.output`: the model has no output `z`"),
        (('"churn(n, left)"', "churn(n)"), ":8: `subscriber.derived.score.expr`: `CHURN` takes 2 arguments, not 1"),
        (('"churn(n, left)"', "churm(n)"), ":8: `subscriber.derived.score.expr`: no function `churm`"),
        (("from: usage,", 'from: usage, where: "churn(mb, 1) > 2",'), ":7: `subscriber.features.n.where`: no function"),
        (("value: score", 'value: "churn(n, left)"'), ":15: `offers.stay.value`: no function `churn`"),
        (("churn", "exp"), ":5: `models.exp`: `exp` is a function that there is already"),
        (("churn:", "when:"), ":5: `models.when`: `when` is a word of SQL"),
        (("score: {", "models: {"), "`models` is what `models.COLUMN` begins with"),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    path = written(tmp_path, change)
    (tmp_path / "exp.onnx").write_bytes(linear(0.5, 0.25))
    with pytest.raises(LoadErrors) as caught:
        load_checked(path)
    assert told in str(caught.value.errors[0])


@pytest.mark.parametrize(("content", "told"), [(b"", "no model"), (b"x" * (MAX_BYTES + 1), "is larger than 8,388,608")])
def test_a_bad_file_is_told_once(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(LoadErrors, match=told) as caught:
        load_checked(written(tmp_path, content=content))
    assert len(caught.value.errors) == 1
