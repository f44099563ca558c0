"""Traces of signals: what is one by the W3C's form, and that one that is none costs nothing."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.contracts import TRACE, contract
from schemas.sources import Source, SourceConfig
from transforms.parsing.parser import Parser, Parsing
from transforms.parsing.raw import CARRIED, PARTITION, PUBLISHED, raw_block
from transforms.parsing.traces import traces_of

IDS = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
GOOD, OTHER = f"00-{IDS}-01", f"00-{IDS[:-1]}8-00"


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        (GOOD, GOOD),
        (f"00-{IDS}-00", f"00-{IDS}-00"),
        (f"cc-{IDS}-09", f"00-{IDS}-00"),  # of a version to come
        (f"01-{IDS}-01-what-the-future-brings", f"00-{IDS}-00"),
        (f"01-{IDS}-01.what", None),
        (f"ff-{IDS}-01", None),
        (f"00-{IDS}-01-", None),
        (f"00-{IDS.upper()}-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", None),
        (f"00-{IDS}-1", None),
        (f" {GOOD}", None),
        (f"{GOOD}\n", None),
        ("", None),
        ("é", None),
        (None, None),
    ],
)
def test_forms(text: str | None, trace: str | None) -> None:
    assert traces_of(pa.array([text, GOOD], pa.string())).to_pylist() == [trace, GOOD]


def parsed(
    own: list[Any] | None, carried: list[Any] | None = None, **config: Any
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], int]]:
    """Return the signals of a block with traces of its own, and such as messages bear, and what is counted."""
    size = len(own or carried or ())
    columns: dict[str, Any] = {"id": [str(n) for n in range(size)], "subject": ["a"] * size, "time": [5] * size}
    arrays = [pa.array(values) for values in columns.values()] + ([] if own is None else [pa.array(own, pa.string())])
    names = [*columns, *([] if own is None else [config.pop("column", TRACE.name)])]
    if carried is not None:
        names += [CARRIED, PUBLISHED, PARTITION]
        arrays += [pa.array(carried, pa.string()), pa.nulls(size, pa.int64())]
        arrays.append(pa.array(["0"] * size).dictionary_encode())
    block = raw_block(arrays, names, np.arange(size), "row")
    block = block.replace_schema_metadata({**block.schema.metadata, "signal": "usage", "file": "x"})
    source = Source(contract("usage"), SourceConfig.model_validate(config))
    kinds = frozenset({"subscriber"})
    parsing = Parsing(
        sources={"usage": source}, payloads={}, kinds=kinds, earliest=0, as_of=9, max_ahead=0, tick=1, shards=1
    )
    found = Parser(parsing)(block)
    assert found.rejected is None
    return [row for part in found.parts for row in part.rows.to_pylist()], dict(found.counts)


BAD = ("bad_input", "invalid_traceparent")


@pytest.mark.parametrize(
    ("own", "carried", "traces", "bad"),
    [
        ([GOOD, None, "x"], None, [GOOD, None, None], 1),
        ([None, None], [OTHER, "x"], [OTHER, None], 1),
        ([GOOD, "x", "y"], [OTHER, OTHER, "z"], [GOOD, OTHER, None], 3),
        (None, [GOOD, None], [GOOD, None], 0),
    ],
)
def test_own_traces_go_before_those_of_messages(
    own: list[Any] | None, carried: list[Any] | None, traces: list[Any], bad: int
) -> None:
    rows, counts = parsed(own, carried)
    assert [row[TRACE.name] for row in rows] == traces
    assert counts.get(BAD, 0) == bad


@pytest.mark.parametrize("own", [None, [None, None], ["x", "y" * 100_000]])
def test_signals_without_a_trace_have_no_column_for_it(own: list[Any] | None) -> None:
    rows, _ = parsed(own, None if own else [None, None])
    assert [TRACE.name in row for row in rows] == [False, False]


def test_it_is_mapped_as_any_other_field_and_read_only_where_a_map_says_so() -> None:
    mapped = {"map": {"id": "id", "time": "time", "subject": "subject"}}
    assert TRACE.name not in parsed([GOOD], **mapped)[0][0]
    mapped["map"][TRACE.name] = "LOWER(origin)"
    assert parsed([GOOD.upper()], column="origin", **mapped)[0][0][TRACE.name] == GOOD


def test_the_id_of_what_has_none_does_not_depend_on_it() -> None:
    (one,), (other,) = (parsed([trace], without_id="content")[0] for trace in (GOOD, OTHER))
    assert one["id"] == other["id"]
