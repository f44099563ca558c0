"""The reference: decisions by hand, one contact root after the other, tick by tick, written from the specification.

It is slow and simple on purpose. See `docs/decisions/0047-gates.md`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.transforms.decision.reference_erasure import Erasure, forget, names, number, told_without
from tests.transforms.decision.reference_explore import explore
from tests.transforms.decision.reference_gates import Candidate, Gate, Look
from tests.transforms.decision.reference_goals import own_tick, reached
from tests.transforms.decision.reference_ledger import Entry, Ledger
from tests.transforms.decision.reference_policy import ALL, INBOUND, Fact, Holdout, Notice, Policy, Root, Trigger, draw
from tests.transforms.decision.reference_records import Cause, Decision, Judged, Lines, decision_of, lines_of
from tests.transforms.decision.reference_told import Told


@dataclass(frozen=True)
class Reference:
    """Decides triggers as a policy says, and as later ones do from some ticks on."""

    policy: Policy
    later: Sequence[tuple[int, Policy]] = ()
    erasures: Sequence[Erasure] = ()

    def decide(
        self, triggers: Iterable[Trigger], facts: Iterable[Fact], notices: Iterable[Notice], upto: int
    ) -> list[Decision]:
        """Return all decisions up to a tick by tick, subject and decision id."""
        triggers, facts = list(triggers), list(facts)
        versions = [(-1, self.policy), *self.later]
        heard = {signal for _, policy in versions for signal in policy.heard}
        notices = [one for one in notices if one.signal in heard]
        decided = []
        for root in {trigger.root for trigger in triggers}:
            told = Told([one for one in facts if one.root == root], [one for one in notices if one.root in (root, ALL)])
            mine = [one for one in triggers if one.root == root]
            made = sorted(_Walk(root, versions, told, mine, self.erasures).upto(upto), key=lambda one: one[0])
            if "sequence" in self.policy.says:
                resets = [one.tick for one in self.erasures if one.who == root]
                numbers = number([place[:2] for place, _ in made], resets)
                made = [(place, one | {"sequence": n}) for n, (place, one) in zip(numbers, made, strict=True)]
            decided += made
        return [one for _, one in sorted(decided, key=lambda one: one[0])]


@dataclass
class _Waiting:
    """A trigger that was deferred, after `n` answers before this one."""

    trigger: Trigger
    n: int
    until: int | None
    deadline: int
    inbound: Entry | None = None  # what own channels show until then
    shown: int | None = None  # the tick from which on own channels had their time

    def wakes(self, tick: int, opened: bool) -> bool:
        """Tell whether it is looked at again at a tick, something having opened or not."""
        return tick in (self.until, self.deadline) or (opened and self.inbound is None)


@dataclass
class _Walk:
    """The way of one contact root through time, under the policies that hold from some ticks on."""

    root: Root
    versions: Sequence[tuple[int, Policy]]
    told: Told
    triggers: Sequence[Trigger]
    erasures: Sequence[Erasure] = ()
    waiting: list[_Waiting] = field(default_factory=list)
    out: list[tuple[Look, Candidate]] = field(default_factory=list)  # offers that were made and not withdrawn
    policy: Policy = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.policy = self.versions[0][1]
        self.ledger = Ledger(self.policy)

    def upto(self, end: int) -> Iterator[tuple[tuple[Any, ...], Decision]]:
        """Yield each decision and its place among all."""
        tick = min(self._moments(-1), default=end + 1)
        while tick <= end:
            for rank, decisions in enumerate((self._erase(tick), self._at(tick))):
                for trigger, decision in decisions:
                    yield (tick, rank, trigger.kind, trigger.subject, decision["decision_id"]), decision
            tick = min(self._moments(tick), default=end + 1)

    def _moments(self, after: int) -> Iterator[int]:
        """Yield the ticks after one at which something may happen."""
        ticks: list[int | None] = [one.tick for one in self.triggers]
        ticks += [one.tick for one in self.told.facts]
        ticks += [one.tick for one in self.told.notices]
        ticks += [start for start, _ in self.versions] + [one.tick for one in self.erasures]
        ticks += [self.policy.on_grid(one.payload.get("valid_until") or 0) for one in self.told.notices]
        ticks += [when for when, _ in self.ledger.timeouts()]
        ticks += [when for one in self.waiting for when in (one.until, one.deadline)]
        ticks += [self._lapses(*made) for made in self.out if made[1].channel == INBOUND]
        yield from (one for one in ticks if one is not None and one > after)

    def _erase(self, tick: int) -> Iterator[tuple[Trigger, Decision]]:
        """Forget whom erasures of a tick name, and yield withdrawals of what is out to it, or for it."""
        for erasure in sorted((one for one in self.erasures if one.tick == tick), key=lambda one: one.who):
            for made, candidate in [one for one in self.out if names(one[0].trigger, erasure.who)]:
                self.out.remove((made, candidate))
                last = self._lapses(made, candidate)
                valid = tick < last or (tick == last and candidate.channel == INBOUND)
                if valid and not self._settled(made):
                    yield made.trigger, self._withdrawn(made, candidate, tick, "erased", erasure.cause)
            self.waiting = [one for one in self.waiting if not names(one.trigger, erasure.who)]
            self.told = told_without(self.told, erasure)
            forget(self.ledger, self.root, erasure.who)
            said = [one for one in self.told.notices if one.signal in ("contact", "outcome") and one.tick < tick]
            self.ledger.hear_again(sorted(said, key=lambda one: (one.tick, one.order, one.signal)))

    def _at(self, tick: int) -> Iterator[tuple[Trigger, Decision]]:
        self.policy = self.ledger.policy = next(one for start, one in reversed(self.versions) if start <= tick)
        notices = sorted(
            (one for one in self.told.notices if one.tick == tick), key=lambda one: (one.order, one.signal)
        )
        for notice in notices:
            if notice.signal in ("contact", "outcome"):
                self.ledger.hear(notice)
        self.ledger.fill_in()
        opened = self.ledger.time_out(tick) or bool(notices) or self.told.resized(self.root, tick)
        yield from self._withdraw(tick)
        yield from self._cancel(tick)
        fresh = [_Waiting(one, -1, tick, tick) for one in self.triggers if one.tick == tick]
        again = [one for one in self.waiting if one.wakes(tick, opened or bool(self._facts(one, tick)))]
        looks = [(self._look(one, tick), one) for one in (*fresh, *again)]
        before = list(self.ledger.entries)
        for look, one in sorted(looks, key=lambda pair: pair[0].turn):
            decision = self._came_in(look, one) or self._answer(look, before)
            self.waiting = [other for other in self.waiting if other is not one]
            silent = decision["action"] == "deferred" and tick not in (one.until, one.deadline)
            if decision["action"] == "deferred":
                n = one.n if silent else look.n
                deadline = decision.pop("deadline")
                self.waiting.append(_Waiting(one.trigger, n, decision["until"], deadline, shown=look.shown))
            if not silent:
                yield one.trigger, decision

    def _look(self, one: _Waiting, tick: int) -> Look:
        shown = one.inbound.tick if one.inbound else one.shown
        return Look(self.policy, self.told, one.trigger, tick, one.n + 1, shown)

    def _came_in(self, look: Look, one: _Waiting) -> Decision | None:
        """Return the decision about somebody who came and saw the offer."""
        came = one.inbound is not None and one.inbound.came
        return decision_of(look, "no_offer", "came_in") if came else None

    def _facts(self, one: _Waiting, tick: int) -> list[Fact]:
        """Return what is told at a tick of the segment that the trigger entered."""
        trigger = one.trigger
        if trigger.trigger not in self.policy.segments:
            return []
        about = (trigger.trigger, trigger.subject, tick)
        return [fact for fact in self.told.facts if (fact.segment, fact.subject, fact.tick) == about]

    def _cancel(self, tick: int) -> Iterator[tuple[Trigger, Decision]]:
        """Yield decisions about triggers whose segment is no longer held."""
        for one in list(self.waiting):
            segment, subject = one.trigger.trigger, one.trigger.subject
            left = self._facts(one, tick) and not self.told.member(segment, subject, tick)
            if left or self.told.moved(one.trigger.recipient, tick):
                self.waiting.remove(one)
                yield one.trigger, decision_of(self._look(one, tick), "no_offer", "segment_exited" if left else "moved")

    def _withdraw(self, tick: int) -> Iterator[tuple[Trigger, Decision]]:
        """Yield withdrawals of offers that are still valid and meet a pause, a lost consent, or a goal."""
        for made, candidate in list(self.out):
            why, settled = self._overtaken(made, candidate, tick), self._settled(made)
            if lapsed := tick >= self._lapses(made, candidate):
                over = made.tick + made.policy.valid_for(candidate.offer, candidate.channel)
                why = ("expired", (None, None, over)) if candidate.channel == INBOUND else None
            if settled or lapsed or why:
                self.out.remove((made, candidate))
            if why and not settled:
                yield made.trigger, self._withdrawn(made, candidate, tick, *why)

    def _overtaken(self, made: Look, candidate: Candidate, tick: int) -> tuple[str, Cause] | None:
        """Return why an offer that was made is shut out at a tick, and what does that."""
        now = Look(self.policy, self.told, made.trigger, tick, made.n)
        shut = {name: reason for name, result, reason, _ in now.gates(candidate, []) if result != "passed" and reason}
        for gate, signal in (("paused", "control"), ("consent", "consent")):
            if gate in shut:
                read = now.read(gate, shut[gate], candidate, [])
                return shut[gate], (signal, *(read or (None, None)))
        goal = self._reached(made, candidate, tick)
        return ("goal_reached", goal) if goal else None

    def _settled(self, made: Look) -> bool:
        return any(entry.settled for entry in self.ledger.entries if entry.decision == made.id)

    def _withdrawn(self, made: Look, candidate: Candidate, tick: int, reason: str, cause: Cause) -> Decision:
        now = Look(self.policy, self.told, made.trigger, tick, made.n)
        sent = {"offer": candidate.offer.name, "channel": candidate.channel, "value_micros": candidate.micros}
        place = {"decision_id": made.id, "root": made.trigger.root, "cause": cause}
        return decision_of(now, "withdrawn", reason) | sent | place

    def _lapses(self, made: Look, candidate: Candidate) -> int:
        """Return the tick from which an offer that was made is no longer valid."""
        return made.policy.on_grid(made.tick + made.policy.valid_for(candidate.offer, candidate.channel))

    def _reached(self, made: Look, candidate: Candidate, tick: int) -> Cause | None:
        """Return the first notice of a tick that a goal of the family of an offer that was made is reached."""
        kin = [one for one in self.policy.offers if one.goal and one.family == candidate.offer.family]
        told = [(notice, one.goal_signal) for one in kin for notice in reached(self.told, one.name, made.people, tick)]
        late = [one for one in told if one[0].tick == tick and made.tick < own_tick(self.policy, one[0])]
        if not late:
            return None
        first, signal = min(late, key=lambda one: (one[0].order, one[1]))
        return (signal, first.id, first.time)

    def _answer(self, look: Look, before: Sequence[Entry]) -> Decision:
        judged = [(one, look.gates(one, self.ledger.entries)) for one in look.candidates]
        lines = lines_of(look, judged, self.ledger.entries)
        passing = [candidate for candidate, gates in judged if _passes(gates)]
        if passing:
            return self._send(look, lines, *explore(self.policy, look.id, passing))
        for _, gates in judged:
            if _is_deferred(gates):
                reason = next(reason for _, result, reason, _ in gates if result == "deferred")
                untils = [_until(gates) for _, gates in judged if _is_deferred(gates)]
                until = min((one for one in untils if one is not None), default=None)
                more = {"until": until, "deadline": self._deadline(look, judged)}
                return decision_of(look, "deferred", reason, lines) | more
        lost = any(_passes(look.gates(one, before)) for one in look.candidates)
        reason = (
            next((reason for _, result, reason, _ in judged[0][1] if result == "blocked"), None) if judged else None
        )
        reason = reason if look.recipient else "no_recipient"
        return decision_of(look, "outranked" if lost else "no_offer", reason, lines)

    def _send(self, look: Look, lines: Lines, best: Candidate, propensity: float) -> Decision:
        offer, trigger = best.offer, look.trigger
        arm = next((one.name for one in self._holdouts() if _holds(one, offer.family, look.root)), None)
        until = self._lapses(look, best)
        entry = Entry(
            tick=look.tick,
            subject=look.subject,
            recipient=trigger.recipient,
            offer=offer.name,
            family=offer.family,
            message=offer.message,
            channel=best.channel,
            decision=look.id,
            root=look.root,
            read=(look.id, look.tick),
            until=until if best.channel == INBOUND else None,
        )
        self.ledger.entries.append(entry)
        if arm is None:
            self.out.append((look, best))
        if best.channel == INBOUND and until < look.tick + offer.valid_for:
            self.waiting.append(_Waiting(trigger, look.n, until, until, entry))
        sent = {"offer": offer.name, "channel": best.channel, "value_micros": best.micros, "arm": arm}
        more = {"propensity": propensity, "valid_until": None if arm else until}
        sent |= {name: value for name, value in more.items() if name in self.policy.says}
        return decision_of(look, "holdout" if arm else "offer", None, lines) | sent

    def _holdouts(self) -> list[Holdout]:
        return sorted(self.policy.holdouts, key=lambda one: (one.name != "global", one.name))

    def _deadline(self, look: Look, judged: Judged) -> int:
        """Return the first tick at which none of what is deferred waits any more."""
        names = {one.offer.name for one, gates in judged if _is_deferred(gates)}
        return max(self.policy.on_grid(look.deadline(one)) for one in self.policy.offers if one.name in names)


def _holds(holdout: Holdout, family: str, root: Root) -> bool:
    return holdout.family in (None, family) and draw("holdout", holdout.name, *root) < holdout.share


def _passes(gates: list[Gate]) -> bool:
    return all(result == "passed" for _, result, _, _ in gates)


def _is_deferred(gates: list[Gate]) -> bool:
    results = {result for _, result, _, _ in gates}
    return "deferred" in results and "blocked" not in results


def _until(gates: list[Gate]) -> int | None:
    """Return the latest of what defers; None where one is open-ended."""
    untils = [until for _, result, _, until in gates if result == "deferred"]
    return None if None in untils else max(one for one in untils if one is not None)
