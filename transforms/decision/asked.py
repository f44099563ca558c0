"""What notices say about candidates: pauses, channels, consents, open tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.playbook_offers import INBOUND
from schemas.records import EVERYBODY
from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.in_time import FOREVER, as_of
from transforms.arrays.plain_arrow import framed
from transforms.compiler.offer_definitions import Contact, OfferPlan
from transforms.compiler.reach import consents, reached_by
from transforms.decision.notices import WHO, Notices, recipients_of

_SALES = "marketing"


@dataclass(frozen=True)
class Asked:
    """What notices say about candidates.

    Attributes:
        plan: The policy.
        triggers: `WHO`, recipient and tick.
        trigger: For each candidate the row of its trigger.
        contact: For each candidate the index in `contacts`.
        notices: What contact roots were told.
        contacts: What may be sent.
    """

    plan: OfferPlan
    triggers: pa.Table
    trigger: Ints
    contact: Ints
    notices: Notices
    contacts: Sequence[Contact]

    def paused(self) -> Bools:
        """Tell which are paused, for whom and in whatever scope."""
        found: Bools = self.pauses >= 0
        return found

    @cached_property
    def pauses(self) -> Ints:
        """For each candidate the place of the earliest `control` that pauses it, -1 for none."""
        first = np.full(len(self.trigger), FOREVER)
        if self.notices.tables["control"].is_empty():
            return np.full(len(self.trigger), -1)
        contacts = self.contacts
        scopes = {
            "everything": [""] * len(contacts),
            "offer": [one.offer for one in contacts],
            "family": [one.family for one in contacts],
            "channel": [one.channel for one in contacts],
        }
        everybody = {name: pl.lit(EVERYBODY) for name in WHO}
        for whom in (self._recipients, self._subjects, self._subjects.with_columns(**everybody)):
            who = whom[self.trigger]
            for scope, targets in scopes.items():
                asked = who.with_columns(
                    scope=pl.lit(scope), target=pl.Series(targets, dtype=pl.String).gather(self.contact)
                )
                held = self.notices.latest("control", asked, ("action", "place"))
                pausing = (held["action"] == "pause").fill_null(False).to_numpy()
                first[pausing] = np.minimum(first[pausing], held["place"].to_numpy()[pausing])
        return np.where(first < FOREVER, first, -1)

    def without_channel(self, channels: pl.Series) -> Bools:
        """Tell which go by a channel that is known not to reach the recipient; `channels` of each, by the profile."""
        names = sorted({contact.channel for contact in self.contacts})
        told = channels.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode(null_encoding="encode")
        reached = reached_by(pl.Series(told.dictionary, dtype=pl.String), names)
        lacks = np.stack([~reached[name].to_numpy() for name in names] or [np.zeros(0)])
        channel = np.array([names.index(contact.channel) for contact in self.contacts], np.int64)
        own = np.array([one.channel == INBOUND for one in self.contacts], np.bool_)
        which = told.indices.to_numpy()[self.trigger]
        found: Bools = lacks[channel[self.contact], which] & ~own[self.contact]
        return found

    def without_consent(self) -> Bools:
        """Tell which need a consent that is not there."""
        return self._consents[0]

    @property
    def refusals(self) -> Ints:
        """For each candidate without consent the place of the `consent` that decides it; -1: there is none."""
        return self._consents[1]

    @cached_property
    def _consents(self) -> tuple[Bools, Ints]:
        lacking, decides = np.zeros(len(self.trigger), np.bool_), np.full(len(self.trigger), -1)
        named = self.notices.tables["consent"]["channel"].unique().to_list()
        sent = {one.message for one in self.contacts}
        for message, basis in self.plan.bases.items():
            if message not in sent or basis == "contract":  # asks nobody
                continue
            of_all = self._refused(message, "", basis)
            for channel in sorted({one.channel for one in self.contacts if one.message == message}):
                matches = [(one.message, one.channel) == (message, channel) for one in self.contacts]
                rows = np.flatnonzero(np.array(matches, np.bool_)[self.contact])
                lacks, places = self._refused(message, channel, basis) if channel in named else of_all
                lacking[rows] = lacks[self.trigger[rows]]
                decides[rows] = np.where(lacks, places, -1)[self.trigger[rows]]
        return lacking, decides

    def _refused(self, message: str, channel: str, basis: str) -> tuple[Bools, Ints]:
        """Tell which triggers lack the recipient's consent, and the place of what decides, of this channel or all.

        That is the latest, of those that have not lapsed if there are any.
        """
        (state, until, place), ticks = self._held(message, ""), self._recipients["tick"]
        if channel:
            one = self._held(message, channel)
            own = _rank(*one[1:], ticks) > _rank(until, place, ticks)
            state, until, place = (a.zip_with(own, b) for a, b in zip(one, (state, until, place), strict=True))
        return ~consents(basis, state, until, ticks).to_numpy(), place.to_numpy()

    def _held(self, message: str, channel: str) -> tuple[pl.Series, pl.Series, pl.Series]:
        """Return state, valid_until and place (-1 for none) of the consent to a purpose by a channel."""
        who = self._recipients.with_columns(purpose=pl.lit(message), channel=pl.lit(channel))
        held = self.notices.latest("consent", who, ("state", "valid_until", "place"))
        return held["state"], held["valid_until"], held["place"].fill_null(-1)

    def with_open_ticket(self) -> Bools:
        """Tell which would sell while a ticket of the recipient, or of the trigger's subject, is open."""
        assert self.plan.ticket is not None, "asked only where tickets matter"
        sells = np.array([one.message == _SALES for one in self.contacts], np.bool_)[self.contact]
        held = self.notices.tables["ticket"].filter(self.plan.ticket.fill_null(False))
        if held.is_empty() or not sells.any():
            return np.zeros(len(self.trigger), np.bool_)
        begun = held.select(*WHO, "since", step=pl.lit(1))
        ended = held.filter(pl.col("until") < FOREVER).select(*WHO, since="until", step=pl.lit(-1))
        steps = pl.concat([begun, ended]).group_by(*WHO, "since").agg(pl.col("step").sum()).sort(*WHO, "since")
        steps = steps.with_columns(open=pl.col("step").cum_sum().over(WHO))
        found = np.zeros(len(self.triggers), np.bool_)
        for who in (self._recipients, self._subjects):
            found |= (as_of(who, steps, WHO)["open"] > 0).fill_null(False).to_numpy()
        return sells & found[self.trigger]

    @property
    def tickets(self) -> Ints:
        """For each candidate that an open ticket stops the place of the earliest, -1 for the others."""
        shut = self.with_open_ticket()
        found = np.full(len(self.triggers), -1)
        if shut.any():
            asked = np.unique(self.trigger[shut])
            whom = pl.concat(who[asked].with_columns(row=asked) for who in (self._recipients, self._subjects))
            assert self.plan.ticket is not None, "asked only where tickets matter"
            held = self.notices.tables["ticket"].filter(self.plan.ticket.fill_null(False))
            each = whom.join(held.select(*WHO, "since", "until", "place"), WHO)
            open_ = each.filter((pl.col("since") <= pl.col("tick")) & (pl.col("tick") < pl.col("until")))
            first = open_.group_by("row").agg(pl.col("place").min())
            found[first["row"].to_numpy()] = first["place"].to_numpy()
        return np.where(shut, found[self.trigger], -1)

    @cached_property
    def _recipients(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their recipients."""
        return recipients_of(self.triggers)

    @cached_property
    def _subjects(self) -> pl.DataFrame:
        """`WHO` and tick of the triggers, about their subjects."""
        return framed(self.triggers.select([*WHO, "tick"]))


def _rank(until: pl.Series, place: pl.Series, ticks: pl.Series) -> pl.Series:
    """Return which of several consents decides, the greatest: what has lapsed is less than all others."""
    lapsed = (until <= ticks).fill_null(False) | (place < 0)
    return place.zip_with(lapsed, place + FOREVER // 2)
