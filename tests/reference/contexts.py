"""Contexts by definition: plain Python, tick by tick, from raw rows; written from the design, obviously right, slow.

Where the design leaves room, the reference reads it literally:

- The tick of a row is the first tick T > time. It *enters* then, or at closed + tick where that is later (a late row).
- A row that is too late is rejected before it is compared with its copies: a rejected copy beats nobody.
- Dedup is as of the tick T at which a row enters: it is a duplicate while T - tick <= time of the applied + horizon.
  So one long span forgets keys as many short ones do; a duplicate does not prolong the key of the copy it lost to.
- A profile row replaces the one before, its NULL fields included; the latest by (time, source, id) holds.
- A value with a `half_life` is its expression or, if that is more, the most that is left of what it was at any tick:
  whole micros, and nothing below a thousandth. It falls at refreshes.
- Aggregates ignore NULL, as SQL's do: `last` is the latest value that is known, `count: column` counts values and
  `count: any` rows.
- The default exit is "`enter` is not TRUE" (SQL's `NOT enter` would be NULL where `enter` is).
- `refreshed` looks at `enter` alone; a tick with an exit has no refresh.
- A membership that ends by itself at the tick at which it would be superseded tells its own reason.
- `repeat` counts from the edge, whether or not `again_after` let the edge fire; a firing that is late is a firing.
- A context that differs from the last written one only in how long ago something was has not changed.
- Consent is as of the tick: without it an inferred feature of a subscriber is NULL there, whatever came before or comes
  after; nothing is left of a fading value that reads one; a segment that reads one ends, first of all reasons.
- Who was known stays known, and `again_after` is remembered: that a subject is forgotten must not be observable.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from schemas.playbook import Playbook
from schemas.playbook_levels import MEMBERS, Derived, Level, Moment, Segment
from tests.reference.expressions import Value, evaluate, is_true, names
from tests.reference.features import (
    Observation,
    consents_at,
    days_until,
    feature_at,
    last_refresh,
    observed,
    of_members,
    profile_at,
)
from tests.reference.models import models_of
from tests.reference.records import MINUTE, Address, Context, Grid, Signal, Transition, Trigger
from tests.reference.sequences import Made, Threads, completed, made_by, see, told

Change = tuple[str, str, str, str | None]
"""Kind, name, event and reason of a transition."""

PROFILING = "consent.profiling"

Addressing = Callable[[str, str, int], Address]
"""Addresses a trigger: subject, name and tick."""


@dataclass
class Membership:
    """A subject's relation to one segment."""

    entered: int | None = None
    last_true: int = 0
    enter_was: bool = False
    barred: bool = False
    ignored: bool = False


@dataclass
class Pulse:
    """A subject's relation to one moment."""

    edge: int | None = None
    fired: int | None = None


