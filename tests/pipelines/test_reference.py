"""The reference of playbooks: whole, current, and its example works."""

from pathlib import Path

from pipelines.reference import EXAMPLE, SECTIONS, playbook_reference
from pipelines.validate import load_checked
from schemas.playbook_file import playbook_json_schema
from transforms.compiler.sql.forms import FORMS
from transforms.compiler.sql.functions import FUNCTIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "playbook.md"


def test_the_document_is_current() -> None:
    told = "docs/playbook.md is old: run `python -m pipelines schema --reference > docs/playbook.md`"
    assert DOCUMENT.read_text("utf-8") == playbook_reference(), told


def test_every_part_and_function_is_in_it() -> None:
    text = playbook_reference()
    assert SECTIONS.keys() == {"Playbook", *playbook_json_schema()["$defs"]}
    assert all(f"`{name}(" in text for name in (*FUNCTIONS, *FORMS))


def test_its_example_works(tmp_path: Path) -> None:
    (tmp_path / "playbook.yaml").write_text(EXAMPLE, "utf-8")
    playbook, _ = load_checked(tmp_path / "playbook.yaml")
    assert playbook.playbook == "fibre_town"
