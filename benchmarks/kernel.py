"""The kernel alone, and polars' query alone: rows in memory to results in memory, one thread.

python -m benchmarks.kernel --input FILE.parquet --engine ours|polars
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import measure
from benchmarks.engines import HERE, data
from benchmarks.yardstick import COLUMNS, SURGE_BYTES, WINDOW_MS, Size
from schemas.playbook_file import load_playbook
from transforms.compiler.load import load_plan
from transforms.context.advance import advance

NAMES = {"event_id": "id", "subscriber_id": "subject", "event_time": "time", "app_category": "app"}


@dataclass(frozen=True)
class KernelCost:
    """Median seconds of the kernel and of polars' query on one size."""

    size: str
    ours: float
    polars: float

    @property
    def share(self) -> float:
        """The kernel's rate as a share of polars' rate."""
        return self.polars / self.ours


def compare(size: Size, times: int) -> KernelCost:
    """Measure both in turn, each in a process of its own."""
    seconds: dict[str, list[float]] = {"ours": [], "polars": []}
    for _ in range(times):
        for engine, found in seconds.items():
            command = [sys.executable, "-m", "benchmarks.kernel", "--input", str(data(size)), "--engine", engine]
            done = subprocess.run(command, env=measure.ONE_THREAD, stdout=subprocess.PIPE, check=True)
            found.append(json.loads(done.stdout)["seconds"])
    return KernelCost(size.name, statistics.median(seconds["ours"]), statistics.median(seconds["polars"]))


def signals(rows: pa.Table) -> pa.RecordBatch:
    """Return the file's rows as one batch of usage signals."""
    table = rows.rename_columns([NAMES.get(name, name) for name in rows.column_names])
    texts = [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    table = table.cast(pa.schema(texts)).append_column("source", pa.array(["yardstick"] * len(table)))
    table = table.replace_schema_metadata({b"signal": b"usage", b"subject_kind": b"subscriber"})
    return table.combine_chunks().to_batches()[0]


def ours(batch: pa.RecordBatch) -> float:
    """Advance all contexts to the end; return the seconds."""
    plan = load_plan(load_playbook(str(HERE / "usage_offers.yaml")))
    end = plan.grid.after(batch["time"].to_numpy()).max()
    start = time.perf_counter()
    advance(plan, None, [batch], int(end))
    return time.perf_counter() - start


def polars(batch: pa.RecordBatch) -> float:
    """Find all candidates by the reference's query; return the seconds."""
    frame = pl.DataFrame(batch)
    start = time.perf_counter()
    unique = frame.lazy().unique("id", keep="any").with_columns(w=pl.col("time") - pl.col("time") % WINDOW_MS)
    groups = unique.group_by("subject", "w").agg(
        pl.len(), pl.sum("bytes"), pl.sum("seconds"), most=pl.max("bytes"), apps=pl.n_unique("app")
    )
    found = groups.collect(engine="streaming")
    before = found.select("subject", pl.col("w") + WINDOW_MS, before="bytes")
    surges = found.filter(pl.col("bytes") > SURGE_BYTES).join(before, on=["subject", "w"])
    surges.filter(pl.col("before") > 0, pl.col("bytes") > 2 * pl.col("before")).sort("subject", "w")
    return time.perf_counter() - start


def main() -> None:
    """Measure one engine once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--engine", choices=("ours", "polars"), required=True)
    args = parser.parse_args()
    batch = signals(pq.read_table(args.input, columns=list(COLUMNS)))
    print(json.dumps({"seconds": {"ours": ours, "polars": polars}[args.engine](batch)}))


if __name__ == "__main__":
    main()
