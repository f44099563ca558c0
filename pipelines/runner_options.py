"""What each engine needs to be exact, set on every run and never overridden in silence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from schemas.near_miss import near_miss

Options = Mapping[str, str | None]
"""Options of Beam and their values, None for a bare flag."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that Beam can run on.

    Attributes:
        runner: Its class, so that Beam does not choose another by what is in the pipeline.
        needs: What every run sets.
        stream_needs: What a run sets besides whose input does not end.
        usual: What a run sets unless the user does, where its input ends.
        asks: What the user must give: option to what to do.
        stream_asks: The same where the input does not end.
        end_asks: The same where the input of a stream ends after all.
        refuses: Option to why it cannot be had.
        no_stream: Why its input must end; empty where it need not.
        native_pubsub: Whether it reads Pub/Sub itself.
        knows_more: Whether it has options that Beam for Python does not know.
    """

    runner: str
    needs: Options
    stream_needs: Options = field(default_factory=dict)
    usual: Options = field(default_factory=dict)
    asks: Mapping[str, str] = field(default_factory=dict)
    stream_asks: Mapping[str, str] = field(default_factory=dict)
    end_asks: Mapping[str, str] = field(default_factory=dict)
    refuses: Mapping[str, str] = field(default_factory=dict)
    no_stream: str = ""
    native_pubsub: bool = False
    knows_more: bool = False


_QUICK: Options = {"max_cache_memory_usage_mb": "0"}  # else every state cell is walked for its size
_STREAM: Options = {"streaming": None}
_BY_SIGNALS = {"streaming": "a run is a stream if one of its --signals does not end; leave it out"}
_UNTIL_ITS_END = "FnApiRunner gives its outputs when the input ends; use --engine prism or flink"
_IN_PROCESS = Engine(
    runner="apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    needs=_QUICK,
    refuses={"streaming": _UNTIL_ITS_END},
    no_stream=_UNTIL_ITS_END,
)
_FLINK: Options = {
    **_QUICK,
    "checkpointing_interval": "3000",
    "finish_bundle_before_checkpointing": None,  # else a checkpoint in the first bundle keeps its output for ever
    "max_bundle_time_mills": "100",
}
_NEVER_IDLE = {**_BY_SIGNALS, "shutdown_sources_after_idle_ms": "with it a job ends after one round of reading"}
_START = "start one with `python -m pipelines.engines flink`, which prints these options, or give your own cluster's"
_POOL = (
    "a stream outlives its launcher, and so must its workers: give --environment_type=EXTERNAL "
    "--environment_config=HOST:PORT of a pool of them"
)
_MASTER = "HOST:PORT of Flink's JobManager, where the end is seen: Flink ends no job of a stream by itself"

ENGINES = {
    "direct": _IN_PROCESS,
    "prism": Engine(
        runner="PrismRunner",
        needs={**_QUICK, "environment_type": "LOOPBACK", "experiments": "prism_disable_sdf_split"},
        stream_needs=_STREAM,
        refuses=_BY_SIGNALS,
    ),
    "flink": Engine(
        runner="PortableRunner",
        needs=_FLINK,
        stream_needs=_STREAM,
        asks={"job_endpoint": f"HOST:PORT of Beam's job server before Flink; {_START}"},
        stream_asks={"environment_type": _POOL},
        end_asks={"flink_master": _MASTER},
        refuses=_NEVER_IDLE,
        knows_more=True,
    ),
    "dataflow": Engine(
        runner="DataflowRunner",
        needs=_QUICK,
        stream_needs={**_STREAM, "enable_streaming_engine": None},
        asks={
            "project": "the Google Cloud project that runs and pays for the job",
            "region": "where it runs, as europe-west1",
            "temp_location": "a folder for what it stages, as gs://BUCKET/tmp",
        },
        refuses=_BY_SIGNALS,
        native_pubsub=True,
        knows_more=True,
    ),
}
"""By the names that `--engine` takes."""

RUNNERS = {
    "FnApiRunner": ENGINES["direct"],
    "DirectRunner": ENGINES["direct"],  # Beam may pick Prism, which without its experiment loses rows in silence
    "BundleBasedDirectRunner": Engine(
        runner="apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner", needs={**_QUICK, **_STREAM}
    ),
    "PrismRunner": ENGINES["prism"],
    "PortableRunner": ENGINES["flink"],
    "FlinkRunner": Engine(  # with the job server of Beam's own version, which Beam fetches
        runner="FlinkRunner", needs=_FLINK, stream_needs=_STREAM, refuses=_NEVER_IDLE, knows_more=True
    ),
    "DataflowRunner": ENGINES["dataflow"],
}
"""By Beam's own names, which `--engine` takes as well."""

