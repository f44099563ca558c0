"""The plans of a playbook in all its versions, and how a shard passes from one to the next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from schemas.contracts import Contract
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from schemas.versions import Versions
from transforms.compiler.consents import CONSENT
from transforms.compiler.context_plan import ContextPlan, Record
from transforms.compiler.features import SUBSCRIBER, signal_plan
from transforms.compiler.keys import FORWARDED
from transforms.compiler.levels import columns_read, noticing
from transforms.compiler.load import contracts, load_plans
from transforms.compiler.notices import CONTROL, notices_of_all, schemas_of
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.offer_plan import offers_for
from transforms.compiler.profiles import PROFILE
from transforms.context.advance_levels import AdvancedLevels, Levels, advance_levels
from transforms.context.emit.triggers import trigger_schema
from transforms.context.grid import Grid
from transforms.context.run import USUAL, Options
from transforms.decision.decide import Decided
from transforms.decision.erasure import decide_and_erase
from transforms.decision.ledgers import Ledgers


@dataclass(frozen=True)
class ContextPlans:
    """The levels of a playbook in all its versions.

    Attributes:
        versions: The playbooks.
        plans: The plans by level, for each version; all take the same signals and give the same columns.
    """

    versions: Versions
    plans: tuple[Mapping[str, ContextPlan], ...]

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The payload columns of each signal that some version reads."""
        read: dict[str, set[str]] = {}
        for plans in self.plans:
            for signal, columns in columns_read(plans).items():
                read.setdefault(signal, set()).update(columns)
        return {signal: tuple(sorted(columns)) for signal, columns in read.items()}

    @property
    def controls(self) -> pa.Schema | None:
        """The columns of notices of `control` signals; None where no contact root is told of these."""
        return self.plans[0][SUBSCRIBER].notice_schemas.get(CONTROL)

    @property
    def names(self) -> Mapping[str, frozenset[str]]:
        """What `control` signals may name, by scope."""
        return self.plans[0][SUBSCRIBER].names

    def advance(
        self,
        levels: Sequence[str],
        state: Levels | bytes | None,
        closed: int | None,
        batches: Sequence[pa.RecordBatch],
        upto: int,
        options: Options = USUAL,
    ) -> AdvancedLevels:
        """Advance some levels of a shard to the tick `upto`, each version to its last tick; see `advance_levels`.

        Args:
            levels: Those of them that the playbook has are advanced.
            state: What the last call gave.
            closed: The tick to which that went; None at first.
            batches: Signal batches, in any order.
            upto: A tick after `closed`.
            options: How.
        """
        made: list[AdvancedLevels] = []
        for number, end in self.versions.spans(closed, upto):
            plans = [self.plans[number][level] for level in levels if level in self.plans[number]]
            if made:
                state, batches = made[-1].levels, made[-1].waiting
            ends = options.final and end == upto
            made.append(advance_levels(plans, state, batches, end, replace(options, final=ends)))
        every = [[one for part in level for one in part] for level in zip(*(one.made for one in made), strict=True)]
        erased = [each for one in made for each in one.erased]
        last = made[-1]
        return AdvancedLevels(every, last.levels, self.versions.next_start(upto), last.held, erased)


@dataclass(frozen=True)
class OfferPlans:
    """The offers of a playbook in all its versions.

    Attributes:
        versions: The playbooks.
        plans: One a version; all take the same triggers and give the same columns.
    """

    versions: Versions
    plans: tuple[OfferPlan, ...]

    def decide(
        self, ledgers: Ledgers, batches: Sequence[pa.RecordBatch], upto: int
    ) -> Iterator[tuple[OfferPlan, Decided, pa.Table]]:
        """Answer the triggers of every tick up to `upto`, each under the version of its tick; see `decide_and_erase`.

        Yields:
            The plan of each version, what it decided and what was then removed, at least once; the last has what waits.
            What is out is looked at when the next version takes over.
        """
        turn = self.versions.next_start(upto)
        for number, end in self.versions.spans(ledgers.closed, upto):
            for decided, removed in decide_and_erase(self.plans[number], ledgers, batches, end):
                wakes = [tick for tick in (decided.wake, turn) if tick is not None]
                yield self.plans[number], replace(decided, wake=min(wakes, default=None)), removed
                batches = decided.waiting


@lru_cache(maxsize=16)
def load_contexts(versions: Versions, grid: Grid | None = None) -> ContextPlans:
    """Compile the levels of all versions, once a process.

    Args:
        versions: The checked playbooks.
        grid: Panes other than the usual ones, for tests.

    Raises:
        LoadErrors: mistakes in a version, a name that means values of another type than in the version before, levels
            that are not those of the first.
    """
    plans = [load_plans(book, grid) for book in versions.playbooks]
    if len(plans) == 1:
        return ContextPlans(versions, tuple(plans))
    record, notices, known = _record(versions, plans), notices_of_all(versions.playbooks), contracts_of(versions)
    joined = (
        {
            level: _telling(_joined(plan, [other[level] for other in plans], record), [old[level] for old in plans[:n]])
            for level, plan in of_version.items()
        }
        for n, of_version in enumerate(plans)
    )
    told = ({level: noticing(plan, notices, known) for level, plan in of_version.items()} for of_version in joined)
    return ContextPlans(versions, tuple(told))


