"""Rows that play a part in sequences, as they are kept until they cannot matter any more."""

import polars as pl

from transforms.compiler.steps import WITHOUT, Step


def rows_of(step: Step, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a signal that play a part: code, time, the step's columns, source and id if they are told.

    Those of a group have the member, too, 0 for none.
    """
    rows = frame if step.where is None else frame.filter(step.where.expr)
    tiebreakers = () if step.part == WITHOUT else ("source", "id")
    whose = [pl.col("member").fill_null(0)] if "member" in frame.columns else []
    return rows.select("code", *whose, "time", *tiebreakers, *step.columns).drop_nulls(step.same)
