"""What a span brings forth: tables of the same columns and types, whatever is in them."""

from pathlib import Path

import pytest

from schemas.playbook_file import load_playbook
from transforms.compiler.load import load_plans
from transforms.context.advance import advance
from transforms.context.emit.triggers import trigger_schema

ROOT = Path(__file__).parents[4]
PLAYBOOKS = [*sorted(ROOT.glob("examples/*/playbook.yaml")), ROOT / "benchmarks" / "usage_households.yaml"]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_schema_of_triggers_is_known_without_any(path: Path) -> None:
    book = load_playbook(path)
    for plan in load_plans(book).values():
        made = advance(plan, None, [], book.tick).outputs.triggers
        assert made.schema.equals(trigger_schema(plan), check_metadata=True)
