"""Brokers: do the topics, subscriptions and tables of a run answer, as whom we are?"""

import os
from collections.abc import Iterator
from functools import partial
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pipelines.doctor.finding import Finding
from pipelines.engines.children import reachable
from pipelines.tables import tables
from transforms.sinks.bigquery_table import default_stream, path_of

Use = Literal["read", "publish"]
_SECONDS = 5
_LOGIN = "`gcloud auth application-default login`, or PUBSUB_EMULATOR_HOST for an emulator"
_TYPES = {"DOUBLE": "FLOAT64"}
"""Types of columns that the Storage Write API names in another way than SQL."""
_EXTRA = "`make setup` installs it, elsewhere `pip install segment-of-one[streams]`"


def broker(name: str, address: str, use: Use) -> Iterator[Finding]:
    """Ask for the topic, subscription or table of an address; files are looked at by the run itself.

    Args:
        name: Of the signal or output.
        address: As `--signals` and `--publish` take it.
        use: What is to be done with it.
    """
    parts = urlsplit(address)
    what = f"{name} = {parts.scheme}://{parts.netloc}{parts.path}"
    if parts.scheme == "kafka":
        yield from _kafka(what, parts.netloc.split(","), parts.path.strip("/"), dict(parse_qsl(parts.query)))
    elif parts.scheme == "pubsub":
        yield _pubsub(what, parts.netloc, parts.path.strip("/"), use)
    elif parts.scheme == "bigquery":
        yield _bigquery(what, name, parts.netloc, parts.path.strip("/"))


def _kafka(what: str, hosts: list[str], topic: str, options: dict[str, str]) -> Iterator[Finding]:
    for host in hosts:
        place, _, port = host.rpartition(":")
        if not port.isdecimal() or not reachable(place.strip("[]"), int(port), _SECONDS):
            hint = f"is the broker up, and does the network let us to {host}?"
            yield Finding(what, "fail", f"nobody answers at {host}", hint)
            return
    try:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
    except ImportError:
        yield Finding(what, "fail", "the package confluent-kafka is not installed", _EXTRA)
        return
    client = {key.removeprefix("client."): value for key, value in options.items() if key.startswith("client.")}
    admin = AdminClient({**client, "bootstrap.servers": ",".join(hosts), "log_level": 0})
    try:
        found = admin.list_topics(topic, timeout=_SECONDS).topics[topic]
    except KafkaException as error:
        yield Finding(what, "fail", error.args[0].str(), "see its `client.` settings: security.protocol, sasl.*, ssl.*")
        return
    if found.error is not None:
        yield Finding(what, "fail", f"no topic `{topic}`: {found.error.str()}", "create it, or see who may read it")
    else:
        yield Finding(what, "ok", f"{len(found.partitions)} partitions")


def _pubsub(what: str, project: str, name: str, use: Use) -> Finding:
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.cloud import pubsub_v1

    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if emulator:
        host, _, port = emulator.rpartition(":")
        if not port.isdecimal() or not reachable(host, int(port), _SECONDS):
            hint = "start it: `python -m pipelines.engines pubsub`, or unset PUBSUB_EMULATOR_HOST"
            return Finding(what, "fail", f"no emulator answers at {emulator}", hint)
    elif (asked := credentials(needed=True)).state == "fail":
        return Finding(what, "fail", "cannot be asked without credentials", asked.hint)
    if use == "read":
        kind, client = "subscription", pubsub_v1.SubscriberClient()
        ask = partial(client.get_subscription, subscription=client.subscription_path(project, name))
    else:
        kind, client = "topic", pubsub_v1.PublisherClient()
        ask = partial(client.get_topic, topic=client.topic_path(project, name))
    try:
        ask(timeout=_SECONDS, retry=None)
    except (GoogleAPICallError, RetryError) as error:
        hint = f"create the {kind}, or see what may be done by whom you are"
        return Finding(what, "fail", f"no {kind} `{name}` of `{project}`: {error.args[0]}", hint)
    return Finding(what, "ok", f"the {kind} is there")


def _bigquery(what: str, output: str, project: str, name: str) -> Finding:
    """Compare the columns of a table with those of its output."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
    from google.cloud.bigquery_storage_v1.types import GetWriteStreamRequest, WriteStreamView

    if (asked := credentials(needed=True)).state == "fail":
        return Finding(what, "fail", "cannot be asked without credentials", asked.hint)
    wanted = {field["name"]: field["type"] for field in tables().get(output, ())}
    request = GetWriteStreamRequest(name=default_stream(path_of(project, name)), view=WriteStreamView.FULL)
    try:
        fields = BigQueryWriteClient().get_write_stream(request, timeout=_SECONDS, retry=None).table_schema.fields
    except (GoogleAPICallError, RetryError) as error:
        hint = "create it with the columns of `segone schema tables`, or see what may be done by whom you are"
        dataset, _, table = name.partition("/")
        return Finding(what, "fail", f"no table `{table}` of `{project}.{dataset}`: {error.args[0]}", hint)
    there = {field.name: _TYPES.get(field.type_.name, field.type_.name) for field in fields}
    wrong = [name for name, type_ in wanted.items() if there.get(name) != type_]
    if wrong:
        return Finding(what, "fail", f"without the columns {', '.join(wrong)}", "see `segone schema tables`")
    return Finding(what, "ok", f"the table is there, with {len(fields)} columns")


def credentials(*, needed: bool) -> Finding:
    """Look for Google's application default credentials."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        _, project = google.auth.default()
    except DefaultCredentialsError:
        state: Literal["fail", "warn"] = "fail" if needed else "warn"
        return Finding("google credentials", state, "there are none", _LOGIN)
    return Finding("google credentials", "ok", f"of project {project}" if project else "there")
