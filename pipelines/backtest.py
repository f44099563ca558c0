"""Two playbooks over the same history: both runs, and what the second does otherwise."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any

import polars as pl

from pipelines import backtest_changes as change
from pipelines import backtest_counts as count
from pipelines.backtest_limits import Limits
from pipelines.differences import Difference, differences
from pipelines.failures import outputs_needed
from pipelines.output_files import parquet_frame, parquet_scan
from pipelines.published import load_versions
from pipelines.report import Report
from pipelines.run import run
from pipelines.settings import RunSettings
from schemas.contracts import SIGNALS, contract
from schemas.playbook import Playbook
from schemas.sources import Source, read_sources
from schemas.versions import Versions
from transforms.shell.versions import contracts_of

_DECISIONS = (
    *("decision_id", "subject_kind", "subject", "root_kind", "root", "trigger", "tick", "trigger_tick", "n"),
    *("action", "offer", "channel", "value_micros", "reason", "holdout"),
)
_CANDIDATES = ("decision_id", "tick", "root_kind", "root", "candidates")
_TRANSITIONS = ("subject_kind", "subject", "kind", "name", "event")


@dataclass(frozen=True)
class Side:
    """One of the playbooks and its run.

    Attributes:
        book: The playbook, in its last version.
        report: What the run says of itself.
        unread: The feeds that only the other playbook reads.
    """

    book: Playbook
    report: Report
    unread: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return it as JSON values; nothing in it depends on the clock."""
        told = {"playbooks": [dict(one) for one in self.report.playbooks], "end_tick": self.report.end_tick}
        return {**told, "signals": dict(self.report.signals), "unread": [*self.unread]}


@dataclass(frozen=True)
class Comparison:
    """What two runs did; each frame as the function of its name in `backtest_counts` or `backtest_changes` gives."""

    memberships: pl.DataFrame
    members: pl.DataFrame
    triggers: pl.DataFrame
    actions: pl.DataFrame
    offers: pl.DataFrame
    gates: pl.DataFrame
    caps: pl.DataFrame
    days: pl.DataFrame
    blocks_by_day: pl.DataFrame
    deferrals: pl.DataFrame
    holdouts: pl.DataFrame
    changes: Mapping[str, int]
    moved: pl.DataFrame
    changed: pl.DataFrame
    customers: pl.DataFrame

    def record(self) -> dict[str, Any]:
        """Return it as JSON values; `changed` is only counted, and memberships are who was gained and lost."""
        named = {**vars(self), "members": self._with_who()}
        frames = {name: each for name, each in named.items() if isinstance(each, pl.DataFrame)}
        told = {name: plain(each) for name, each in frames.items() if name not in ("memberships", "changed")}
        return {**told, "changes": dict(self.changes)}

    def _with_who(self) -> pl.DataFrame:
        a, b, who = pl.col("a"), pl.col("b"), pl.col("subject")
        lists = [who.filter(b & ~a).alias("gained_subjects"), who.filter(a & ~b).alias("lost_subjects")]
        listed = self.memberships.group_by("segment", maintain_order=True).agg(lists)
        return self.members.join(listed, on="segment", how="left", maintain_order="left")


@dataclass(frozen=True)
class Backtest:
    """Two playbooks over the same history.

    Attributes:
        a: The first.
        b: The second.
        differences: What the files say differently.
        found: What the runs did.
        beyond: What is worse than the limits allow.
    """

    a: Side
    b: Side
    differences: Sequence[Difference]
    found: Comparison
    beyond: Sequence[str]

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        sides = {"a": self.a.record(), "b": self.b.record()}
        said = [one.record() for one in self.differences]
        return {**sides, "differences": said, **self.found.record(), "beyond": [*self.beyond]}


