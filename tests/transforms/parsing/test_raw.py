"""Rejections can be written whatever the bytes were."""

import json

import numpy as np
import pyarrow as pa
import pytest

from schemas.records import REJECTED
from transforms.parsing.raw import (
    MAX_PAYLOAD,
    MAX_RECORDS,
    Rejection,
    believed,
    counts_of,
    payloads,
    positions_of,
    raw_block,
    rejected_batch,
)

BYTES = pa.array([b"a", b"\xff"])


@pytest.mark.parametrize(
    "texts",
    [
        BYTES,
        BYTES.view(pa.string()),
        BYTES.cast(pa.large_binary()).view(pa.large_string()),
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), BYTES.view(pa.string())),
    ],
    ids=lambda array: str(array.type),
)
def test_payloads_show_what_is_no_text(texts: pa.Array) -> None:
    block = raw_block([texts, pa.array([None, 2])], ["s", "n"], np.array([7, 9]), "row")
    assert [json.loads(text) for text in payloads(block, np.array([0, 1]))] == [
        {"s": "a", "n": None},
        {"s": "\\xff", "n": 2},
    ]
    assert positions_of(block, np.array([1])) == ["row 9"]


def test_rejections_become_rows() -> None:
    batch = rejected_batch("a\udc80", "Read", [Rejection.of("line 1", "why", "so \ud800", b"x" * (MAX_PAYLOAD + 1))])
    assert batch.schema == REJECTED
    batch.validate(full=True)
    (row,) = batch.to_pylist()
    assert (row["source"], row["message"]) == ("a\\udc80", "so \\ud800")
    assert (row["payload"], row["payload_length"], row["attempt"]) == (None, MAX_PAYLOAD + 1, 1)
    assert row["records"] == 1
    assert len(row["payload_hash"]) == 32


def test_losses_are_counted_in_records() -> None:
    rejections = [Rejection.of("row 1", "torn_block", "", b"", records=count) for count in (1, 60_000, None, None)]
    assert counts_of(rejections) == {"rejected": 60_003, "uncounted": 2}
    assert counts_of([]) == {"rejected": 0, "uncounted": 0}


@pytest.mark.parametrize(
    ("claimed", "count"),
    [(1, 1), (MAX_RECORDS, MAX_RECORDS), (0, None), (-1, None), (MAX_RECORDS + 1, None), (2**63, None)],
)
def test_what_no_file_holds_is_not_believed(claimed: int, count: int | None) -> None:
    assert believed(claimed) == count
