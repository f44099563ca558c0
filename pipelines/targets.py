"""Where the outputs of a stream go: to brokers what `--publish` names, the rest to files."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.settings import RunSettings
from schemas.addresses import Address
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from transforms.publish_records import PublishRecords
from transforms.sinks.bigquery import BigQueryTarget
from transforms.sinks.bigquery_table import columns_of, path_of
from transforms.sinks.kafka import KafkaTarget
from transforms.sinks.pubsub import PubSubTarget
from transforms.sinks.target import Target
from transforms.write_outputs import Output
from transforms.write_stream import WriteStream

ORDERED = ("offers", "decisions")
"""Outputs of which those of one contact root arrive in their order; of others it would only cost throughput."""


def target_of(output: str, schema: pa.Schema, address: Address) -> Target:
    """Return what publishes an output to the topic or table of an address."""
    if address.scheme == "kafka":
        return KafkaTarget(",".join(address.hosts), address.name, address.client)
    if address.scheme == "bigquery":
        return BigQueryTarget(path_of(address.hosts[0], address.name), columns_of(schema))
    return PubSubTarget(f"projects/{address.hosts[0]}/topics/{address.name}", ordered=output in ORDERED)


def check_outputs(settings: RunSettings, outputs: Mapping[str, Output]) -> None:
    """Check that what is to be published is an output.

    Raises:
        LoadErrors: it is not.
    """
    wrong = [name for name in settings.targets if name not in outputs]
    if wrong:
        told = "there is no such output"
        raise LoadErrors([LoadError(f"--publish {name}", None, told, hint=near_miss(name, outputs)) for name in wrong])


def publish(
    records: Mapping[str, Any],
    outputs: Mapping[str, Output],
    lines: Mapping[str, Output],
    settings: RunSettings,
    lag: int = 0,
) -> tuple[Any, ...]:
    """Send each output where the settings say; return collections of what is out: see `Published`.

    Args:
        records: By the name of an output.
        outputs: What they are in files.
        lines: What they are as messages: with the format `jsonl`.
        settings: Where to publish.
        lag: How long after a tick what is made at it is told, milliseconds.
    """
    topics = {
        name: target_of(name, outputs[name].schema, one)
        for name, one in settings.targets.items()
        if one.scheme != "file"
    }
    folders = {name: one.name for name, one in settings.targets.items() if one.scheme == "file"}
    by_folder: dict[str, dict[str, Output]] = {}
    for name in records.keys() - topics.keys():
        by_folder.setdefault(folders.get(name, settings.out), {})[name] = outputs[name]
    done = []
    for number, (folder, files) in enumerate(sorted(by_folder.items())):
        write = WriteStream(directory=folder, outputs=files, window=settings.file_window, lag=lag)
        done.append({name: records[name] for name in files} | f"WriteStream {number}" >> write)
    if topics:
        told = {name: records[name] for name in topics}
        done.append(told | "PublishRecords" >> PublishRecords(targets=topics, outputs=lines))
    return tuple(done)