def backtest(settings: RunSettings, a: str, b: str, out: str, limits: Limits) -> Backtest:
    """Run two playbooks over the same signals and compare what they did.

    A feed that only one of them reads is left out of the run of the other.

    Args:
        settings: Of both runs, but for the playbook and the outputs.
        a: The first playbook, or the directory of its versions.
        b: The second.
        out: Where the outputs go, to `a` and `b`.
        limits: What the second may do worse.

    Raises:
        LoadErrors: mistakes in a playbook or the sources, files that are not there, and what else a run refuses.
        TooManyRejectedError: in one of the runs.
    """
    lets = dict(settings.lets)
    books = [load_versions(playbook, lets) for playbook in (a, b)]
    as_of = int(time() * 1000) if settings.as_of is None else settings.as_of
    feeds = [_feeds(each, settings) for each in books]
    sides = []
    for name, playbook, versions, own, others in zip("ab", (a, b), books, feeds, feeds[::-1], strict=True):
        unread = tuple(sorted(others - own)) if own else ()
        mine = replace(_without(settings, unread), playbook=playbook, out=str(Path(out) / name), as_of=as_of)
        sides.append(Side(versions.last, run(mine), unread))
    found = compared(str(Path(out) / "a"), str(Path(out) / "b"))
    beyond = limits.beyond(found.offers, found.members)
    return Backtest(sides[0], sides[1], differences(sides[0].book, sides[1].book), found, beyond)


def compared(a: str, b: str) -> Comparison:
    """Compare the Parquet outputs of two runs.

    Raises:
        NoOutputsError: one of the directories has none.
    """
    decisions, transitions = (_read(a, b, *what) for what in (("decisions", _DECISIONS), ("transitions", _TRANSITIONS)))
    scanned = pl.concat(
        parquet_scan(f"{out}/decisions.parquet").select(*_CANDIDATES, side=pl.lit(side))
        for side, out in (("a", a), ("b", b))
    )
    results = count.gate_results(scanned)
    held, pairs = count.memberships(transitions), change.matched(decisions)
    differing = change.changed(pairs)
    return Comparison(
        memberships=held,
        members=count.members(held),
        triggers=count.triggers(decisions),
        actions=count.actions(decisions),
        offers=count.offers(decisions),
        gates=count.gates(results),
        caps=count.caps(results),
        days=count.days(decisions, results),
        blocks_by_day=count.blocks_by_day(results),
        deferrals=count.deferrals(decisions),
        holdouts=count.holdouts(decisions),
        changes=change.changes(pairs),
        moved=change.moved(pairs),
        changed=differing,
        customers=change.explained(change.drawn(differing), scanned),
    )


def plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON values, instants as RFC 3339."""
    instants = pl.selectors.datetime()
    return frame.with_columns(
        instants.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"), pl.selectors.date().dt.strftime("%Y-%m-%d")
    ).to_dicts()


def write_at_once(path: Path, text: str) -> None:
    """Write a file such that nobody sees a part of it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, "utf-8", newline="\n")
    os.replace(partial, path)


def _read(a: str, b: str, name: str, columns: Sequence[str]) -> pl.DataFrame:
    frames = []
    for out in (a, b):
        with outputs_needed(out):
            frames.append(parquet_frame(f"{out}/{name}.parquet", columns=columns))
    return count.both(*frames)


def _feeds(versions: Versions, settings: RunSettings) -> set[str]:
    """Return the feeds of `--signals` and `--seed` that a playbook reads."""
    known, given = contracts_of(versions), {*settings.globs(), *settings.seed_globs()}
    every = {name: contract(name) for name in SIGNALS} | known
    only_seeds = settings.seed_globs().keys() - settings.globs().keys()
    mapped = read_sources(settings.sources, every, only_seeds, given) if settings.sources else {}
    found = {name: Source(one) for name, one in known.items()} | mapped
    return {feed for feed in given if feed in found and found[feed].contract.name in known}


def _without(settings: RunSettings, feeds: Sequence[str]) -> RunSettings:
    signals, seeds = (tuple(one for one in each if one[0] not in feeds) for each in (settings.signals, settings.seeds))
    return replace(settings, signals=signals, seeds=seeds, seed_as_of=settings.seed_as_of if seeds else None)
