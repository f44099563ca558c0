"""How many offers go out in an hour of event time: what is too much is held, and goes out in later hours, in order."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from schemas.durations import HOUR
from transforms.arrays.dtypes import Bools, Ints
from transforms.arrays.plain_arrow import framed
from transforms.blobs.envelope import pack, unpack
from transforms.decision.offers import MADE, ROOTED

KIND = "held"


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """What is kept from call to call.

    Attributes:
        hour: Start of the last hour that was looked at, milliseconds; None before the first.
        sent: Offers that went out in it.
        told: Whether it was told that offers are held in it.
        held: Offers that wait, in their order, as an Arrow IPC stream.
    """

    hour: int | None = None
    sent: int = 0
    told: bool = False
    held: bytes = b""

    @classmethod
    def read(cls, packed: bytes | None) -> "Kept":
        """Return what `packed` made; as at first for None."""
        return cls() if packed is None else unpack(KIND, packed, cls)

    def packed(self) -> bytes:
        """Return it as bytes that `read` takes."""
        return pack(KIND, self)


class Holding(NamedTuple):
    """That offers of an hour began to wait.

    Attributes:
        source: Of the first of them.
        time: At which it began to wait, milliseconds.
        waiting: How many waited then, those of earlier hours included.
    """

    source: str
    time: int
    waiting: int


class Released(NamedTuple):
    """What a call gives.

    Attributes:
        offers: That go out, and all withdrawals, in the order of their hours and times.
        expired: Offers that became invalid while they were held.
        held: Offers that began to wait.
        holding: Of each hour in which none did before, for an alert; the same however calls are cut.
        waiting: How many are held now.
        wake: When some of these may go out, milliseconds; None for nothing to wait for.
        kept: For the next call.
    """

    offers: pa.Table
    expired: pa.Table
    held: pa.Table
    holding: Sequence[Holding]
    waiting: int
    wake: int | None
    kept: Kept


def release(most: int, kept: Kept, offers: pa.Table, upto: int) -> Released:
    """Let offers out, hour by hour.

    An hour has the ticks in [start, start + 1 h). At its start what is held goes first, the oldest first, unless it is
    no longer valid. Withdrawals are never held and count for nothing; one of an offer that is held ends that: the offer
    does not go out.

    Args:
        most: Offers in an hour.
        kept: Of the call before.
        offers: As `transforms.decision.offers.ROOTED`, in any order, none later than `upto`.
        upto: The tick up to which event time is over, milliseconds.
    """
    order = [(name, "ascending") for name in ("time", "subject", "id", "type")]
    rows = pa.concat_tables([_held(kept), offers.sort_by(order)], promote_options="default").select(ROOTED.names)
    queue = _Queue(most, kept, rows, rows.num_rows - offers.num_rows)
    last = max(upto // HOUR * HOUR, kept.hour or 0)
    for hour in range(queue.first(last), last + 1, HOUR):
        queue.pass_hour(hour)
    waits = rows.take(queue.waits)
    after = Kept(last, queue.sent, queue.told, _packed(waits))
    wake = last + HOUR if len(queue.waits) else None
    told = (queue.out, queue.expired, queue.held)
    out, expired, held = (rows.take(np.concatenate([*parts, _NONE])) for parts in told)
    return Released(out, expired, held, queue.holding, len(queue.waits), wake, after)


_NONE = np.empty(0, np.int64)


class _Queue:
    """Rows by number: those that wait, those that went out."""

    def __init__(self, most: int, kept: Kept, rows: pa.Table, held: int) -> None:
        until = pl.col("data").struct.field("valid_until")
        frame = framed(rows.select(["time", "type", "id", "data"])).with_columns(until)
        self._most, self._hour = most, kept.hour
        self._until: Ints = frame["valid_until"].dt.epoch("ms").to_numpy()
        self._made: Bools = (frame["type"] == MADE).to_numpy()
        self._ids, self._sources = frame["id"], rows["source"]
        self._times: Ints = frame["time"].dt.epoch("ms").to_numpy()
        self._hours: Ints = self._times // HOUR * HOUR
        if kept.hour is not None:
            self._hours = np.maximum(self._hours, kept.hour)
        self.waits: Ints = np.arange(held)
        self._comes: Ints = np.arange(held, rows.num_rows)
        self.sent, self.told = kept.sent, kept.told
        self.holding: list[Holding] = []
        self.out: list[Ints] = []
        self.expired: list[Ints] = []
        self.held: list[Ints] = []

    def first(self, last: int) -> int:
        """Return the hour to begin with."""
        hours = [int(self._hours[self._comes].min())] if len(self._comes) else []
        return min([last, *hours]) if self._hour is None else self._hour

    def pass_hour(self, hour: int) -> None:
        """Let out what goes in one hour."""
        if hour != self._hour:
            self._hour, self.sent, self.told = hour, 0, False
            gone = self._until[self.waits] <= hour
            self.expired.append(self.waits[gone])
            self.waits = self.waits[~gone]
            self._let_out(self.waits, _NONE)
        came = self._comes[self._hours[self._comes] == hour]
        if not len(came):
            return
        made, withdrawals = came[self._made[came]], came[~self._made[came]]
        self._let_out(np.concatenate([self.waits, made]), withdrawals)
        self.held.append(self.waits[self.waits >= came[0]])
        if len(self.held[-1]) and not self.told:
            self.told = True
            self.holding.append(self._holding(self.held[-1][0], hour, withdrawals))
        self.waits = self._without(self.waits, withdrawals)

    def _holding(self, first: int, hour: int, withdrawals: Ints) -> Holding:
        """Tell of the first row that waits: of how many that are there by then, and not withdrawn before."""
        time = self._times[first]
        there = self._without(self.waits, withdrawals[self._times[withdrawals] < time])
        waiting = np.count_nonzero(self._times[there] <= time)
        return Holding(self._sources[int(first)].as_py(), max(int(time), hour), int(waiting))

    def _without(self, waits: Ints, withdrawals: Ints) -> Ints:
        return waits[~self._ids[waits].is_in(self._ids[withdrawals].implode()).to_numpy()]

    def _let_out(self, queue: Ints, withdrawals: Ints) -> None:
        room = max(self._most - self.sent, 0)
        going, self.waits = queue[:room], queue[room:]
        self.sent += len(going)
        self.out.append(np.sort(np.concatenate([going, withdrawals])))


def _held(kept: Kept) -> pa.Table:
    return pa.ipc.open_stream(kept.held).read_all().cast(ROOTED) if kept.held else ROOTED.empty_table()


def _packed(waits: pa.Table) -> bytes:
    if not len(waits):
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, waits.schema) as writer:
        writer.write_table(waits)
    return bytes(sink.getvalue().to_pybytes())
