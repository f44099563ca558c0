"""Answers: what triggers came to, before they are written down."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints, changes, pick, replaced
from transforms.arrays.in_time import FOREVER
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import Contact, OfferPlan
from transforms.decision.arbitration import Verdicts
from transforms.decision.candidates import params_of
from transforms.decision.deferral import Deferrals, entry_schema
from transforms.decision.draws import held_out
from transforms.decision.exploration import Floats
from transforms.decision.ids import decision_ids
from transforms.decision.ledger_state import RESERVATION
from transforms.decision.notices import Notices
from transforms.decision.roots import own_roots

ACTIONS = ("no_offer", "outranked", "deferred", "offer", "holdout", "withdrawn")
_OFFER, _HOLDOUT = ACTIONS.index("offer"), ACTIONS.index("holdout")


@dataclass(frozen=True)
class Answers:
    """What triggers came to.

    Attributes:
        plan: The offers and limits.
        entries: As `deferral.entry_schema`.
        alone: Whether each reaches somebody whose group is too large.
        cancelled: Index of the reason why each waits no longer; -1 for none.
        candidates: What `rank_candidates` gives.
        verdicts: What `arbitrate` gives.
        deferrals: Who waits.
        scope: What expressions see of them.
        profiles: What `profiles_of` gives.
        notices: What their contact roots were told.
    """

    plan: OfferPlan
    entries: pa.Table
    alone: Bools
    cancelled: Ints
    candidates: pl.DataFrame
    verdicts: Verdicts
    deferrals: Deferrals
    scope: pl.DataFrame
    profiles: pl.DataFrame
    notices: Notices

    @cached_property
    def params(self) -> pa.Array:
        """JSON text for each that sends, or would, null for the others."""
        return params_of(self.plan, self.contact, self.scope)

    def only(self, kept: Bools) -> "Answers":
        """Return the answers of some of the triggers; they do not depend on those of later ticks."""
        trigger = self.candidates["trigger"].to_numpy()
        candidates = kept[trigger]
        numbers, places = (np.append(np.cumsum(each) - 1, -1) for each in (kept, candidates))
        verdicts, waits = self.verdicts, self.deferrals
        return replace(
            self,
            entries=self.entries.filter(pa.array(kept)),
            alone=self.alone[kept],
            cancelled=self.cancelled[kept],
            candidates=self.candidates.filter(candidates).with_columns(trigger=numbers[trigger[candidates]]),
            verdicts=verdicts.only(kept, places, candidates),
            deferrals=waits.only(kept, candidates),
            scope=self.scope.filter(kept),
            profiles=self.profiles.filter(kept),
        )

    @cached_property
    def contact(self) -> Ints:
        """For each trigger the index in `plan.contacts` of what is sent, or would be but for a holdout; -1 for none."""
        found: Ints = np.append(self.candidates["contact"].to_numpy(), -1)[self.verdicts.chosen]
        return found

    @cached_property
    def silent(self) -> Bools:
        """Whether each was only looked at again: it waits as before, and nobody had said that it would not."""
        now = self.entries["tick"].to_numpy()
        due = [self.entries[name].fill_null(FOREVER).to_numpy() == now for name in ("until", "deadline")]
        found: Bools = self.deferrals.waits & (self.entries["n"].to_numpy() > 0) & ~due[0] & ~due[1]
        return found

    @cached_property
    def holdouts(self) -> Ints:
        """For each trigger the index of the holdout that keeps it from being sent; -1 for none."""
        found, plan = np.full(len(self.entries), -1), self.plan
        rows = np.flatnonzero(self.contact >= 0)
        if not plan.holdouts:
            return found
        families = np.array([contact.family for contact in plan.contacts], np.object_)[self.contact[rows]]
        drawn = held_out(plan, own_roots(self.entries, self.alone).take(rows))
        for number, one in reversed([*enumerate(plan.holdouts)]):
            mine = drawn[one.name] & ((families == one.family) if one.family else True)
            found[rows[mine]] = number
        return found

    @cached_property
    def propensity(self) -> Floats:
        """For each trigger the probability of what is sent, or would be but for a holdout; NaN for nothing."""
        known = self.verdicts.propensity
        return np.where(self.contact >= 0, 1.0, np.nan) if known is None else known

    @cached_property
    def actions(self) -> Ints:
        """For each trigger the index in `ACTIONS` of what is done."""
        done = np.where(self.verdicts.outranked, ACTIONS.index("outranked"), ACTIONS.index("no_offer"))
        done = np.where(self.deferrals.waits, ACTIONS.index("deferred"), done)
        sent = np.where(self.holdouts >= 0, _HOLDOUT, _OFFER)
        found: Ints = np.where(self.contact >= 0, sent, done)
        return found

    @cached_property
    def published(self) -> Bools:
        """Whether each goes to own channels first, and is answered again when that lapses."""
        found: Bools = np.append(self.plan.follows, False)[self.contact]
        return found

    @property
    def waits(self) -> Bools:
        """Whether each waits from now on, for a gate or for who may come in."""
        return self.deferrals.waits | self.published

    @cached_property
    def waiting(self) -> pa.Table:
        """Who waits from now on, as `entry_schema`, under the id of its next decision."""
        rows, plan = np.flatnonzero(self.waits), self.plan
        if not len(rows):
            return entry_schema(plan).empty_table()
        found, out = self.entries.take(rows), self.published[rows]
        lapses = found["tick"].to_numpy() + np.append(plan.valid_for, 0)[self.contact[rows]]
        for name, values in (
            ("n", pa.array(found["n"].to_numpy() + ~self.silent[rows])),
            ("until", of_nullable(np.where(out, lapses, self.deferrals.until[rows]))),
            ("deadline", pa.array(self.deferrals.deadline[rows], mask=out)),
            ("inbound", pc.if_else(pa.array(out), found["decision_id"], found["inbound"])),
            ("shown", pc.if_else(pa.array(out), found["tick"], found["shown"])),
        ):
            found = replaced(found, name, values)
        who = found.select(["subject_kind", "subject", "trigger", "own_tick", "n"])
        ids = decision_ids(plan.playbook, framed(who))
        return replaced(found, "decision_id", pa.array(ids.to_list(), pa.string())).cast(entry_schema(plan))

    @property
    def reserved(self) -> pa.Table:
        """What the triggers that send, or would, reserve, as RESERVATION."""
        contact, plan = self.contact, self.plan
        rows = np.flatnonzero(contact >= 0)
        sent = self.entries.take(rows)
        columns = {name: sent[name] for name in sent.column_names}
        which = (pick([one[n] for one in plan.contacts], contact[rows]) for n in range(len(Contact._fields)))
        columns |= dict(zip(Contact._fields, which, strict=True))
        valid_for = plan.valid_for[contact[rows]]
        columns |= {
            "holdout": pa.array(self.holdouts[rows] >= 0),
            "value_micros": self.candidates["value_micros"].to_arrow().take(pa.array(self.verdicts.chosen[rows])),
            "valid_until": pa.array(sent["tick"].to_numpy() + valid_for),
            "withdrawn": pa.repeat(False, len(rows)),
            "said": pa.nulls(len(rows), pa.string()),
            "alone": pa.array(self.alone[rows]),
        }
        return pa.table([columns[name] for name in RESERVATION.names], schema=RESERVATION)

    def first_reasons(self) -> Ints:
        """Return why each trigger's best candidate, of those that wait the best of these, is shut out; -1 for none."""
        found = np.full(len(self.entries), -1)
        trigger = self.candidates["trigger"].to_numpy()  # ascending
        waits = np.flatnonzero(self.deferrals.candidates & self.deferrals.waits[trigger])
        for rows in (np.flatnonzero(changes(trigger)), waits[changes(trigger[waits])]):
            found[trigger[rows]] = first_shut(self.verdicts.gates.reasons[rows], self.deferrals.gates[rows])
        return found


def first_shut(reasons: Ints, defers: Bools) -> Ints:
    """Return the reason that shuts each candidate out first: the first gate that blocks, else that defers; or -1."""
    first = np.where(reasons < 0, 0, np.where(defers, 1, 2)).argmax(axis=1)
    found: Ints = reasons[np.arange(len(reasons)), first]
    return found


def of_nullable(ticks: Ints) -> pa.Array:
    """Return ticks as Arrow, null where they are FOREVER."""
    return pa.array(ticks, pa.int64(), mask=ticks == FOREVER)
