"""The ledger of one contact root, and limits over it, by hand."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from tests.transforms.decision.reference_goals import People
from tests.transforms.decision.reference_policy import Notice, Policy, Root, local

Read = tuple[str | None, int]
"""Of what shuts a gate the id, None: erased; and the time of a signal, or the tick of a decision."""
SETTLED = ("rejected", "declined", "complained", "failed", "accepted", "fulfilled", "expired")
REJECTIONS = ("rejected", "declined", "complained")


@dataclass
class Entry:
    """One contact: of a decision of ours, or, without one, reported by others."""

    tick: int
    subject: Root  # whose trigger it answers
    recipient: str | None
    offer: str | None
    family: str | None
    message: str
    channel: str | None
    decision: str | None = None  # empty: it was erased
    root: Root | None = None  # of the decision
    read: Read = (None, 0)
    counts: bool = True  # it is not released
    until: int | None = None  # of one by own channels: it is released then
    reported: bool = False
    came: bool = False  # something but a failure was reported
    rejected: bool = False
    settled: bool = False  # there is nothing left to withdraw
    reports: list[Notice] = field(default_factory=list)  # of a decision that is not known

    def hear(self, signal: str, word: str | None) -> None:
        """Take in what a contact or an outcome says of it."""
        self.reported = True
        self.came = self.came or word != "failed"
        self.counts = word != "failed"
        self.rejected = self.rejected or (signal == "outcome" and word in REJECTIONS)

    @property
    def people(self) -> People | None:
        """Whose goals count for it; None where it is nothing that was decided."""
        return None if self.root is None else People(self.subject, self.recipient, self.root)


@dataclass
class Ledger:
    """What a contact root got, and what it would have got if it were not held out."""

    policy: Policy
    entries: list[Entry] = field(default_factory=list)
    known: set[tuple[str, ...]] = field(default_factory=set)  # contacts of others
    others: dict[tuple[str, ...], list[Notice]] = field(default_factory=dict)  # reports of decisions of others

    def hear(self, notice: Notice) -> None:
        """Take in a contact or an outcome."""
        said = notice.payload
        word = _word(notice)
        known = notice.tick - self.policy.tick - self.policy.known_for
        named = [one for one in self.entries if one.decision and one.decision == said.get("decision_id")]
        ours = [one for one in named if one.tick > known]
        for entry in named:
            entry.settled = entry.settled or word in SETTLED
        for entry in ours:
            entry.hear(notice.signal, word)
        if not ours and said.get("decision_id"):
            self._of_other(notice)
        elif not ours and notice.signal == "contact" and word != "failed":
            self._foreign(notice)

    def hear_again(self, notices: Sequence[Notice]) -> None:
        """Take in what is left of what was said of known decisions, and nothing else."""
        for entry in (one for one in self.entries if one.decision):
            entry.reported = entry.came = entry.rejected = entry.settled = False
            entry.counts = True
            for notice in (one for one in notices if one.payload.get("decision_id") == entry.decision):
                word = _word(notice)
                if notice.tick > entry.tick:
                    entry.settled = entry.settled or word in SETTLED
                if entry.tick < notice.tick < entry.tick + self.policy.known_for + self.policy.tick:
                    entry.hear(notice.signal, word)

    def _of_other(self, notice: Notice) -> None:
        """Take in what is said of a decision of another root: the first that implies a contact makes one."""
        key = (notice.subject_kind, notice.subject, "", notice.payload["decision_id"])
        reports = self.others.setdefault(key, [])
        reports.append(notice)
        brought = notice.signal == "contact" or (notice.again and notice.subject_kind == "subscriber")
        if brought and _word(notice) != "failed" and key not in self.known:
            self.known.add(key)
            self._add(notice, reports)
        for entry in (one for one in self.entries if one.reports is reports):
            entry.reported, entry.counts = True, _word(reports[-1]) != "failed"
            entry.rejected = any(one.signal == "outcome" and _word(one) in REJECTIONS for one in reports)

    def fill_in(self) -> None:
        """Say of contacts of others what they report of themselves, and what the policy of now says of their offers."""
        offers = {one.name: one for one in self.policy.offers}
        for entry in (one for one in self.entries if one.reports):
            entry.offer, entry.channel, family, message = (
                next((one.payload[name] for one in entry.reports if one.payload.get(name)), None)
                for name in ("offer", "channel", "family", "message")
            )
            ours = offers.get(entry.offer or "")
            entry.family = family or (ours.family if ours else None)
            entry.message = message or (ours.message if ours else "marketing")

    def _foreign(self, notice: Notice) -> None:
        key = (notice.subject_kind, notice.subject, notice.source, notice.id)
        if key not in self.known:
            self.known.add(key)
            self._add(notice, [])

    def _add(self, notice: Notice, reports: list[Notice]) -> None:
        said, reached = notice.payload, notice.subject if notice.subject_kind == "subscriber" else None
        self.entries.append(
            Entry(
                tick=(notice.time // self.policy.tick + 1) * self.policy.tick,
                subject=(notice.subject_kind, notice.subject),
                recipient=reached,
                offer=said.get("offer"),
                family=said.get("family"),
                message=said.get("message") or "marketing",
                channel=said.get("channel"),
                read=(notice.id, notice.time),
                reports=reports,
            )
        )

    def timeouts(self) -> Iterator[tuple[int, Entry]]:
        """Yield what nobody reported and when that is released, as the policy of now says."""
        within = self.policy.contacts_reported_within if self.policy.on_silence == "release" else None
        for entry in self.entries:
            if entry.decision is not None and not entry.reported:
                if entry.until is not None:
                    yield entry.until, entry
                elif within:
                    yield self.policy.on_grid(entry.tick + within), entry

    def time_out(self, tick: int) -> bool:
        """Release what nobody reported until now; tell whether any is released now."""
        for entry in self.entries:
            entry.counts = entry.counts or not entry.reported
        for when, entry in self.timeouts():
            entry.counts = tick < when
        return any(when == tick for when, _ in self.timeouts())


def _word(notice: Notice) -> str | None:
    word: str | None = notice.payload.get("state" if notice.signal == "contact" else "result")
    return word


@dataclass(frozen=True)
class Limit:
    """At most `max` in a period, of some contacts; `zone` is the recipient's, None: unknown."""

    reason: str
    max: int
    period: int | str
    counted: Sequence[Entry]
    zone: ZoneInfo | None
    because: Notice | None = None

    def read(self, tick: int) -> Read | None:
        """Return what has to go before something may come: of what counts the `max`-th latest."""
        if self.because:
            return self.because.id, self.because.time
        if self.unknown or not self.max:
            return None
        inside = [one for one in self.counted if self._counts(one.tick, tick)]
        return sorted(inside, key=lambda one: (one.tick, one.read[0] or ""))[-self.max].read

    @property
    def unknown(self) -> bool:
        """Whether nobody can know what it counts."""
        return isinstance(self.period, str) and self.zone is None

    def full(self, tick: int) -> bool:
        """Tell whether nothing may come at a tick."""
        return self.unknown or sum(self._counts(one.tick, tick) for one in self.counted) >= self.max

    def opens(self, tick: int, last: int, step: int) -> int | None:
        """Return the first tick after this, up to the last, at which something may come."""
        if self.unknown:
            return None
        if isinstance(self.period, int):  # it changes only where something leaves it
            after = sorted(-(-(one + self.period) // step) * step for one in (each.tick for each in self.counted))
            return next((one for one in after if tick < one <= last and not self.full(one)), None)
        later = range(tick + step, last + 1, step)
        return next((one for one in later if self._number(one) > self._number(tick) and not self.full(one)), None)

    def _counts(self, then: int, tick: int) -> bool:
        if isinstance(self.period, int):
            return tick - self.period < then <= tick
        return self._number(then) == self._number(tick)

    def _number(self, tick: int) -> tuple[int, ...]:
        assert self.zone is not None
        date = local(tick, self.zone).date()
        if self.period == "week":
            return date.isocalendar()[:2]
        return (date.year, date.month, date.day) if self.period == "day" else (date.year, date.month)
