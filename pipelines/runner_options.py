"""What each engine needs to be exact, set on every run and never overridden in silence."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.near_miss import near_miss


@dataclass(frozen=True)
class Engine:
    """An engine that Beam can run on.

    Attributes:
        runner: Its class, so that Beam does not choose another by what is in the pipeline.
        needs: Option to value, None for a bare flag.
        refuses: Option to why it cannot be had.
    """

    runner: str
    needs: dict[str, str | None]
    refuses: dict[str, str] = field(default_factory=dict)


_QUICK: dict[str, str | None] = {"max_cache_memory_usage_mb": "0"}  # else every state cell is walked for its size
_IN_PROCESS = Engine(
    "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    _QUICK,
    {"streaming": "FnApiRunner gives its outputs when the input ends; use PrismRunner or FlinkRunner"},
)
_FLINK: dict[str, str | None] = {
    "checkpointing_interval": "3000",
    "finish_bundle_before_checkpointing": None,  # else a checkpoint in the first bundle keeps its output for ever
    "max_bundle_time_mills": "100",
}
_NEVER_IDLE = {"shutdown_sources_after_idle_ms": "with it a job ends after one round of reading"}

ENGINES = {
    "FnApiRunner": _IN_PROCESS,
    "DirectRunner": _IN_PROCESS,  # Beam may pick Prism, which without its experiment loses rows in silence
    "BundleBasedDirectRunner": Engine(
        "apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner", {**_QUICK, "streaming": None}
    ),
    "PrismRunner": Engine(
        "PrismRunner", {**_QUICK, "environment_type": "LOOPBACK", "experiments": "prism_disable_sdf_split"}
    ),
    "FlinkRunner": Engine("FlinkRunner", {**_QUICK, **_FLINK}, _NEVER_IDLE),
    "PortableRunner": Engine("PortableRunner", {**_QUICK, **_FLINK}, _NEVER_IDLE),
    "DataflowRunner": Engine("DataflowRunner", _QUICK),
}
"""By the names that `--runner` takes; PortableRunner is Flink behind a job server."""

_LISTS = {"experiments"}  # options that may be given again and add up


def beam_arguments(runner: str, given: Sequence[str]) -> list[str]:
    """Return the whole command line for Beam: the user's options and what the engine needs.

    Args:
        runner: A name in `ENGINES`, in any case, with or without its `Runner`.
        given: The user's own options, as `--name=value` or `--name`, `value`.

    Raises:
        ValueError: no such engine, or one of the options is ours to set or refused.
    """
    engine = _engine(runner)
    if given and not given[0].startswith("--"):
        raise ValueError(f"`{given[0]}` is not expected here; options of Beam come last, after `--`")
    for text in given:
        if text.startswith("--"):
            _check(text.removeprefix("--"), engine)
    needs = [f"--{name}" if value is None else f"--{name}={value}" for name, value in engine.needs.items()]
    return [*given, f"--runner={engine.runner}", *needs]


def _engine(name: str) -> Engine:
    known = {_short(one): engine for one, engine in ENGINES.items()}
    if _short(name) not in known:
        raise ValueError(f"--runner: no engine `{name}`; {near_miss(name, ENGINES)}")
    return known[_short(name)]


def _short(name: str) -> str:
    return name.lower().removesuffix("runner")


def _check(text: str, engine: Engine) -> None:
    """Refuse an option that would change what the engine needs; Beam takes any beginning of a name for the name."""
    name, equals, value = text.partition("=")
    name = name.replace("-", "_")
    stem = name.removeprefix("no_")
    if "runner".startswith(stem):
        raise ValueError(f"--{text}: name the engine before `--`, as --runner NAME")
    for refused, why in engine.refuses.items():
        if refused.startswith(stem):
            raise ValueError(f"--{text}: {why}")
    for needed, ours in engine.needs.items():
        same = stem == name and (value if equals else None) == ours
        if needed.startswith(stem) and not same and needed not in _LISTS:
            told = f"--{needed}" if ours is None else f"--{needed}={ours}"
            raise ValueError(f"--{text}: every run sets {told}, which this engine needs to be exact; leave it out")
