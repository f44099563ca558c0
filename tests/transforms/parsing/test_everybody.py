"""A `control` about everybody: apart from those about subjects, and as every contact root is told of it."""

import pyarrow as pa

from schemas.contracts import contract
from schemas.records import EVERYBODY
from transforms.compiler.notices import Notice
from transforms.parsing.everybody import notices_to_all, part_everybody

SCHEMA = Notice("control", ("action", "scope", "target")).schema(contract("control"))
MINUTE = 60_000


def rows(signal: str, *subjects: str, kind: str = "subscriber") -> pa.RecordBatch:
    table = [
        {
            "id": str(n),
            "source": "ops",
            "time": n * MINUTE,
            "subject": subject,
            "scope": "everything",
            "action": "pause",
        }
        for n, subject in enumerate(subjects)
    ]
    schema = pa.RecordBatch.from_pylist(table).schema.with_metadata({"signal": signal, "subject_kind": kind})
    return pa.RecordBatch.from_pylist(table, schema)


def test_only_controls_are_about_everybody() -> None:
    given = [rows("control", "a", "*", "b"), rows("control", "*", kind="sme"), rows("usage", "*")]
    kept, everybody = part_everybody(given)
    assert [batch["subject"].to_pylist() for batch in kept] == [["a", "b"], ["*"]]
    assert [batch["id"].to_pylist() for batch in everybody] == [["1"], ["0"]]
    assert kept[0].schema.metadata == given[0].schema.metadata


def test_they_act_from_the_first_tick_after_their_time() -> None:
    notices = notices_to_all(rows("control", "*", "*", kind="sme"), SCHEMA, MINUTE)
    assert notices.schema.equals(SCHEMA, check_metadata=True)
    who = dict.fromkeys(("root_kind", "root", "subject_kind", "subject"), EVERYBODY)
    what = {"source": "ops", "action": "pause", "scope": "everything", "target": None}
    assert notices.to_pylist() == [
        {**who, "tick": (n + 1) * MINUTE, "time": n * MINUTE, "id": str(n), **what} for n in range(2)
    ]
