"""Pub/Sub as an engine reads it itself, becoming signals as what our own reader reads does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub

from pipelines.inputs import Input
from pipelines.native_rules import is_native
from transforms.parse_messages import ParseMessages, Subscribed
from transforms.parsing.parser import Parsing
from transforms.streams import reading
from transforms.streams.pubsub import PubSubPuller


@dataclass(frozen=True)
class Parted:
    """Inputs by who reads them: each has the addresses of one, under its label."""

    own: tuple[Input, ...]
    native: tuple[Input, ...]


def part(inputs: Sequence[Input], engine: str) -> Parted:
    """Part the addresses that do not end."""
    own, native = [], []
    for one in inputs:
        mine = tuple(address for address in one.streams if is_native(engine, address))
        own.append(replace(one, streams=tuple(address for address in one.streams if address not in mine)))
        native.append(replace(one, patterns=(), streams=mine))
    return Parted(tuple(one for one in own if one.streams), tuple(one for one in native if one.streams))


def subscribed_of(
    inputs: Sequence[reading.Input], payloads: Mapping[str, Sequence[str]], parsing: Mapping[str, Any]
) -> dict[str, tuple[str, Subscribed]]:
    """Return subscriptions with what is in them, by label.

    Args:
        inputs: What our own reader would read.
        payloads: Signal type to the payload fields that the playbook needs.
        parsing: What all signals are to become.
    """
    found = {}
    for one in inputs:
        assert isinstance(one.puller, PubSubPuller), "only these are native"
        name = one.source.contract.name
        made = Parsing(sources={name: one.source}, payloads={name: payloads[name]}, **parsing)
        feed, linger = one.puller.feed, one.puller.linger
        told = Subscribed(feed=feed, parsing=made, linger=linger, alert_rejected=one.alert_rejected, reader=one.reader)
        found[one.label] = one.puller.subscription, told
    return found


def read_native(pipeline: beam.Pipeline, subscribed: Mapping[str, tuple[str, Subscribed]]) -> Any:
    """Return what the engine reads, as `ReadStream` gives what we read; it keeps apart what it had, by message ids."""
    messages = {
        label: pipeline | f"ReadPubSub {label}" >> ReadFromPubSub(subscription=subscription, with_attributes=True)
        for label, (subscription, _) in subscribed.items()
    }
    return messages | "ParseMessages" >> ParseMessages(
        subscribed={label: one for label, (_, one) in subscribed.items()}
    )
