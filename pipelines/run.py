"""One bounded run: playbook and files in, outputs and their report out."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, time
from typing import Any

import structlog

from pipelines.bounded_job import Counted, whole_job
from pipelines.cuts import shards_before
from pipelines.engines.running import running
from pipelines.failures import TooManyRejectedError
from pipelines.folders import sizes_of
from pipelines.offers_pipeline import SORT_BY, names_of
from pipelines.published import load_versions
from pipelines.refusals import refusals
from pipelines.report import ANSWERS, BAD_INPUT, PARTS, Report, instant, versions
from pipelines.settings import FORMATS, Limit, RunSettings
from pipelines.shards import shards_of_files
from pipelines.slices import sliced_job
from pipelines.staging import Staging
from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.versions import Versions
from schemas.visible import visible
from transforms.read_signals import READ, WITHOUT

_log = structlog.get_logger()


def run(settings: RunSettings) -> Report:
    """Run a playbook over signals and publish the outputs, the report last.

    Outputs of an earlier run stay as they were unless this one is whole.

    Raises:
        LoadErrors: mistakes in the playbook or the sources, files that are not there, an end that is no
            tick, a file where the outputs would go.
        TooManyRejectedError: only `rejected` is published.
        SignalsLostError: nothing is published.
    """
    if settings.streams:
        hint = "`segone run` takes it as a stream"
        wrong = [
            LoadError(f"--signals {name}", None, f"{one.bare} does not end", hint=hint)
            for name, one in settings.streams
        ]
        raise LoadErrors(wrong)
    began = monotonic()
    as_of = int(time() * 1000) if settings.as_of is None else settings.as_of
    books = load_versions(settings.playbook, dict(settings.lets))
    playbook = books.first
    check(settings, playbook.tick)
    numbers = [book.version for book in books.playbooks]
    _log.info("run starts", playbook=playbook.playbook, versions=numbers, engine=settings.engine)
    staging = Staging(settings.out, names_of(FORMATS))
    inputs = [sizes_of(pattern) for _, pattern in (*settings.signals, *settings.seeds)]
    staging.check(chain(filter(None, (settings.playbook, settings.sources)), *inputs))
    shards = settings.shards or shards_before(settings) or shards_of_files(sum(chain(*map(dict.values, inputs))))
    ready = replace(settings, out=staging.directory, as_of=as_of, shards=shards)
    with ExitStack() as stack:
        options = stack.enter_context(running(settings.engine, settings.beam_options))
        if settings.slice is None:
            job = whole_job(books, ready, options)
        else:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="segone-slices-")))
            job = sliced_job(books, ready, options, folder)
        loaded = monotonic()
        with staging:
            counted = job()
            seconds = {"load": round(loaded - began, 3), "run": round(monotonic() - loaded, 3)}
            report = _report(books, settings, as_of, counted, seconds)
            _publish(settings, staging, report)
    _log.info("run ends", **report.signals)
    return report


def check(settings: RunSettings, tick: int) -> None:
    """Check what only the playbook or the file system knows.

    Raises:
        LoadErrors: `--until` is no tick, `--slice` no multiple of it, `--out` is a file.
    """
    if settings.slice is not None and (settings.slice < tick or settings.slice % tick):
        hint = f"{settings.playbook} has one every {format_duration(tick)}; a day is a good slice: `--slice 1d`"
        raise LoadErrors([LoadError("--slice", None, "is no multiple of the tick", hint=hint)])
    if settings.until is not None and settings.until % tick:
        hint = f"{settings.playbook} has one every {format_duration(tick)}, counted from 1970 UTC"
        raise LoadErrors([LoadError("--until", None, "is not a tick", hint=hint)])
    if Path(settings.out).exists() and not Path(settings.out).is_dir():
        hint = "give a directory; it is made if it is not there"
        raise LoadErrors([LoadError(settings.out, None, "is a file, and outputs go to a directory", hint=hint)])


def _publish(settings: RunSettings, staging: Staging, report: Report) -> None:
    if told := _too_many(settings.max_rejected, report):
        staging.publish_only("rejected")
        where = f"{visible(settings.out)}/rejected.* say why, and there are no other outputs"
        raise TooManyRejectedError(f"{told}; {where}\n{refusals(settings.out)}".rstrip())
    staging.publish(report.text())


def _too_many(limit: Limit | None, report: Report) -> str:
    """Return what is wrong if more was rejected than the limit allows; empty if not."""
    if limit is None:
        return ""
    if torn := report.signals["uncounted"]:
        told = f"{torn:,} files or parts of files were lost, and nobody knows how many signals with them"
        return f"{told}: too much for any --max-rejected"
    if not limit.exceeded(report.rejected, report.signals["in"]):
        return ""
    told = f"{report.rejected:,} of {report.signals['in']:,} signals were rejected"
    return f"{told}, more than --max-rejected {limit.text}"


def _report(
    books: Versions, settings: RunSettings, as_of: int, counted: Counted, seconds: Mapping[str, float]
) -> Report:
    counts, end = counted.counts, counted.end
    decided = [0] if end is None else [number for number, _ in books.spans(None, end)]
    rare = [name for name in ("published", "past") if counts["decisions"][name]]
    return Report(
        playbooks=[_told(books.playbooks[number]) for number in decided],
        settings=settings.shown(),
        as_of=instant(as_of),
        end_tick=None if end is None else instant(end),
        signals={
            name: counts["signals"][name] for name in ("in", *PARTS, "uncounted", "late", "contradictory", "doubtful")
        },
        groups={"too_large": counts["groups"]["too_large"]},
        features={"sums_too_large": counts["features"]["sums_too_large"]},
        decisions={name: counts["decisions"][name] for name in (*ANSWERS, "deferred", *rare)},
        bad_input={name: counts["bad_input"][name] for name in BAD_INPUT},
        never_seen=_never_seen(counts),
        outputs={name: counts["rows"][name] for name in SORT_BY},
        seconds=seconds,
        versions=versions(),
    )


def _never_seen(counts: Mapping[str, Counter[str]]) -> dict[str, list[str]]:
    """Return the columns of each feed that no row that was read has a value in."""
    found = {
        feed: sorted(name for name, without in counts.get(f"{WITHOUT} {feed}", Counter()).items() if without == rows)
        for feed, rows in sorted(counts[READ].items())
    }
    return {feed: names for feed, names in found.items() if names}


def _told(book: Playbook) -> dict[str, Any]:
    return {
        "file": book.file,
        "name": book.playbook,
        "version": book.version,
        "effective_from": None if book.effective_from is None else instant(book.effective_from),
        "hash": book.content_hash,
        "tables": {name: table.version for name, table in book.contents.items()},
        "models": {name: model.version for name, model in book.model_files.items()},
    }
