"""Rejected signals again: which of them can be given once more, to which feed, and as what."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import polars as pl
import pyarrow as pa

from pipelines.output_files import jsonl_frame, parquet_frame
from pipelines.targets import target_of
from schemas.addresses import Address
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.records import REJECTED
from schemas.yaml_source import read_yaml
from transforms.parsing.raw import MAX_PAYLOAD, digest, replayed_name
from transforms.sinks.target import Messages
from transforms.streams.whole_files import write_whole

STAGES = ("ReadSignals", "ReadStream", "ParseSignals")
"""Who refuses records as they came: what others refuse is mended otherwise than by giving it again."""

LEFT = {
    "of_another_stage": "not refused in reading: what is too late needs a run from an earlier cut, an offer a new one",
    "of_no_feed": "of files or topics that no --signals names",
    "too_often": "tried --most-attempts times",
    "withheld": "without payload, as their source is pseudonymised: take them from the source",
    "too_long": f"without payload, which was longer than {MAX_PAYLOAD:,} bytes: take them from the source",
    "torn": "no JSON object, so no record to give again: mend them by hand, or take them from the source",
}
"""Why a rejected record is not given again, and what to do."""

_ENDINGS = ("parquet", "jsonl")


@dataclass(frozen=True)
class Again:
    """One record to give again.

    Attributes:
        feed: To which feed.
        attempt: Which try this is.
        text: The record, a JSON object on one line.
        id: Its hash: a copy has the same.
    """

    feed: str
    attempt: int
    text: bytes
    id: str


def read_rejected(paths: Sequence[str]) -> pl.DataFrame:
    """Return the records of files that runs and streams wrote as `rejected`, or of folders of these.

    Raises:
        LoadErrors: they are not there, or something else.
    """
    found = [file for path in paths for file in _files(path)]
    frames, errors = [], []
    for file in found:
        try:
            frames.append(_frame(file))
        except (OSError, pl.exceptions.PolarsError, pa.ArrowInvalid) as error:
            hint = "give `rejected.parquet` or `rejected.jsonl` of a run, or the folder `rejected` of a stream"
            why, *_ = str(error).splitlines()
            errors.append(LoadError(str(file), None, f"is no file of rejected records: {why}", hint=hint))
    if errors:
        raise LoadErrors(errors)
    return pl.concat(frames) if frames else _empty()


def judged(
    records: pl.DataFrame, feeds: Mapping[str, Sequence[Address]], most: int
) -> tuple[list[Again], Counter[str]]:
    """Return what is given again, each once, and how many records are not, by reason, a key of `LEFT`.

    Args:
        records: As `schemas.records.REJECTED`.
        feeds: What was read, by feed.
        most: So many attempts a record has.
    """
    again: dict[tuple[str, str], Again] = {}
    left: Counter[str] = Counter()
    for row in records.iter_rows(named=True):
        feed = _feed_of(row["source"], feeds)
        if reason := _why_not(row, feed, most):
            left[reason] += 1
        elif feed is not None:
            one = Again(feed, row["attempt"] + 1, row["payload"].replace(b"\n", b" "), row["payload_hash"])
            known = again.get((feed, one.id))
            again[feed, one.id] = one if known is None or known.attempt < one.attempt else known
    return sorted(again.values(), key=lambda one: (one.feed, one.attempt, one.id)), left


def write_again(records: Iterable[Again], directory: str, sources: str | None) -> list[str]:
    """Write records to a file for each feed and attempt; the same records give the same files.

    Returns:
        The files.

    Raises:
        LoadErrors: a feed is read in another format, whatever its files are called.
    """
    by_file: dict[tuple[str, int], list[Again]] = {}
    for one in records:
        by_file.setdefault((one.feed, one.attempt), []).append(one)
    check_formats({feed for feed, _ in by_file}, sources)
    names = []
    for (feed, attempt), mine in sorted(by_file.items()):
        content = b"".join(one.text + b"\n" for one in mine)
        path = Path(directory, replayed_name(quote(feed, safe=""), digest(content), attempt))
        write_whole(path, content)
        names.append(str(path))
    return names


def publish_again(records: Sequence[Again], targets: Mapping[str, Address]) -> None:
    """Publish records to the topics of their feeds, and wait until all are out.

    Raises:
        LoadErrors: a feed has no topic.
        NotPublished: a broker did not take some.
    """
    if lacking := sorted({one.feed for one in records} - targets.keys()):
        hint = "name one, as `--publish {}=kafka://host:9092/topic`, or give `--out` for files"
        raise LoadErrors([LoadError(f"--publish {feed}", None, "no topic", hint=hint.format(feed)) for feed in lacking])
    for feed, address in targets.items():
        sender = target_of("rejected", REJECTED, address).open()
        mine = [one for one in records if one.feed == feed]
        for attempt in sorted({one.attempt for one in mine}):
            these = [one for one in mine if one.attempt == attempt]
            texts, ids = [one.text for one in these], [one.id for one in these]
            sender.send(Messages(feed, "application/json", texts, ids, ids, attempt=attempt))
        sender.flush()


def check_formats(feeds: Iterable[str], sources: str | None) -> None:
    """See that the feeds are read as what the ends of names say.

    Raises:
        LoadErrors: they are not.
    """
    if sources is None:
        return
    file = read_yaml(Path(sources))
    said: Any = file.data if isinstance(file.data, dict) else {}
    formats = {feed: entry.get("format") for feed in feeds if isinstance(entry := said.get(feed), dict)}
    hint = "leave `format` out, so that the end of a file's name tells it"
    wrong = [
        file.error((feed, "format"), f"{feed}: its records are given again as JSON Lines", hint=hint)
        for feed, format_ in sorted(formats.items())
        if format_ not in (None, "jsonl")
    ]
    if wrong:
        raise LoadErrors(wrong)


def unknown_feeds(targets: Iterable[str], feeds: Iterable[str]) -> list[LoadError]:
    """Tell which targets are of no feed."""
    wrong = sorted({*targets} - {*feeds})
    return [
        LoadError(f"--publish {name}", None, "no --signals of that name", hint=near_miss(name, feeds)) for name in wrong
    ]


def _files(path: str) -> Iterator[Path]:
    place = Path(path)
    if place.is_dir():
        yield from sorted(file for file in place.iterdir() if file.suffix[1:] in _ENDINGS and file.name[0] not in "._")
    else:
        yield place


def _frame(file: Path) -> pl.DataFrame:
    columns = {name: pl.String if name == "payload" else kind for name, kind in _empty().schema.items()}
    if file.suffix == ".jsonl":
        frame = jsonl_frame(file, columns)
        return frame.with_columns(pl.col("payload").str.decode("base64"))
    return parquet_frame(file, columns=REJECTED.names).cast(_empty().schema)


def _empty() -> pl.DataFrame:
    frame = pl.from_arrow(REJECTED.empty_table())
    assert isinstance(frame, pl.DataFrame), "a table is a frame"
    return frame


def _why_not(row: Mapping[str, Any], feed: str | None, most: int) -> str:
    """Return why a record is not given again, a key of `LEFT`; empty if it is."""
    if row["stage"] not in STAGES:
        return "of_another_stage"
    if feed is None:
        return "of_no_feed"
    if row["attempt"] >= most:
        return "too_often"
    if row["payload"] is None:
        return "too_long" if row["payload_length"] > MAX_PAYLOAD else "withheld"
    return "" if _is_record(row["payload"]) else "torn"


def _is_record(payload: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(payload), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _feed_of(source: str, feeds: Mapping[str, Sequence[Address]]) -> str | None:
    """Return the feed that a file or topic is of; of several that fit, the one that says most."""
    fits = [(len(one.name), feed) for feed, addresses in feeds.items() for one in addresses if _is_of(source, one)]
    return max(fits, default=(0, None))[1]


def _is_of(source: str, address: Address) -> bool:
    if address.scheme in ("kafka", "pubsub"):
        return source == address.bare
    file, name = source.removeprefix("./"), address.name.removeprefix("./")
    folder = name.rstrip("/")
    return file == name or fnmatchcase(file, name) or file.startswith(f"{folder}/") or _below(file, folder)


def _below(source: str, pattern: str) -> bool:
    """Tell whether a file is in a folder that a pattern matches."""
    return bool(re.search(r"[*?\[]", pattern)) and fnmatchcase(source, f"{pattern}/*")