@lru_cache(maxsize=16)
def load_all_offers(versions: Versions, mode: str = "live", decide_from: int | None = None) -> OfferPlans:
    """Compile the offers of all versions over the contexts that they define, once a process.

    Args:
        versions: The checked playbooks.
        mode: What the offers are for.
        decide_from: Triggers of earlier ticks, milliseconds, get no answer; None: all are answered.

    Raises:
        LoadErrors: as `load_contexts`; mistakes in the expressions of offers.
    """
    first = load_contexts(versions).plans[0][SUBSCRIBER]
    triggers = trigger_schema(first)
    plans = [offers_for(book, triggers, mode) for book in versions.playbooks]
    keep = max(plan.memory for plan in plans)
    notices = notice_schemas(versions)
    tickets = tuple(plan.ticket for plan in plans if plan.ticket is not None)
    shared: dict[str, Any] = {"keep": keep, "notices": notices, "tickets": tickets, "decide_from": decide_from}
    return OfferPlans(versions, tuple(replace(plan, **shared) for plan in plans))


def contracts_of(versions: Versions) -> dict[str, Contract]:
    """Return the contracts of the signals that some version reads.

    Raises:
        LoadErrors: unknown signal types, unreadable contracts, one that is another in a later version.
    """
    found: dict[str, Contract] = {}
    errors = []
    for book in versions.playbooks:
        for name, mine in contracts(book).items():
            if found.setdefault(name, mine) != mine:
                message = f"the contract of `{name}` is not that of an earlier version"
                errors.append(book.error(("signals",), message, hint="give the signal type another name"))
    if errors:
        raise LoadErrors(errors)
    return found


def notice_schemas(versions: Versions) -> dict[str, pa.Schema]:
    """Return the columns of the batches of notices that contact roots get under all versions, by signal type.

    Raises:
        LoadErrors: as `contracts_of`.
    """
    return schemas_of(notices_of_all(versions.playbooks), contracts_of(versions))


def _joined(plan: ContextPlan, plans: Sequence[ContextPlan], record: Record) -> ContextPlan:
    """Return a plan that takes the signals of all versions, and keeps the profile and consent that any reads.

    Of the fields that only others read nothing comes due. After a move it bars for as long as any version asks for.
    Groups are told of members as recipients what any version reads.
    """
    signals = {name: signal_plan(plan.level, name, ()) for other in plans for name in other.signals} | {**plan.signals}
    for name in signals.keys() & {PROFILE, CONSENT}:
        every = (feature for other in plans for feature in other.features if feature.name.startswith(f"{name}."))
        fields = {feature.name: replace(feature, deadlines=()) for feature in every}
        mine = {feature.name: feature for feature in signals[name].features}
        kept = signal_plan(plan.level, name, (fields | mine).values())
        columns = tuple(sorted({*kept.columns, *signals[name].columns}))
        rest = {part: getattr(signals[name], part) for part in ("passed", "steps", "goals")}
        signals[name] = replace(kept, columns=columns, **rest)
    longest = {
        name: max(getattr(other, name) for other in plans) for name in ("contacts_matter", "goals_matter", "move_bars")
    }
    names = {scope: frozenset().union(*(other.names[scope] for other in plans)) for scope in plan.names}
    told = [forward for other in plans for forward in other.forwards]
    facts = {kind: frozenset().union(*(one.facts for one in told if one.kind == kind)) for kind in GROUPS}
    forwards = tuple(replace(forward, facts=facts[forward.kind]) for forward in plan.forwards)
    return replace(plan, signals=signals, record=record, names=names, forwards=forwards, **longest)


def _telling(plan: ContextPlan, before: Sequence[ContextPlan]) -> ContextPlan:
    """Return a plan that tells contact roots what the versions before do, too: triggers may wait since then."""
    names = {segment.name for segment in plan.segments}
    announced = plan.announced_segments.union(*(names & old.announced_segments for old in before))
    return replace(
        plan,
        announced_segments=announced,
        announces_moves=any(old.announces_moves for old in (plan, *before)),
        keys={**plan.keys, **dict.fromkeys((f"{FORWARDED}{name}" for name in announced), "")},
    )


def _record(versions: Versions, plans: Sequence[Mapping[str, ContextPlan]]) -> Record:
    """Return the columns of records of all versions."""
    context: dict[str, pl.DataType] = {}
    evidence: dict[str, pl.DataType] = {}
    errors: list[LoadError] = []
    for book, of_version in zip(versions.playbooks, plans, strict=True):
        errors += [_other_levels(book, level) for level in sorted(of_version.keys() ^ plans[0].keys())]
        mine = of_version[SUBSCRIBER].record
        for known, new in ((context, mine.context), (evidence, mine.evidence)):
            for name in (name for name, dtype in new.items() if known.get(name, dtype) != dtype):
                message = f"`{name}` is {new[name]}, and {known[name]} in an earlier version"
                errors.append(book.error((), message, hint="give it another name: outputs have one column for it"))
        context.update(mine.context)
        evidence.update(mine.evidence)
    if errors:
        raise LoadErrors([*dict.fromkeys(errors)])
    return Record(context, evidence)


def _other_levels(book: Playbook, level: str) -> LoadError:
    message = f"`{level}`: one version has this section and another has not"
    return book.error(
        (), message, hint="who is in which group is kept from the beginning: give each version the section"
    )