@dataclass
class Subject:
    """What is known of a subject; `gone` are the segments that a version took away from under it.

    Of one that is `ignored` no condition holds, and nothing that happens is a trigger.
    """

    observed: dict[str, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    members: list[Mapping[str, Value]] = field(default_factory=list)
    profiles: list[Signal] = field(default_factory=list)
    consents: list[Signal] = field(default_factory=list)
    consenting: set[str] = field(default_factory=set)
    worths: dict[str, int | None] = field(default_factory=dict)
    memberships: dict[str, Membership] = field(default_factory=lambda: defaultdict(Membership))
    pulses: dict[str, Pulse] = field(default_factory=lambda: defaultdict(Pulse))
    gone: list[str] = field(default_factory=list)
    ignored: bool = False
    threads: dict[str, Threads] = field(default_factory=lambda: defaultdict(Threads))
    made: dict[str, Made] = field(default_factory=dict)

    def lose(self, lost: Callable[[str], bool]) -> None:
        """Drop all that came of the members that are lost, pending sequences too."""
        for name, rows in self.observed.items():
            self.observed[name] = [row for row in rows if not (row.member and lost(row.member))]
        for threads in self.threads.values():
            threads.going = [row for row in threads.going if not (row.subscriber and lost(row.subscriber))]
            for part, rows in threads.rows.items():
                threads.rows[part] = [row for row in rows if not (row.subscriber and lost(row.subscriber))]


def alone(subject: str, trigger: str, tick: int) -> Address:
    """Address the trigger of a subscriber who is in no group."""
    return Address("subscriber", subject, subject)


class Reference:
    """The context of every subject of one level, advanced by definition.

    Attributes:
        transitions: Every transition so far.
        triggers: Every trigger so far.
        evidence: The values that decided each transition, None where time did.
        contexts: The context of every known subject at every tick so far, by (subject, tick).
        written: Which of these must be written: at transitions, and every `contexts_every` if it is not as last written
            (not as an unknown subject's, where it never was).
        counts: applied, duplicates, late (of the applied) and rejected so far.
        waiting: The rows whose tick is not closed yet.
        late: The subjects of which a late row entered at the tick that closes.
        subjects: All that is known of them.
    """

    def __init__(
        self, playbook: Playbook, grid: Grid, kind: str = "subscriber", addressing: Addressing = alone
    ) -> None:
        """Start with no subject known and no tick closed."""
        self.playbook, self.level, self.grid = playbook, playbook.levels[kind], grid
        self.kind, self.addressing, self.late = kind, addressing, set[str]()
        self.closed: int | None = None
        self.subjects: dict[str, Subject] = defaultdict(Subject)
        self.waiting: list[Signal] = []
        self.transitions: list[Transition] = []
        self.triggers: list[Trigger] = []
        self.evidence: dict[Transition, Mapping[str, Value] | None] = {}
        self.contexts: dict[tuple[str, int], Context] = {}
        self.written: set[tuple[str, int]] = set()
        self.counts: Counter[str] = Counter(applied=0, duplicates=0, late=0, rejected=0, erased=0)
        self._applied: dict[tuple[str, str, str, str], int] = {}
        self._order = in_order(self.level, playbook.let)
        self._tabled, self._profile = tabled_of(playbook, self.level), profile_of(playbook, self.level)
        self._models = models_of(playbook)
        self._inferred = inferred(playbook, self.level) if kind == "subscriber" else set[str]()
        self._asked = asks(playbook, kind)
        self._last_written: dict[str, Context] = {}
        self.feeds: dict[tuple[str, str], int] = {}

    def advance(self, signals: Iterable[Signal], upto: int) -> None:
        """Take signals in, then close every tick up to and including `upto`."""
        self.take(signals)
        first = min(map(self.own_tick, self.waiting), default=upto)
        for tick in self.open(first, upto):
            self._close(tick)
        self.closed = upto

    def _close(self, tick: int) -> None:
        self.listen(tick)
        self.enter(tick)
        self.evaluate(tick)

    def open(self, first: int, upto: int) -> Iterable[int]:
        """Return the ticks to be closed, the first one where none is closed yet."""
        return range(first if self.closed is None else self.closed + self.playbook.tick, upto + 1, self.playbook.tick)

    def take(self, signals: Iterable[Signal]) -> None:
        """Let rows wait, but those that are too late; an erasure never is."""
        for row in signals:
            if (
                row.signal != "erasure"
                and self.closed is not None
                and row.time < self.closed - self.playbook.allowed_lateness
            ):
                self.counts["rejected"] += 1
            else:
                self.waiting.append(row)

    def own_tick(self, row: Signal) -> int:
        """Return the first tick after the time of a row."""
        return (row.time // self.playbook.tick + 1) * self.playbook.tick

    def listen(self, tick: int) -> None:
        """Note when each feed was last heard of, copies included."""
        for row in self.waiting:
            if self.own_tick(row) <= tick:
                feed = row.signal, row.source
                self.feeds[feed] = max(row.time, self.feeds.get(feed, row.time))

    def _waits(self, moment: Moment, tick: int) -> bool:
        """Return whether a feed is down that could end a sequence."""
        timeouts = self.playbook.feed_timeout
        mine = {feed: time for feed, time in self.feeds.items() if feed[0] in (moment.without or {})}
        return any(time < tick - timeouts[name] for (name, _), time in mine.items() if name in timeouts)

    def enter(self, tick: int) -> list[Signal]:
        """Let the rows of one tick enter; return those that are applied."""
        entering = [row for row in self.waiting if self.own_tick(row) <= tick]
        self.waiting = [row for row in self.waiting if self.own_tick(row) > tick]
        self.late, applied = set(), []
        for row in sorted(entering, key=lambda row: row.content):
            known = self._applied.get(row.key)
            if known is not None and tick - self.playbook.tick <= known + self.playbook.dedup_horizon:
                self.counts["duplicates"] += 1
                continue
            self._applied[row.key] = row.time
            self.counts["applied"] += 1
            self.counts["late"] += self.own_tick(row) < tick
            self.note(row, tick)
            applied.append(row)
        return applied

    def note(self, row: Signal, tick: int) -> None:
        """Make a row part of its subject's history; its subject is known from now on."""
        subject = self.subjects[row.subject]
        self.late |= {row.subject} if self.own_tick(row) < tick else set()
        subject.profiles += [row] if row.signal == "profile" else []
        subject.consents += [row] if row.signal == "consent" and row.payload["purpose"] == "profiling" else []
        for name, feature in self.level.features.items():
            subject.observed[name] += observed(feature, row, self.playbook)
        for name, moment in self.level.moments.items():
            see(moment, subject.threads[name], row, self.playbook)

    def erase(self, name: str, tick: int, late: bool) -> None:
        """Forget a subject; its memberships end."""
        gone = self.subjects.pop(name, Subject())
        for segment, member in gone.memberships.items():
            if member.entered is not None:
                one = Transition(tick, name, "segment", segment, "exited", "erased", late)
                self.transitions.append(one)
                self.evidence[one] = None
        self._applied = {key: time for key, time in self._applied.items() if key[0] != name}
        self._last_written.pop(name, None)

    def know(self, name: str) -> None:
        """Make a subject known from now on."""
        self.subjects[name] = self.subjects[name]

    def evaluate(self, tick: int) -> None:
        """Advance every known subject by one tick."""
        for subject in self.subjects:
            self._evaluate(subject, tick, subject in self.late)

    def _evaluate(self, name: str, tick: int, late: bool) -> None:
        """Advance one subject by one tick."""
        context, changes = self._advanced(self.subjects[name], tick)
        self.contexts[name, tick] = context
        found = [Transition(tick, name, *change, late) for change in changes]
        self.transitions += found
        made = self.subjects[name].made
        self.evidence |= {one: self._evidence(one, context, made.get(one.name, {})) for one in found}
        for one in filter(self._triggers, () if self.subjects[name].ignored else found):
            address = self.addressing(name, self._name(one), tick)
            trigger = Trigger(tick, name, self._name(one), late, context, made.get(one.name, {}), address)
            self.triggers.append(trigger)
        whole = tick % self.playbook.contexts_every == 0
        if not found and not whole:
            return
        lasting, nobody = self._lasting(context), self._lasting(self._advanced(Subject(), tick)[0])
        if found or lasting != self._last_written.get(name, nobody):
            self.written.add((name, tick))
            self._last_written.pop(name, None)
            self._last_written |= {} if lasting == nobody else {name: lasting}

    def _evidence(self, one: Transition, context: Context, made: Made) -> Mapping[str, Value] | None:
        """Return the values of what the condition behind a transition reads, and of the signals that made it."""
        seen: dict[str, Value] = {}
        if one.reason == "expired":
            return None
        if one.kind == "moment":
            moment = self.level.moments[one.name]
            seen = {f"trigger.{column}": made.get(column) for column in told(one.name, moment, self.playbook)}
            read = names(moment.when or "TRUE", self.playbook.let)
        elif one.reason == "superseded":
            read = before_in_set(self.level, self.level.segments[one.name])
        elif one.reason == "consent_withdrawn":
            read = {PROFILING}
        else:
            segment = self.level.segments[one.name]
            text = segment.exit if one.event == "exited" and segment.exit else segment.enter
            read = names(text, self.playbook.let)
        values = context.values | {key: key in context.segments for key in self.level.segments}
        return {name: values[name] for name in read - self.playbook.let.keys()} | seen

    def _lasting(self, context: Context) -> Context:
        """Return a context without what drifts with time alone: of `seconds_since_last`, whether there is one."""
        drifting = {name for name, feature in self.level.features.items() if feature.aggregate == "seconds_since_last"}
        values = {name: value is None if name in drifting else value for name, value in context.values.items()}
        return Context(values, context.segments)

    def _advanced(self, subject: Subject, tick: int) -> tuple[Context, list[Change]]:
        """Return the context of a subject at a tick, and what changed there."""
        level, changes = self.level, []
        consents = not self._asked or consents_at(subject.consents, self.playbook.policy.consent.profiling, tick)
        values = {PROFILING: consents} if self._asked else {}
        values |= {key: self._feature(key, subject, tick) for key in level.features}
        values |= dict.fromkeys(level.features.keys() & self._inferred) if not consents else {}
        values |= profile_at(subject.profiles, self._profile, tick)
        values |= {name: self._looked_up(name, values) for name in self._tabled}
        called = {name: file for name, file in self.playbook.model_files.items() if self._calls(name)}
        values |= {f"models.{name}": file.version for name, file in called.items()}
        for key in self._order:
            if key in level.derived:
                derived = level.derived[key]
                seen = self._seen(values, tick, derived.refresh)
                values[key] = _bounded(evaluate(derived.expr, seen, self.playbook.let), derived.bounds)
                if derived.half_life and key in self._inferred and not consents:
                    subject.worths[key] = None
                elif derived.half_life:
                    values[key], subject.worths[key] = faded(
                        derived, values[key], subject.worths.get(key), self._refreshed(derived, tick)
                    )
                continue
            member = subject.memberships[key]
            member.ignored = subject.ignored
            member.barred = key in self._inferred and not consents
            event, reason = self._segment(key, member, values, tick)
            values[key] = member.entered is not None
            changes += [("segment", key, event, reason)] if event else []
        for key, moment in level.moments.items():
            changes += [("moment", key, "fired", None)] if self._fires(key, moment, subject, values, tick) else []
        named = {key: value for key, value in values.items() if key not in level.segments}
        return Context(named, tuple(sorted(key for key in level.segments if values[key]))), changes

    def _feature(self, name: str, subject: Subject, tick: int) -> Value:
        """Return one feature of a subject at one tick."""
        if self.level.features[name].from_ == MEMBERS:
            return of_members(self.level.features[name], subject.members, self.playbook.let)
        feature, rows = self.level.features[name], subject.observed[name]
        if feature.inferred and self.kind != "subscriber" and self.playbook.profiling_needs:
            rows = [row for row in rows if not row.member or row.member in subject.consenting]
        return feature_at(feature, rows, tick, self.grid)

    def _segment(self, name: str, member: Membership, values: Mapping[str, Value], tick: int) -> tuple[str, str | None]:
        """Return the event of one segment at one tick ('' where there is none) and the reason of an exit."""
        segment = self.level.segments[name]
        seen = self._seen(values, tick, segment.refresh)
        enter = not member.ignored and is_true(segment.enter, seen, self.playbook.let)
        if member.ignored:
            leave = True
        elif segment.exit is not None:
            leave = is_true(segment.exit, seen, self.playbook.let)
        else:
            leave = not enter and segment.expire is None
        edge, member.enter_was = enter and not member.enter_was, enter
        member.last_true = tick if enter else member.last_true
        if member.entered is None:
            if not enter or leave or member.barred or self._superseded(segment, values):
                return "", None
            member.entered = tick
            return "entered", None
        ends = {
            "consent_withdrawn": member.barred,
            "condition_false": leave and tick >= member.entered + self._whole(segment.hold or 0),
            "expired": segment.expire is not None and tick >= member.last_true + self._whole(segment.expire),
            "superseded": self._superseded(segment, values),
        }
        reason = next((reason for reason, holds in ends.items() if holds), None)
        if reason is None:
            return "refreshed" if edge else "", None
        member.entered = None
        return "exited", reason

    def _superseded(self, segment: Segment, values: Mapping[str, Value]) -> bool:
        """Return whether the subject is, now, in a segment of the same set that goes before."""
        return any(values[key] is True for key in before_in_set(self.level, segment))

    def _fires(self, name: str, moment: Moment, subject: Subject, values: Mapping[str, Value], tick: int) -> bool:
        """Return whether a moment fires at one tick."""
        seen = self._seen(values, tick, moment.refresh)
        pulse, true = subject.pulses[name], is_true(moment.when or "TRUE", seen, self.playbook.let)
        true = true and not subject.ignored
        due = self._edge(moment, pulse, true, tick) if moment.after is None else False
        if moment.after and (pair := self.completed(name, moment, subject, tick)):
            subject.made[name], due = made_by(pair, told(name, moment, self.playbook)), true
        if not due or (pulse.fired is not None and tick < pulse.fired + (moment.again_after or 0)):
            return False
        pulse.fired = tick
        return True

    def completed(self, name: str, moment: Moment, subject: Subject, tick: int) -> list[Signal | None] | None:
        """End the sequences of a moment that end at a tick; return what completed there, see `completed`."""
        return completed(moment, subject.threads[name], tick, self._waits(moment, tick), self.playbook.tick)

    def _edge(self, moment: Moment, pulse: Pulse, true: bool, tick: int) -> bool:
        """Return whether a condition becomes true at one tick, or is due to repeat."""
        if not true:
            pulse.edge = None
            return False
        edge, pulse.edge = pulse.edge is None, tick if pulse.edge is None else pulse.edge
        return edge or bool(moment.repeat and (tick - pulse.edge) % moment.repeat == 0)

    def _calls(self, model: str) -> bool:
        """Return whether anything at this level calls a model."""
        every = [*texts(self.playbook, self.level), *map(str, self.playbook.let.values())]
        return any(f"{model}(" in text for text in every)

    def _looked_up(self, name: str, values: Mapping[str, Value]) -> Value:
        """Return a column of a table for the key in the profile; None where the table does not know it."""
        table, _, column = name.partition(".")
        rows = dict(zip(self.playbook.contents[table].keys, self.playbook.contents[table].columns[column], strict=True))
        return rows.get(values[self.playbook.tables[table].key])

    def _refreshed(self, derived: Derived, tick: int) -> int:
        """Return the last refresh of a derived value up to a tick."""
        return last_refresh(tick, derived.refresh or 1440 * MINUTE, self.playbook.time_zone)

    def _seen(self, values: Mapping[str, Value], tick: int, refresh: int | None) -> dict[str, object]:
        """Return what an expression sees at one tick: values, and dates as of the last refresh."""
        every, zone = refresh or 1440 * MINUTE, self.playbook.time_zone
        return {**values, **self._models, "days_until": lambda date: days_until(date, tick, every, zone)}

    def _name(self, transition: Transition) -> str:
        return f"{self.kind}.{transition.name}" + (".exited" if transition.event == "exited" else "")

    def _triggers(self, transition: Transition) -> bool:
        """Return whether a transition is a trigger: an offer names it and it is not late, or may be."""
        condition = self.level.segments.get(transition.name) or self.level.moments[transition.name]
        named = any(self._name(transition) in offer.for_ for offer in self.playbook.offers.values())
        silent = transition.event == "refreshed" or transition.reason == "consent_withdrawn"
        return named and not silent and (not transition.late or condition.on_late == "trigger")

    def _whole(self, duration: int) -> int:
        """Return a duration rounded up to whole ticks."""
        return -(-duration // self.playbook.tick) * self.playbook.tick


def in_order(level: Level, lets: Mapping[str, object]) -> list[str]:
    """Return the derived values and segments so that each follows what it reads."""
    texts = {key: [one.expr] for key, one in level.derived.items()}
    texts |= {key: [text for text in (one.enter, one.exit) if text] for key, one in level.segments.items()}
    reads = {key: {name for text in texts[key] for name in names(text, lets)} & texts.keys() for key in texts}
    for key, segment in level.segments.items():
        reads[key] |= before_in_set(level, segment)
    done: list[str] = []
    while len(done) < len(texts):
        done.append(next(key for key in texts if key not in done and reads[key] <= set(done)))
    return done


def texts(playbook: Playbook, level: Level) -> Iterator[str]:
    """Yield every expression over a level's contexts."""
    yield from (derived.expr for derived in level.derived.values())
    yield from (text for one in level.segments.values() for text in (one.enter, one.exit) if text)
    yield from (moment.when for moment in level.moments.values() if moment.when)
    for offer in playbook.offers.values():
        yield from (offer.eligible, offer.value, offer.cost, offer.p_accept or "0", *offer.params.values())


def asks(playbook: Playbook, kind: str) -> bool:
    """Return whether somebody asks for the consent of subjects of a kind."""
    return kind == "subscriber" and any(inferred(playbook, level) for level in playbook.levels.values())


def inferred(playbook: Playbook, level: Level) -> set[str]:
    """Return what needs consent: inferred features, and what reads any of that."""
    found = {name for name, feature in level.features.items() if feature.inferred and playbook.profiling_needs}
    for name in in_order(level, playbook.let):
        one = level.derived.get(name) or level.segments[name]
        read = [getattr(one, key, None) for key in ("expr", "enter", "exit")]
        if found & {each for text in read if text for each in names(text, playbook.let)}:
            found.add(name)
    return found


def before_in_set(level: Level, segment: Segment) -> set[str]:
    """Return the segments of a segment's exclusive set that have a smaller priority number."""
    every = level.segments.items() if segment.exclusive else ()
    return {key for key, one in every if one.exclusive == segment.exclusive and one.priority < segment.priority}


def faded(derived: Derived, level: Value, worth: int | None, refreshed: int) -> tuple[Value, int | None]:
    """Return a fading value as of its last refresh, and what all of its levels so far are worth at the most.

    A level c at a tick is worth the microsecond at which, halved in every half-life from the last refresh on, it is 1.
    """
    instant, half_life = 1000 * refreshed, 1000 * derived.half_life
    own = instant + round(half_life * math.log2(level)) if level is not None and level > 0 else None
    if worth is None or (own is not None and own >= worth):
        return level, own
    left = 2 ** ((worth - instant) / half_life)
    if left < 0.001:
        return level, worth
    return max(round(left * 1e6) / 1e6, -math.inf if level is None else level), worth


def tabled_of(playbook: Playbook, level: Level) -> set[str]:
    """Return the columns of tables that expressions over a level's contexts read."""
    read = {name for text in texts(playbook, level) for name in names(text, playbook.let)}
    return {name for name in read if name.partition(".")[0] in playbook.tables}


def profile_of(playbook: Playbook, level: Level) -> set[str]:
    """Return the fields of the profile that expressions over a level's contexts read, through tables too."""
    read = {name for text in texts(playbook, level) for name in names(text, playbook.let) if "profile." in name}
    return read | {playbook.tables[name.partition(".")[0]].key for name in tabled_of(playbook, level)}


def _bounded(value: Value, bounds: tuple[float, float] | None) -> Value:
    return value if value is None or bounds is None else min(max(value, bounds[0]), bounds[1])
