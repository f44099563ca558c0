"""Messages that Beam itself reads from Pub/Sub to typed signal batches by shard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from transforms.parsing.parser import Parser, Parsing
from transforms.shell.lingering import Gather, LaneBytes, Linger, Waited, unpack
from transforms.shell.parted_elements import packed, parted
from transforms.shell.pseudonym_key import pseudonym_key
from transforms.shell.stream_element import StreamElement
from transforms.shell.stream_source import clock
from transforms.streams.element import element_of, parse_or_refuse
from transforms.streams.feed import Feed
from transforms.streams.floods import Flood
from transforms.streams.messages import parse_messages
from transforms.streams.pull import MOST_ROWS
from transforms.streams.registry import registry


@dataclass(frozen=True, kw_only=True)
class Subscribed:
    """One subscription.

    Attributes:
        feed: What is in its messages.
        parsing: What its signals are to become.
        linger: Milliseconds of publish time to wait for a fuller block.
        alert_rejected: The share of its records, of 1, that may be rejected in a minute without alarm.
        reader: Who is told of an alarm reads it, `/segment-of-one/PLAYBOOK`.
    """

    feed: Feed
    parsing: Parsing
    linger: int = 100
    alert_rejected: float = 1.0
    reader: str = ""


class _Parse(beam.DoFn):
    """Maps, casts, checks and shards blocks of messages, as the reader of a stream does."""

    def __init__(self, subscribed: Mapping[str, Subscribed]) -> None:
        self._subscribed = subscribed

    def setup(self) -> None:
        every = self._subscribed.items()
        self._parsers = {label: Parser(one.parsing, pseudonym_key(one.parsing.sources)) for label, one in every}
        self._floods = {label: Flood(one.feed.source.feed, one.alert_rejected, one.reader) for label, one in every}

    def process(self, element: Waited) -> Iterator[StreamElement]:
        label, blocks = element
        feed, shards = self._subscribed[label].feed, self._subscribed[label].parsing.shards
        messages = [message for block in blocks for message in unpack(block)]
        for start in range(0, len(messages), MOST_ROWS):
            some = messages[start : start + MOST_ROWS]
            raw, rejected = parse_messages(some, feed, registry(feed.registry))
            parsed = [parse_or_refuse(self._parsers[label], each, private=feed.source.private) for each in raw]
            now = clock()
            published = max((one.published for one in some if one.published is not None), default=now)
            yield packed(self._floods[label].watched(element_of(parsed, rejected, published), now), shards)


@dataclass(eq=False, kw_only=True)
class ParseMessages(beam.PTransform):
    """Map, cast, check and shard the messages of subscriptions that Beam reads itself.

    In: by label, `PubsubMessage`s with their attributes, timestamps their publish times, in the global window. Out:
    `signals`, `groups`, `controls`, `rejected` and `operations` as `ReadStream` gives them, and what it counts of a
    feed, in the global window. Messages wait a linger of publish time for others, at most 10,000 in a block, and hold
    the watermark meanwhile; none is too late: what comes behind the watermark is given at once. The watermark is
    Beam's own, of publish times: who goes by event times must wait a grace and a linger longer (`Backlog.lag`).

    Attributes:
        subscribed: What is read, by label.

    Raises:
        LoadErrors: the key of the pseudonyms is needed and not set.
    """

    subscribed: Mapping[str, Subscribed]

    def __post_init__(self) -> None:
        """Check the key before anything is read."""
        super().__init__()
        pseudonym_key({label: one.feed.source for label, one in self.subscribed.items()})

    def expand(self, messages: Any) -> Any:
        """Gather, let wait, parse and part."""
        blocks = [
            messages[label]
            | f"Gather {label}" >> beam.ParDo(Gather(label, one.parsing.shards)).with_output_types(LaneBytes)
            for label, one in self.subscribed.items()
        ]
        lingers = {label: one.linger for label, one in self.subscribed.items()}
        full = blocks | "All" >> beam.Flatten() | "Linger" >> beam.ParDo(Linger(lingers)).with_output_types(Waited)
        parse = beam.ParDo(_Parse(self.subscribed)).with_output_types(StreamElement)
        return parted(full | "Parse" >> parse)
