"""Everything that is looked at for one run."""

import os
from collections.abc import Iterator, Sequence

from pipelines.doctor.brokers import broker, credentials
from pipelines.doctor.capacity import capacity
from pipelines.doctor.dataflow import dataflow
from pipelines.doctor.engines import engines
from pipelines.doctor.finding import Finding, missing
from pipelines.doctor.packages import packages
from pipelines.published import load_versions
from pipelines.runner_options import ENGINES, engine_of
from pipelines.shards import shards_of_machine
from schemas.playbook import Playbook
from transforms.shell.pseudonym_key import KEY_VARIABLE, LEAST, MOST, key_in_environment

Pairs = Sequence[tuple[str, str]]


def examine(engine: str, playbook: str | None, signals: Pairs, publish: Pairs, shards: int) -> Iterator[Finding]:
    """Look at Python, packages, engines, brokers, credentials, the key and the capacity.

    Args:
        engine: What is to run, as `--engine` takes it.
        playbook: Its playbook, None for a look without one.
        signals: Names and addresses of what is read.
        publish: The same of what is published.
        shards: How many there are to be; 0 for as many as a stream takes on this machine.

    Raises:
        LoadErrors: mistakes in the playbook.
        ValueError: no such engine.
    """
    book = None if playbook is None else load_versions(playbook, {}).first
    yield from packages()
    yield from engines(engine)
    yield key(book)
    on_dataflow = engine_of(engine) is ENGINES["dataflow"]
    if on_dataflow or _cloud(signals, publish):
        yield credentials(needed=True)
    if on_dataflow:
        yield from dataflow(signals)
    for name, address in signals:
        yield from broker(name, address, "read")
    for name, address in publish:
        yield from broker(name, address, "publish")
    if book is not None:
        yield capacity(book, shards or shards_of_machine())


def key(playbook: Playbook | None) -> Finding:
    """Look at the key of pseudonyms, without which erasures cannot be told."""
    length = len(key_in_environment())
    if LEAST <= length <= MOST:
        return Finding("pseudonym key", "ok", f"{KEY_VARIABLE} has {length} bytes")
    told = f"{KEY_VARIABLE} has {length} bytes, not {LEAST} to {MOST}" if length else f"{KEY_VARIABLE} is not set"
    hint = f"export {KEY_VARIABLE}=$(openssl rand -hex 32), keep it, and give it to every worker"
    return missing("pseudonym key", told, hint, needed=playbook is not None and "erasure" in playbook.signals)


def _cloud(signals: Pairs, publish: Pairs) -> bool:
    """Tell whether Google's cloud is used, and no emulator."""
    schemes = {address.partition("://")[0] for _, address in (*signals, *publish)}
    return "bigquery" in schemes or ("pubsub" in schemes and not os.environ.get("PUBSUB_EMULATOR_HOST"))
