"""Good files, to lie beside bad ones in a run."""

import io
import json
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.case import Case, rows
from tests.fuzz.containers import sound_schema
from tests.fuzz.texts import text_file

_ENDINGS = (".csv", ".jsonl", ".parquet", ".avro")
_ROWS = 4


def neighbour(rng: Random, config: Mapping[str, Any]) -> Case:
    """Return a good file of any format for a source; it is read before or after one whose name begins with `a`."""
    ending, place = rng.choice(_ENDINGS), rng.choice(("0", "z"))
    data, ids = _good(ending, json.dumps(config, sort_keys=True))
    return Case(f"{place}{ending}", data, config, ids)


@lru_cache
def _good(ending: str, told: str) -> tuple[bytes, frozenset[str]]:
    """Return the bytes and the ids of a good file for a source as JSON."""
    rng, config, sink = Random(ending), json.loads(told), io.BytesIO()
    made = rows(rng, _ROWS, config)
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(made), sink)
    elif ending == ".avro":
        fastavro.writer(sink, sound_schema(config), made)
    else:
        sink.write(text_file(rng, made, config, ending)[1])
    return sink.getvalue(), frozenset(row["id"] for row in made)
