"""Floods of rejected records: a feed of which, for a minute, more was refused than is usual."""

import logging
from dataclasses import dataclass

from schemas.durations import HOUR
from transforms.sinks.operations import rejects_flood
from transforms.streams.element import Element

RECORDS, REFUSED, FLOODS = "fed", "refused", "floods"
"""Namespaces of counters by feed: records that came, those that were rejected, and minutes of a flood."""

MINUTE = 60_000
"""The window of processing time in which records are counted, milliseconds."""

LEAST = 20
"""So few rejected records are no flood, whatever their share."""

_log = logging.getLogger(__name__)


@dataclass
class Flood:
    """Counts the records of one feed, minute by minute.

    Attributes:
        feed: Its name.
        most: The share of its records that may be rejected, of 1.
        source: Whose signals they are, `/segment-of-one/PLAYBOOK`.
        records: Of the minute so far, with those that were rejected.
        rejected: Of these.
    """

    feed: str
    most: float
    source: str = ""
    records: int = 0
    rejected: int = 0
    _since: int | None = None
    _told: bool = False
    _hour: int | None = None

    def saw(self, now: int, records: int, rejected: int) -> bool:
        """Count records; return whether this makes the minute one of a flood, which is told once a minute.

        Args:
            now: Milliseconds of processing time.
            records: That came, with those that were rejected.
            rejected: Of these.
        """
        if self._since is None or now - self._since >= MINUTE:
            self._since, self._told, self.records, self.rejected = now, False, 0, 0
        self.records, self.rejected = self.records + records, self.rejected + rejected
        if self._told or self.rejected < LEAST or self.rejected <= self.most * self.records:
            return False
        self._told = True
        told = (
            "%s: %d of %d records were rejected within a minute, more than --alert-rejected allows; `rejected` says why"
        )
        _log.error(told, self.feed, self.rejected, self.records)
        return True

    def watched(self, element: Element, now: int) -> Element:
        """Return what was read with what is counted of the feed besides, and what its operator should look at.

        A flood is a record of the first minute of it in an hour of event time.
        """
        records, rejected = (element.counts.get(("signals", name), 0) for name in ("in", "rejected"))
        counts = {(RECORDS, self.feed): records, (REFUSED, self.feed): rejected}
        flooded, hour = self.saw(now, records, rejected), element.time // HOUR
        counts[FLOODS, self.feed] = int(flooded)
        counts = {**element.counts, **{key: count for key, count in counts.items() if count}}
        if not flooded or (self._hour is not None and hour <= self._hour):
            return element._replace(counts=counts)
        self._hour, most = hour, max(LEAST - 1, int(self.most * self.records))
        told = rejects_flood(self.source, self.feed, element.time, self.rejected, self.records, most)
        return element._replace(counts=counts, operations=(told,))
