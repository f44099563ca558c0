"""Decide offers: one answer to every trigger, by the ledger of its contact root."""

from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa

from schemas.modes import MODES
from schemas.playbook import Playbook
from schemas.versions import Versions
from transforms.shell.cuts import BLOBS, Blob
from transforms.shell.decision_stage import DecisionStage
from transforms.shell.packed_batch import ShardBatch
from transforms.shell.timers import Backlog, Cuts, TickTimer
from transforms.sum_receipts import Removed

OUTPUTS = ("decisions", "offers", "receipts")


@dataclass(eq=False, kw_only=True)
class DecideOffers(beam.PTransform):
    """Answer every trigger of a contact root, a shard at a time.

    In: (shard of the contact root, packed batch of triggers of one level, of facts, of notices, or of erasures), in the
    global window. A bounded run also brings each shard one `end_batch`: what waits is looked at until then. A run that
    starts from a cut brings a seed to each shard that has one.

    Out: `decisions`, record batches as `transforms.decision.records.decision_schema` says, one row a trigger;
    `offers`, those that send one, as `schemas.offer.OFFER` says; and `receipts`, what `SumReceipts` takes. A trigger
    that comes after its tick was decided is decided at the next and marked late. Any error of our own fails the bundle.

    Attributes:
        playbook: Its offers and policy.
        later: The versions of it that take over, in their order.
        bounded: Whether the input ends.
        mode: What the offers are for, one of `MODES`.
        decide_from: Triggers of earlier ticks (milliseconds) get no answer, those that wait in a cut included; they are
            counted as `decisions/past`. None: all are answered.
        backlog: History that an unbounded run catches up with; the same as of `TrackContexts`.
        cuts: When the shards' states are given as `blobs`, for `SaveState`; None for never.
    """

    playbook: Playbook
    later: tuple[Playbook, ...] = ()
    bounded: bool
    mode: str = "live"
    decide_from: int | None = None
    backlog: Backlog | None = None
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        super().__init__()
        if self.mode not in MODES:
            raise ValueError(f"no mode {self.mode!r}; use one of {', '.join(MODES)}")

    def stage(self) -> beam.DoFn:
        """Return what holds the shards."""
        timer = TickTimer("decide_offers", self.bounded, self.backlog, self.cuts)
        return DecisionStage(Versions((self.playbook, *self.later)), timer, self.mode, self.decide_from)

    def expand(self, triggers: beam.PCollection[ShardBatch]) -> Any:
        """Return the outputs by name."""
        tags = {"offers": pa.RecordBatch, "receipts": Removed} | ({} if self.cuts is None else {BLOBS: Blob})
        decide = beam.ParDo(self.stage()).with_output_types(pa.RecordBatch, **tags)
        made = triggers | "Decide" >> decide.with_outputs(*tags, main=OUTPUTS[0])
        return {name: made[name] for name in (OUTPUTS[0], *tags)}