_LISTS = {"experiments"}  # options that may be given again and add up


def beam_arguments(engine: str, given: Sequence[str], *, stream: bool = False, ends: bool = False) -> list[str]:
    """Return the whole command line for Beam: the user's options and what the engine needs.

    Args:
        engine: A name in `ENGINES` or `RUNNERS`, in any case.
        given: The user's own options, as `--name=value` or `--name`, `value`.
        stream: Whether the input does not end.
        ends: Whether it ends after all, as a replay does.

    Raises:
        ValueError: no such engine, it cannot do that, or one of the options is ours to set, refused or missing.
    """
    chosen = engine_of(engine)
    if given and not given[0].startswith("--"):
        raise ValueError(f"`{given[0]}` is not expected here; options of Beam come last, after `--`")
    if stream and chosen.no_stream:
        raise ValueError(f"--engine {engine}: {chosen.no_stream}")
    needs = {**chosen.needs, **(chosen.stream_needs if stream else {})}
    for text in given:
        if text.startswith("--"):
            _check(text.removeprefix("--"), chosen, needs)
    if given and not chosen.knows_more:
        _check_known(given)
    asks = {**chosen.asks, **(chosen.stream_asks if stream else {}), **(chosen.end_asks if ends else {})}
    if missing := [f"--{name}: {what}" for name, what in asks.items() if not is_given(name, given)]:
        raise ValueError(f"--engine {engine} needs, after `--`, {'; '.join(missing)}")
    usual = {name: value for name, value in chosen.usual.items() if not is_given(name, given)}
    ours = [_told(name, value) for name, value in {**needs, **usual}.items()]
    return [*given, f"--runner={chosen.runner}", *ours]


def engine_of(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        ValueError: there is none; with the nearest one.
    """
    known = {each.lower(): engine for each, engine in (*ENGINES.items(), *RUNNERS.items())}
    if name.lower() not in known:
        raise ValueError(f"--engine: no engine `{name}`; {near_miss(name, [*ENGINES, *RUNNERS])}")
    return known[name.lower()]


def is_given(option: str, given: Sequence[str]) -> bool:
    """Tell whether an option is among those of the user; Beam takes any beginning of a name for the name."""
    names = [text.removeprefix("--").partition("=")[0].replace("-", "_") for text in given if text.startswith("--")]
    return any(name and option.startswith(name) for name in names)


def value_of(option: str, given: Sequence[str]) -> str | None:
    """Return the value of an option among those of the user, the last where it is given again; None without one."""
    found = None
    for text, following in zip_longest(given, given[1:]):
        name, equals, value = text.partition("=")
        if name.startswith("--") and name.removeprefix("--").replace("-", "_") == option:
            found = value if equals else following
    return found


def _check_known(given: Sequence[str]) -> None:
    """Refuse options that Beam would leave out in silence."""
    from apache_beam.options.pipeline_options import PipelineOptions

    known = PipelineOptions([]).get_all_options()
    every = PipelineOptions([*given]).get_all_options(drop_default=True, retain_unknown_options=True)
    if unknown := sorted(every.keys() - known.keys()):
        near = near_miss(unknown[0], known)
        hint = near if near.startswith("did") else "leave it out"
        raise ValueError(f"--{unknown[0]}: Beam has no such option; {hint}")


def _told(name: str, value: str | None) -> str:
    return f"--{name}" if value is None else f"--{name}={value}"


def _check(text: str, engine: Engine, needs: Options) -> None:
    """Refuse an option that would change what the engine needs."""
    name, equals, value = text.partition("=")
    name = name.replace("-", "_")
    stem = name.removeprefix("no_")
    if "runner".startswith(stem):
        raise ValueError(f"--{text}: name the engine before `--`, as --engine NAME")
    for refused, why in engine.refuses.items():
        if refused.startswith(stem):
            raise ValueError(f"--{text}: {why}")
    for needed, ours in needs.items():
        same = stem == name and (value if equals else None) == ours
        if needed.startswith(stem) and not same and needed not in _LISTS:
            raise ValueError(
                f"--{text}: every run sets {_told(needed, ours)}, which this engine needs to be exact; leave it out"
            )
