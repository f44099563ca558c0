"""The outputs of a stream as messages on brokers; what comes out says what is acknowledged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.utils.windowed_value import WindowedValue

from transforms.shell.tallied import TalliedCounter
from transforms.sinks.messages import latest, messages_of, rows_of
from transforms.sinks.target import NotPublished, Sender, Target
from transforms.write_outputs import NamedBatch, Output, of_output

Published = tuple[str, int, int | None]
"""The name of an output, rows of a batch, and the latest of their ticks, milliseconds; None where they have none."""

PUBLISHED, FAILED = "published", "publish_failures"
"""Metrics namespaces: one counter an output, the rows acknowledged, and the bundles that failed."""


class _Publish(beam.DoFn):
    """Sends the rows of a bundle, and waits at its end until all are acknowledged."""

    def __init__(self, targets: Mapping[str, Target], outputs: Mapping[str, Output]) -> None:
        self._targets, self._outputs = targets, outputs

    def start_bundle(self) -> None:
        self._senders: dict[str, Sender] = {}
        self._sent: list[WindowedValue] = []

    def process(
        self, element: NamedBatch, timestamp: Any = beam.DoFn.TimestampParam, window: Any = beam.DoFn.WindowParam
    ) -> None:
        name, batch = element
        if not batch.num_rows:
            return
        if name not in self._senders:
            self._senders[name] = self._targets[name].open()
        output = self._outputs[name]
        messages = messages_of(name, batch, output.schema, output.formats["jsonl"])
        self._wait(name, lambda: self._senders[name].send(messages))
        told = name, batch.num_rows, latest(rows_of(batch, output.schema))
        self._sent.append(WindowedValue(told, timestamp, (window,)))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for name, sender in self._senders.items():
            self._wait(name, sender.flush)
        for told in self._sent:
            TalliedCounter(PUBLISHED, told.value[0]).inc(told.value[1])
        yield from self._sent

    def _wait(self, name: str, step: Any) -> None:
        try:
            step()
        except NotPublished:
            TalliedCounter(FAILED, name).inc()
            raise


@dataclass(eq=False, kw_only=True)
class PublishRecords(beam.PTransform):
    """Publish each row of some outputs as a message, at least once.

    In: by the name of an output, record batches with at least the columns of its schema; each is published in the order
    of its rows, those of one contact root one after the other. Out: `Published`, one a batch that has rows, with its
    timestamp and in its window, given only when all of its bundle is acknowledged. A bundle of which something is not
    acknowledged fails, so that it is published again as a whole: messages come again with the same ids, none is left
    out. Counts `published/OUTPUT`.

    A text is what `jsonl` of the output has as a line. What says who is the contact root is not in an event of an
    offer: `root_kind` and `root` may come beside the columns of the schema.

    Attributes:
        targets: Where each output goes, by name.
        outputs: What they are, by name; more may be there. Each has the format `jsonl`.
    """

    targets: Mapping[str, Target]
    outputs: Mapping[str, Output]

    def __post_init__(self) -> None:
        """Check that every target is of an output.

        Raises:
            ValueError: one is not, or has no `jsonl`.
        """
        super().__init__()
        for name in self.targets:
            if name not in self.outputs or "jsonl" not in self.outputs[name].formats:
                raise ValueError(f"output {name}: nothing says what its messages are")

    def expand(self, records: Any) -> beam.PCollection[Published]:
        """Publish all outputs by one step, which waits once a bundle."""
        batches = [records[name] | f"Name {name}" >> of_output(name) for name in self.targets]
        outputs = {name: self.outputs[name] for name in self.targets}
        publish = beam.ParDo(_Publish(self.targets, outputs)).with_output_types(Published)
        return batches | "All" >> beam.Flatten() | "Publish" >> publish
