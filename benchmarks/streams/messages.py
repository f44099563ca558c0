"""The yardstick's signals as messages: JSON that is made before it is sent, so that sending costs little."""

from pathlib import Path

import polars as pl

from benchmarks.engines import make_events
from benchmarks.yardstick import Size


def whole_messages(file: Path) -> list[bytes]:
    """Return the events of a file in the order of arrival, at their own times."""
    return _texts(pl.read_parquet(file).select(_json("event_time", "event_id")))


def beginnings(size: Size) -> Path:
    """Return a file of the events of a size without their times, and with ids that go on; made if it is not there."""
    events = make_events(size)
    kept = events.with_suffix(".beginnings")
    if not kept.exists():
        part = events.with_suffix(".part")
        part.write_bytes(b"\n".join(text[:-2] for text in _texts(pl.read_parquet(events).select(_json("event_id")))))
        part.rename(kept)
    return kept


def subjects(size: Size) -> list[str]:
    """Return the subscriber of each event of a size, in the order of `beginnings`."""
    return pl.read_parquet(make_events(size), columns=["subscriber_id"])["subscriber_id"].to_list()


def _json(*last: str) -> pl.Expr:
    fields = pl.struct("subscriber_id", "bytes", "seconds", "app_category", *last)
    return fields.struct.json_encode().alias("text")


def _texts(frame: pl.DataFrame) -> list[bytes]:
    return frame["text"].cast(pl.Binary).to_list()
