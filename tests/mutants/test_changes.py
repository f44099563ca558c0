"""What is changed and how it is said, on modules of a few lines; and one change of each kind that the tests notice."""

import ast
import subprocess
import sys

import pytest

from tests.mutants import kinds
from tests.mutants.campaign import areas, chosen, equivalents
from tests.mutants.changes import ROOT, changes, path_of


@pytest.mark.parametrize(
    ("kind", "code", "others"),
    [
        (kinds.boundary, "a < b", ["a <= b"]),
        (kinds.boundary, "a == b", []),
        (kinds.direction, "a >= b", ["a <= b"]),
        (kinds.opposite, "a is None", ["a is not None"]),
        (kinds.sign, "a - 1", ["a + 1"]),
        (kinds.sign, "a + ['b']", []),
        (kinds.logic, "a and b", ["a or b"]),
        (kinds.logic, "a | b", ["a & b"]),
        (kinds.part, "a & b", ["a", "b"]),
        (kinds.negation, "not a", ["a"]),
        (kinds.number, "40", ["41"]),
        (kinds.number, "True", []),
        (kinds.truth, "True", ["False"]),
        (kinds.twin, "rows.min()", ["rows.max()"]),
        (kinds.twin, "any(rows)", ["all(rows)"]),
        (kinds.key, "rows.sort('a', 'b')", ["rows.sort('b')", "rows.sort('a')"]),
        (kinds.key, "rows.join(other, ['a', 'b'])", ["rows.join(other, ['b'])", "rows.join(other, ['a'])"]),
        (kinds.step, "rows.filter(a)", ["rows"]),
        (kinds.step, "np.sort(a)", []),
        (kinds.option, "rows.sort(a, nulls_last=True)", ["rows.sort(a)"]),
        (kinds.choice, "a if b else c", ["a", "c"]),
    ],
)
def test_each_kind_says_something_else(kind: kinds.Kind, code: str, others: list[str]) -> None:
    assert [ast.unparse(other) for other in kind(ast.parse(code, mode="eval").body)] == others


def test_changes_are_named_apart_and_change_something() -> None:
    module = "transforms.context.ingest.dedup"
    found = changes(module)
    assert len({one.name for one in found}) == len(found)
    before = ast.unparse(ast.parse(path_of(module).read_text("utf-8")))
    assert all(ast.unparse(one.made()) != before for one in found)


def test_the_same_are_chosen_each_time_and_of_all_kinds() -> None:
    area = areas()["segments"]
    some = chosen(area, 40, 1, {})
    assert some == chosen(area, 40, 1, {})
    assert len({one.kind for one in some}) == len({one.kind for module in area.modules for one in changes(module)})
    assert not {one.name for one in chosen(area, 40, 1, {some[0].name: "why"})} & {some[0].name}


def test_what_areas_name_is_there() -> None:
    for area in areas().values():
        named = [name.removeprefix("--ignore=") for call in area.tests for name in call.split()]
        files = [name.partition("::")[0] for name in named]
        assert [name for name in (*files, *map(path_of, area.modules)) if not (ROOT / name).exists()] == []


def test_what_is_equivalent_has_a_reason() -> None:
    assert all(why.strip() for why in equivalents().values())


def test_a_campaign_tells_what_the_tests_notice() -> None:
    """The smallest size: one change of one area, and a test that fails by it."""
    arguments = ["--areas", "dedup", "--only", "transforms.arrays.hashing", "--number", "1", "--workers", "1"]
    arguments += ["--tests", "tests/transforms/arrays/test_hashing.py"]
    command = [sys.executable, "-m", "tests.mutants", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "noticed by tests/" in done.stdout
    assert "1 of    1  100%" in done.stdout
