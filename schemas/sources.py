"""Model of sources.yaml: how the raw columns of each source become a signal's contract."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as with_default
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.contracts import TRACE, Contract
from schemas.contracts import Field as ContractField
from schemas.errors import LoadError, LoadErrors
from schemas.fields import DELIMITER, Expression, Names
from schemas.form import hint_for_key, mistakes_of_form, told
from schemas.near_miss import near_miss
from schemas.yaml_source import KeyPath, YamlSource, read_yaml

SNAPSHOTS: Mapping[str, Mapping[str, str]] = {"consent": {}, "membership": {"state": "'joined'"}, "profile": {}}
"""The signal types of which there are snapshots, with the fields that these need not say, and their values."""

Format = Literal["parquet", "avro", "jsonl", "csv"]
Text = Annotated[str, Field(min_length=1)]


class SourceConfig(BaseModel):
    """One entry of sources.yaml: a feed.

    Attributes:
        signal: The signal type it gives; by default the feed's name.
        format: Of the files; by default what their names end in.
        source: The producer's name; by default what the signals say, else the feed's.
        map: Contract field to an expression over raw columns; fields left out are null. Without a map the raw
            columns bear the contract's names.
        columns: Types of raw CSV and JSON columns where the rule of `raw_types` does not fit.
        pseudonymise: Text fields replaced by a keyed hash.
        without_id: `content` where the source has no ids: equal rows are one signal.
        delimiter: Between the fields of a CSV line.
        header: Names of the CSV columns; by default the first line has them.
        null_values: CSV texts that mean null.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    signal: Text | None = None
    format: Format | None = None
    source: Text | None = None
    map: dict[str, Expression | None] | None = None
    columns: dict[Text, Literal["long", "double", "string", "boolean"]] = {}
    pseudonymise: Names = ()
    without_id: Literal["content"] | None = None
    delimiter: Annotated[str, Field(pattern=DELIMITER)] = ","
    header: Annotated[list[Text], Field(min_length=1)] | None = None
    null_values: list[str] = [""]


