"""The truth about the simulated town beside what a run entered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from pipelines.simulate import simulate
from pipelines.simulation.recognised import SOUGHT, recognised


def test_who_enters_when_it_becomes_true_is_recognised_at_once(tmp_path: Path) -> None:
    town = simulate(tmp_path / "town", seed=5, subscribers=600, days=20)
    entered = []
    for (kind, name), (tables, _) in SOUGHT.items():
        for file, subject, what in tables:
            truth = pl.read_parquet(town.out_dir / "truth" / f"{file}.parquet").drop_nulls(f"{what}_from")
            entered.append(
                truth.select(
                    pl.lit(kind).alias("subject_kind"),
                    pl.col(subject).alias("subject"),
                    pl.lit(name).alias("name"),
                    pl.lit("entered").alias("event"),
                    pl.col(f"{what}_from").alias("tick"),
                )
            )
    (tmp_path / "run").mkdir()
    pl.concat(entered).write_parquet(tmp_path / "run" / "transitions.parquet")
    found = recognised(town.out_dir / "truth", tmp_path / "run", SOUGHT, town.end)
    assert len(found) == len(SOUGHT)
    for name, one in found.items():
        assert one.precision == 1.0, name
        assert one.recall in (1.0, None), name
        assert one.delays.is_empty() or one.delays.max() == timedelta(0)
    assert found["household.homeworker"].true > 5


def test_segments_that_nobody_seeks_are_left_out(tmp_path: Path) -> None:
    columns = {"subject_kind": pl.String, "subject": pl.String, "name": pl.String, "event": pl.String}
    nothing = pl.DataFrame(schema=columns | {"tick": pl.Datetime("ms", "UTC")})
    nothing.write_parquet(tmp_path / "transitions.parquet")
    assert recognised(tmp_path, tmp_path, [("subscriber", "bad_cell")], datetime(2026, 3, 2, tzinfo=UTC)) == {}
