"""Avro containers: what another reader reads is what was written."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import INSTANT
from transforms.decision import avro

INSTANTS = {"type": "long", "logicalType": "timestamp-millis"}
SCHEMA = {
    "type": "record",
    "name": "outer",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "number", "type": "long"},
        {"name": "perhaps", "type": ["null", "string"]},
        {"name": "ever", "type": ["null", INSTANTS]},
        {
            "name": "inner",
            "type": {
                "type": "record",
                "name": "inner",
                "fields": [{"name": "when", "type": INSTANTS}, {"name": "what", "type": "string"}],
            },
        },
        {
            "name": "maybe",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "maybe",
                    "fields": [{"name": "ever", "type": ["null", INSTANTS]}, {"name": "what", "type": "string"}],
                },
            ],
        },
    ],
}
ARROW = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("perhaps", pa.string()),
        ("ever", INSTANT),
        ("inner", pa.struct([("when", INSTANT), ("what", pa.string())])),
        ("maybe", pa.struct([("ever", INSTANT), ("what", pa.string())])),
    ]
)

long = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-70, 70))
instant = st.integers(-(10**12), 10**13).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
text = st.text(st.characters(codec="utf-8"), max_size=200)
row = st.fixed_dictionaries(
    {
        "text": text,
        "number": long,
        "perhaps": st.none() | text,
        "ever": st.none() | instant,
        "inner": st.fixed_dictionaries({"when": instant, "what": text}),
        "maybe": st.none() | st.fixed_dictionaries({"ever": st.none() | instant, "what": text}),
    }
)


@given(st.lists(row, max_size=20), st.integers(1, 7))
def test_rows_come_back(rows: list[dict[str, Any]], block: int) -> None:
    sink = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avro, "_BLOCK", block)
        avro.write_avro(pa.Table.from_pylist(rows, schema=ARROW), sink, SCHEMA)
    sink.seek(0)
    assert list(fastavro.reader(sink)) == rows


def test_its_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "import io; from transforms.decision.avro import write_avro; "
        "from transforms.decision.offers import OFFER_AVRO; "
        "from schemas.offer import OFFER; sink = io.BytesIO(); write_avro(OFFER.empty_table(), sink, OFFER_AVRO); "
        "print(sink.getvalue().hex())"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "01"
    }
    assert len(written) == 1
