"""What one run is asked to do; the flags of the command line and their help are made from this."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from time import time
from typing import Any

from pipelines.flag_values import check_reachable, directory, instant, pair, positive, share
from pipelines.native_rules import refusals
from pipelines.runner_options import beam_arguments
from schemas.address_options import Use
from schemas.addresses import Address, parse_address
from schemas.durations import DAY, HOUR, MINUTE, parse_duration, parse_instant
from schemas.modes import MODES
from transforms.streams.manifests import LAYOUT, LAYOUTS

EARLIEST = parse_instant("1980-01-01T00:00:00Z")
"""Signals before this time are rejected unless a run says otherwise: numbers of another unit become January 1970."""

FURTHEST = 36_525 * DAY
"""So far after the launch, 100 years, an instant may be: what has a row an hour is filled up to the last tick."""

OF_STREAMS: Mapping[str, Any] = {"alert_rejected": Fraction(1, 20), "span": HOUR, "file_window": HOUR}
"""Settings that do nothing in a run over files, and what they are in a stream by default."""

OF_CUTS: Mapping[str, Any] = {"state_every": 5 * MINUTE}
"""Settings that do nothing but in a stream that leaves cuts, and what they are there by default."""

FORMATS = ("parquet", "jsonl", "avro")


def option(
    flag: str,
    text: str,
    *,
    default: Any = MISSING,
    parse: Callable[[str], Any] | None = None,
    metavar: str | None = None,
    panel: str | None = None,
) -> Any:
    """Return a field of settings that the command line offers as a flag.

    Args:
        flag: Its name there; one without dashes is an argument.
        text: Its help.
        default: Its value where it is not given; without one it must be given.
        parse: Makes the value, or one of many, of its text; a `ValueError` says what is wrong with it.
        metavar: What to show for the value in the help.
        panel: The heading that it stands under in the help.
    """
    given = {"flag": flag, "help": text, "parse": parse, "metavar": metavar, "panel": panel}
    return field(default=default, metadata=given)


@dataclass(frozen=True)
class Limit:
    """How many of the signals may be rejected: a number, or a share of them."""

    text: str

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            ValueError: neither a whole number nor a share with `%`.
        """
        if not self.text.isdecimal():
            if not self.text.endswith("%"):
                raise ValueError(f"`{self.text}` is not a number of signals, as `100`, or a share of them, as `1%`")
            share(self.text)

    def exceeded(self, rejected: int, signals: int) -> bool:
        """Tell whether more were rejected than this allows."""
        return rejected > (int(self.text) if self.text.isdecimal() else share(self.text) * signals)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """One run over signals in files, or a stream. Instants and durations are milliseconds, UTC.

    What `OF_STREAMS` and `OF_CUTS` name is None where it would do nothing.
    """

    playbook: str = option("playbook", "The playbook file (YAML), or the directory of its versions.")
    signals: tuple[tuple[str, str], ...] = option(
        "--signals",
        "Files of a signal type, or of an entry in --sources: usage='calls/*.csv.gz'. Again for more. Parquet, Avro, "
        "JSON Lines and CSV, gzip or zstd, on any file system that Beam knows. Or what does not end: "
        "usage='calls/?watch', usage=kafka://host:9092/topic, usage=pubsub://project/subscription.",
        parse=pair,
        metavar="NAME=ADDRESS",
    )
    out: str = option(
        "--out",
        "Directory for the outputs; those of an earlier run there are replaced.",
        parse=directory,
        metavar="DIR",
    )
    sources: str | None = option("--sources", "How raw columns become signals (YAML).", default=None, metavar="FILE")
    seeds: tuple[tuple[str, str], ...] = option(
        "--seed",
        "Files of what holds when the run begins: profile, membership or consent, a row a fact, without ids and times; "
        "or of an entry in --sources. Again for more.",
        default=(),
        parse=pair,
        metavar="NAME=GLOB",
    )
    seed_as_of: int | None = option(
        "--seed-as-of",
        "The time at which all rows of --seed became true. By default just before --complete-from.",
        default=None,
        parse=instant,
        metavar="INSTANT",
    )
    complete_from: int | None = option(
        "--complete-from",
        "Since when all signals are there: a feature is NULL until its window has nothing before it. By default the "
        "signals are all that ever was.",
        default=None,
        parse=instant,
        metavar="INSTANT",
    )
    until: int | None = option(
        "--until",
        "Last tick, with its offset from UTC: 2026-12-01T00:00:00+02:00. By default the first tick after the last "
        "signal. What is later stays pending. No instant may be before 1970 or more than 100 years after --as-of.",
        default=None,
        parse=instant,
        metavar="INSTANT",
    )
    as_of: int | None = option(
        "--as-of",
        "The time to judge by whether a signal comes from the future; by default now. run.json keeps it.",
        default=None,
        parse=instant,
        metavar="INSTANT",
    )
    max_ahead: int = option(
        "--max-ahead",
        "How far ahead of --as-of a signal's time may be; others are rejected. By default 1d.",
        default=DAY,
        parse=parse_duration,
        metavar="DURATION",
    )
    earliest: int = option(
        "--earliest",
        "A signal before this time is rejected: dates and seconds that are taken for milliseconds are in January 1970. "
        "By default 1980; give an earlier one for a history that is older.",
        default=EARLIEST,
        parse=instant,
        metavar="INSTANT",
    )
    lets: tuple[tuple[str, str], ...] = option(
        "--set",
        "Another value for a name under `let`, for a try: low_mb=300.",
        default=(),
        parse=pair,
        metavar="NAME=VALUE",
    )
    sample: Fraction = option(
        "--sample",
        "Share of the subjects to take, the same ones each time: 1%.",
        default=Fraction(1),
        parse=share,
        metavar="SHARE",
    )
    max_rejected: Limit | None = option(
        "--max-rejected",
        "Fail if more signals are rejected: 100, or 1% of them.",
        default=None,
        parse=Limit,
        metavar="N|X%",
    )
    formats: tuple[str, ...] = option(
        "--format",
        "Format of the outputs: parquet, jsonl, and for offers avro; by default all.",
        default=FORMATS,
        metavar="FORMAT",
    )
    mode: str = option(
        "--mode",
        f"What the offers say they are for: {', '.join(MODES)}. By default live on a stream, else backfill.",
        default="",
        metavar="MODE",
    )
    decide_from: int | None = option(
        "--decide-from",
        "What happened before makes no offer and no decision: contexts, segments and contacts are followed, and no "
        "more. For a run over history that a live one goes on from.",
        default=None,
        parse=instant,
        metavar="INSTANT",
    )
    publish: tuple[tuple[str, str], ...] = option(
        "--publish",
        "Where an output of a stream goes: offers=kafka://host:9092/topic, offers=pubsub://project/topic, "
        "decisions=bigquery://project/dataset/table. Again for more. What is not named goes to files in --out.",
        default=(),
        parse=pair,
        metavar="OUTPUT=ADDRESS",
        panel="Stream",
    )
    slice: int | None = option(
        "--slice",
        "Run over a long history in slices of so much event time, as 1d: the same outputs, with the memory of a slice. "
        "Needs the disk that all signals take, in TMPDIR.",
        default=None,
        parse=parse_duration,
        metavar="DURATION",
    )
    alert_rejected: Fraction = option(
        "--alert-rejected",
        "If more of the records of a feed are rejected within a minute, a stream says so: in its log, its metrics, its "
        "summary and the output `operations`. By default 5%.",
        default=None,
        parse=share,
        metavar="SHARE",
        panel="Stream",
    )
    span: int = option(
        "--span",
        "What is older than the launch is caught up with in spans of this length: the same outcome in fewer steps. By "
        "default 1h.",
        default=None,
        parse=parse_duration,
        metavar="DURATION",
        panel="Stream",
    )
    file_window: int = option(
        "--file-window",
        "How much event time a file of an output has. By default 1h; with --state-out what a cut has.",
        default=None,
        parse=parse_duration,
        metavar="DURATION",
        panel="Stream",
    )
    max_offers_per_hour: int | None = option(
        "--max-offers-per-hour",
        "A live stream holds the offers of an hour of event time that are more, and says so.",
        default=None,
        parse=positive,
        metavar="N",
        panel="Stream",
    )
    state_in: str | None = option(
        "--state-in",
        "Start from the newest cut in this folder: what the run that wrote it with --state-out knew.",
        default=None,
        parse=directory,
        metavar="DIR",
        panel="State",
    )
    state_out: str | None = option(
        "--state-out",
        "Folder for cuts: all that is known as of a tick. A stream acknowledges what a cut has, and can be killed; a "
        "run over files leaves one cut at its end.",
        default=None,
        parse=directory,
        metavar="DIR",
        panel="State",
    )
    state_every: int = option(
        "--state-every",
        "Event time from one cut of a stream to the next, a multiple of the tick. By default 5m.",
        default=None,
        parse=parse_duration,
        metavar="DURATION",
        panel="State",
    )
    state_layout: int = option(
        "--state-layout",
        f"Layout of manifests, {' or '.join(map(str, LAYOUTS))}: with the one before you can go back a release.",
        default=LAYOUT,
        metavar="N",
        panel="State",
    )
    engine: str = option(
        "--engine",
        "What runs it: direct (in this process), prism, flink or dataflow; by default direct, and for streams prism. "
        "What it needs to be exact is set on every run; its other options go after `--`.",
        default="",
        metavar="NAME",
        panel="Engine",
    )
    shards: int = option(
        "--shards",
        "Parts that subjects are spread over; changes speed, never results. 0: as the size of the inputs asks for.",
        default=0,
        metavar="N",
        panel="Engine",
    )
    beam_options: tuple[str, ...] = option(
        "beam_options", "Options of Beam and its engine, after `--`.", default=(), metavar="-- BEAM OPTIONS"
    )

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ValueError: naming the flag, what is wrong and what to do.
        """
        streams, targets = self.streams, self.targets
        _addresses("--seed", self.seeds, "read")
        object.__setattr__(self, "mode", self.mode or ("live" if streams else "backfill"))
        object.__setattr__(self, "engine", self.engine or ("prism" if streams else "direct"))
        checks = {
            "--publish: is for streams; the outputs of a run over files are files": bool(streams) or not targets,
            "--slice: is for runs over files; a stream has --span": not streams or self.slice is None,
            "--slice: is for runs on this machine, with --engine direct or prism": self.slice is None
            or self.engine in ("direct", "prism"),
            "--sample: is for runs over files": not streams or self.sample == 1,
            "--max-offers-per-hour: is for streams in --mode live": self.max_offers_per_hour is None
            or bool(streams and self.mode == "live"),
            "--max-rejected: is for runs over files": not streams or self.max_rejected is None,
            "--signals: give at least one, as usage='usage/*.parquet'": bool(self.signals),
            f"--mode: `{self.mode}` is none of {', '.join(MODES)}": self.mode in MODES,
            f"--format: {', '.join(self.formats)} is none of {', '.join(FORMATS)}": {*self.formats} <= {*FORMATS},
            f"--shards: {self.shards} is not between 0 and 65,536": 0 <= self.shards <= 65_536,
            f"--state-layout: {self.state_layout} is none of {LAYOUTS}": self.state_layout in LAYOUTS,
            "--sample: takes nobody; give more than 0%": self.sample > 0,
            "--seed: say when that was true, with --seed-as-of": not self.seeds or self._seed_time is not None,
            "--seed-as-of: is for --seed": self.seed_as_of is None or bool(self.seeds),
            "--state-layout: is for --state-out": self.state_layout == LAYOUT or self.state_out is not None,
            **self._defaults(OF_STREAMS, "is for streams", bool(streams)),
            **self._defaults(OF_CUTS, "is for streams with --state-out", bool(streams and self.state_out)),
        }
        if wrong := [*(message for message, holds in checks.items() if not holds), *self._out_of_reach()]:
            raise ValueError("; ".join(wrong))
        ends = bool(streams) and all(one.options["ends"] is not None for _, one in streams)
        beam_arguments(self.engine, self.beam_options, stream=bool(streams), ends=ends)
        if wrong := [*refusals(self.engine, streams, self.state_out)]:
            raise ValueError("; ".join(wrong))

    def _defaults(self, settings: Mapping[str, Any], told: str, fit: bool) -> dict[str, bool]:
        """Return checks that settings are given where they fit alone, and set what was not given there."""
        flags = {each.name: each.metadata["flag"] for each in fields(self) if each.name in settings}
        checks = {f"{flag}: {told}": fit or getattr(self, name) is None for name, flag in flags.items()}
        for name, default in settings.items() if fit else ():
            object.__setattr__(self, name, default if getattr(self, name) is None else getattr(self, name))
        return checks

    def _out_of_reach(self) -> Iterator[str]:
        """Yield what is wrong with instants before 1970 or long after the launch."""
        now = int(time() * 1000)
        launch = now if self.as_of is None else min(self.as_of, now + FURTHEST)
        for each in fields(self):
            latest = FURTHEST + (now if each.name == "as_of" else launch)
            at = getattr(self, each.name) if each.metadata["parse"] is instant else None
            if at is not None and not 0 <= at <= latest:
                day = datetime.fromtimestamp(latest // 1000, UTC).date()
                after = "now" if each.name == "as_of" else "the launch, --as-of"
                yield f"{each.metadata['flag']}: must be from 1970 to {day}, 100 years after {after}"

    @property
    def _seed_time(self) -> int | None:
        before = None if self.complete_from is None else self.complete_from - 1
        return before if self.seed_as_of is None else self.seed_as_of

    @property
    def seeded_at(self) -> int:
        """The time of all seeds."""
        assert self._seed_time is not None, "checked where there are seeds"
        return self._seed_time

    @cached_property
    def addresses(self) -> tuple[tuple[str, Address], ...]:
        """What is read, by name, in the order given."""
        return _addresses("--signals", self.signals, "read")

    @property
    def streams(self) -> tuple[tuple[str, Address], ...]:
        """What is read and does not end: with any of it this is a stream."""
        return tuple((name, one) for name, one in self.addresses if not one.ends)

    @property
    def targets(self) -> dict[str, Address]:
        """Where outputs are published, by name."""
        return dict(_addresses("--publish", self.publish, "publish"))

    def globs(self) -> dict[str, tuple[str, ...]]:
        """Return the files of each name, in the order given."""
        return _by_name([(name, one.name) for name, one in self.addresses if one.ends])

    def seed_globs(self) -> dict[str, tuple[str, ...]]:
        """Return the files of each seed, in the order given."""
        return _by_name(self.seeds)

    def shown(self) -> dict[str, Any]:
        """Return the settings by flag, for the report; what was not given is left out."""
        given = {each.metadata["flag"]: getattr(self, each.name) for each in fields(self)}
        return {flag: _shown(value) for flag, value in given.items() if value not in (None, ())}


def _addresses(flag: str, pairs: Sequence[tuple[str, str]], use: Use) -> tuple[tuple[str, Address], ...]:
    """Return the addresses of a flag; a `ValueError` names it."""
    found = []
    for name, text in pairs:
        try:
            found.append((name, parse_address(text, use)))
            if found[-1][1].scheme in ("file", "watch"):
                check_reachable(found[-1][1].name)
        except ValueError as error:
            raise ValueError(f"{flag} {name}: {error}") from error
    return tuple(found)


def _by_name(pairs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    names = dict.fromkeys(name for name, _ in pairs)
    return {name: tuple(glob for other, glob in pairs if other == name) for name in names}


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return ["=".join(each) if isinstance(each, tuple) else each for each in value]
    return value if isinstance(value, int | str) else str(value)