@dataclass(frozen=True)
class Source:
    """Where the signals of one feed come from.

    Attributes:
        contract: What the signals must become.
        config: How they get there.
        yaml: The file that says so, for the lines of errors; None without one.
        feed: The name of its entry; by default the signal type's.
        given: Contract field to the expression that it is made of, whatever the map says.
    """

    contract: Contract
    config: SourceConfig = with_default(default_factory=SourceConfig)
    yaml: YamlSource | None = None
    feed: str = ""
    given: Mapping[str, str] = with_default(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the feed."""
        object.__setattr__(self, "feed", self.feed or self.contract.name)

    @property
    def brings_producer(self) -> bool:
        """Whether the raw columns may say who produced a signal."""
        return self.config.source is None and "source" in (self.config.map or ("source",))

    @property
    def private(self) -> bool:
        """Whether nothing may be shown of the raw records: some of it is to be hidden."""
        return bool(self.config.pseudonymise)

    def field(self, name: str) -> ContractField:
        """Return a field of the contract, or `TRACE`; `source` may be missing, then the feed stands for it."""
        if name == TRACE.name:
            return TRACE
        field = self.contract.by_name[name]
        return replace(field, required=False) if name == "source" else field

    @property
    def producer(self) -> str:
        """Return the `source` of signals that do not bring one."""
        return self.config.source or self.feed

    def error(self, path: KeyPath, message: str, quoted: str = "", hint: str = "") -> LoadError:
        """Return the mistake at `path` within this source's entry."""
        if self.yaml is None:
            return LoadError(self.feed, None, message, quoted, hint)
        where = (self.feed, *path)
        return self.yaml.error(where, f"`{'.'.join(map(str, where))}`: {message}", quoted, hint)


def snapshot(source: Source, at: int) -> Source:
    """Return how a file that tells what holds at one time, not when it came about, becomes signals.

    Args:
        source: Of one of `SNAPSHOTS`; its columns may leave out ids, times and what a snapshot need not say.
        at: The time of all signals, milliseconds; equal rows are one.
    """
    mapped = source.config.map
    kept = None if mapped is None else {name: text for name, text in mapped.items() if name != "id"}
    config = source.config.model_copy(update={"map": kept, "without_id": "content"})
    return replace(source, config=config, given={"time": str(at), **SNAPSHOTS[source.contract.name]})


def read_sources(
    path: str | Path,
    contracts: Mapping[str, Contract],
    snapshots: Collection[str] = (),
    used: Collection[str] | None = None,
) -> dict[str, Source]:
    """Read sources.yaml.

    Args:
        path: The file.
        contracts: The contracts of all signals that may occur, the playbook's own included.
        snapshots: The feeds of which only what `snapshot` needs must be there.
        used: The feeds that must be whole, by default all; another may be a seed of another run.

    Returns:
        The source of each feed: the name of its entry.

    Raises:
        LoadErrors: everything that is wrong with the file, expressions excepted: their columns are known later.
    """
    return parse_sources(read_yaml(path), contracts, snapshots, used)


def parse_sources(
    yaml: YamlSource,
    contracts: Mapping[str, Contract],
    snapshots: Collection[str] = (),
    used: Collection[str] | None = None,
) -> dict[str, Source]:
    """Return the sources of a file that is read already; raises as `read_sources` does."""
    if not isinstance(yaml.data, dict):
        raise LoadErrors([yaml.error((), "must hold an entry for each signal", hint="as `usage: {format: csv, ...}`")])
    sources: dict[str, Source] = {}
    errors: list[LoadError] = []
    for feed, entry in yaml.data.items():
        try:
            config = SourceConfig.model_validate(entry)
        except ValidationError as error:
            errors += [told(yaml, mistake, (feed,)) for mistake in mistakes_of_form(error, SourceConfig)]
            continue
        signal = config.signal or feed
        if signal not in contracts:
            path = (feed, "signal") if config.signal else (feed,)
            errors.append(yaml.error(path, f"no signal `{signal}`", hint=near_miss(signal, contracts)))
            continue
        sources[feed] = source = Source(contracts[signal], config, yaml, feed)
        seed = signal in SNAPSHOTS and (feed in snapshots or (used is not None and feed not in used))
        errors += _misfits(snapshot(source, 0) if seed else source)
    if errors:
        raise LoadErrors(errors)
    return sources


def _misfits(source: Source) -> list[LoadError]:
    """Return where an entry does not fit its contract."""
    config, fields = source.config, source.contract.by_name
    errors: list[LoadError] = []
    for name, text in (config.map or {}).items():
        if name == "source" and config.source is not None:
            errors.append(source.error(("source",), "is mapped as well", hint="leave one of them out"))
        elif name not in fields and name != TRACE.name:
            message = f"{source.contract.name} has no field `{name}`"
            errors.append(source.error(("map", name), message, hint=hint_for_key(name, text, fields)))
    for name in config.pseudonymise:
        if name not in fields or not pa.types.is_string(fields[name].type):
            message = f"`{name}` is not a text field of {source.contract.name}"
            errors.append(source.error(("pseudonymise",), message, hint=near_miss(name, fields)))
    return errors + _missing(source)


def _missing(source: Source) -> list[LoadError]:
    """Return the required fields that a map leaves out, and an id that is neither mapped nor made."""
    config = source.config
    if config.map is None:
        return []
    errors = []
    made = {"source", *source.given, *(["id"] if config.without_id else [])}
    for field_ in source.contract.fields:
        if field_.required and field_.name not in made and config.map.get(field_.name) is None:
            hint = "or write `without_id: content`: equal rows are then one signal" if field_.name == "id" else ""
            errors.append(
                source.error(("map",), f"`{field_.name}` is missing: every {source.contract.name} needs it", hint=hint)
            )
    if config.without_id and config.map.get("id") is not None:
        errors.append(source.error(("without_id",), "`id` is mapped as well", hint="leave one of them out"))
    return errors
