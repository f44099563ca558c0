"""What becomes of offers in the simulated town: whether they arrive, and what people say to them.

Everything is drawn by hash of the decision's id: the same offer gets the same answer, whatever else was offered.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.simulation.arrays import named
from pipelines.simulation.arrival import SOURCE
from pipelines.simulation.calendar import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.playbook_offers import INBOUND
from transforms.decision.draws import hash_of

SECOND_MS = 1_000
SENT_MS = 30_000
"""At most so long after the decision it is sent."""


@dataclass(frozen=True)
class Channel:
    """How a channel works.

    Attributes:
        fails: Share of the contacts that reach nobody.
        reason: Why they do not.
        takes: Milliseconds until it is delivered, on average.
        seen: Share of what is delivered that is seen, if nobody answers to it.
    """

    fails: float
    reason: str
    takes: int
    seen: float


CHANNELS = {
    "app": Channel(0.03, "logged_out", 5 * SECOND_MS, 0.5),
    "push": Channel(0.06, "switched_off", 5 * SECOND_MS, 0.4),
    "sms": Channel(0.04, "unreachable", 20 * SECOND_MS, 0.9),
    "email": Channel(0.08, "bounced", MINUTE_MS, 0.35),
    "call_centre": Channel(0.3, "no_answer", 20 * MINUTE_MS, 1.0),
    "account_manager": Channel(0.1, "no_answer", 6 * HOUR_MS, 1.0),
}
ANY_OTHER = Channel(0.05, "unreachable", MINUTE_MS, 0.5)
OWN = Channel(0.7, "stayed_away", 0, 1.0)
"""Own channels, which fail where nobody comes: of that nothing is reported."""

RESULTS = ("accepted", "rejected", "ignored")
_WORKS = CHANNELS | {INBOUND: OWN}
FULFILLED_MS, LATE = 2 * DAY_MS, 0.1
"""How long it takes on average until what is accepted is fulfilled, and the share of which it takes five times that."""
LAPSED = "lapsed"
"""Why a contact fails that is delivered when the offer is no longer valid, or withdrawn."""


def answers_to(offers: pl.DataFrame, chances: pl.DataFrame, seed: int, end: int) -> dict[str, pl.DataFrame]:
    """Return `contact` and `outcome` signals, each in the order of time.

    A contact is sent within half a minute, and then fails or is delivered; on own channels it is delivered to who
    comes, at any time while it is valid, and of others nothing is reported. An answer to what was delivered comes while
    the offer is valid, rather soon; what is not answered is `ignored` when the offer lapses, and may have been seen.
    What is withdrawn is answered no more. What is accepted is fulfilled within four days, or late.

    Args:
        offers: Columns decision_id, recipient, offer, family, message, channel, tick, valid_until, withdrawn (ms; the
            last null if never).
        chances: Columns p_accept and p_reject of each.
        seed: Of the town.
        end: Of the town, ms: nothing happens from then on.
    """
    drawn = _drawn(offers, chances, seed)
    contacts = [
        drawn.with_columns(time=f"{state}_at", state=pl.lit(state)).filter(happens)
        for state, happens in (
            ("sent", ~pl.col("own")),
            ("failed", pl.col("fails") & ~pl.col("own")),
            ("delivered", ~pl.col("fails")),
            ("seen", "sees"),
        )
    ]
    answered = ~pl.col("fails") & (pl.col("answered_at") <= pl.col("last"))
    outcomes = drawn.filter(answered).with_columns(time="answered_at")
    taken = outcomes.filter(pl.col("result") == "accepted")
    kept = taken.with_columns(time=pl.col("time") + pl.col("takes"), result=pl.lit("fulfilled"))
    shared = ["id", "source", "time", "subject", "decision_id", "offer", "channel"]
    return {
        "contact": _signals("contact", pl.concat(contacts), "state", end).select(
            *shared, "family", "message", "state", reason=pl.when(state="failed").then("why")
        ),
        "outcome": _signals("outcome", pl.concat([outcomes, kept]), "result", end).select(*shared, "result"),
    }


def _drawn(offers: pl.DataFrame, chances: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return offers with all that is drawn about them: fails, why, sees, result, and times, ms; last: of any answer."""
    decisions = cast(pa.Array, offers["decision_id"].to_arrow()).cast(pa.string())

    def draw(what: str) -> pl.Series:
        """Return an even draw from 0 to 1 for each decision."""
        return pl.Series(hash_of("answer", what, str(seed), decisions) / 2**64)

    works = [_WORKS.get(name, ANY_OTHER) for name in offers["channel"]]
    fails, takes, seen = (
        pl.Series([getattr(one, name) for one in works], dtype=pl.Float64) for name in ("fails", "takes", "seen")
    )
    own = pl.col("channel") == INBOUND
    visit = pl.col("tick") + ((pl.col("valid_until") - pl.col("tick")) * draw("visit")).cast(pl.Int64)
    sent = pl.col("tick") + (SECOND_MS + draw("sending") * (SENT_MS - SECOND_MS)).cast(pl.Int64)
    late = pl.Series((-np.log1p(-draw("delivery").to_numpy()) * takes.to_numpy()).astype(np.int64))
    delivered = pl.when(own).then(visit).otherwise(sent + SECOND_MS + late)
    drawn = offers.with_columns(sent_at=sent, delivered_at=delivered, own=own).with_columns(
        last=pl.min_horizontal("valid_until", pl.col("withdrawn") - 1),
        why=pl.Series([one.reason for one in works], dtype=pl.String),
        result=_result(draw("result"), chances),
        takes=_takes(draw("fulfilling"), draw("late")),
    )
    lapsed, after = pl.col("delivered_at") >= pl.col("last"), pl.col("delivered_at") + _after(draw("answering"))
    answers = pl.col("result") != "ignored"
    return drawn.with_columns(
        fails=(draw("failure") < fails) | lapsed,
        failed_at="delivered_at",
        why=pl.when(lapsed).then(pl.lit(LAPSED)).otherwise("why"),
        sees=answers | (draw("looking") < seen),
        seen_at=(pl.col("delivered_at") + after) // 2,
        answered_at=pl.when(answers).then(after).otherwise("valid_until"),
    ).with_columns(sees=pl.col("sees") & ~pl.col("fails") & (pl.col("seen_at") <= pl.col("last")))


def _result(drawn: pl.Series, chances: pl.DataFrame) -> pl.Series:
    """Return what each says, if it is reached."""
    accepts, rejects = drawn < chances["p_accept"], drawn < chances["p_accept"] + chances["p_reject"]
    return named(np.where(accepts, 0, np.where(rejects, 1, 2)), RESULTS).cast(pl.String)


def _takes(drawn: pl.Series, late: pl.Series) -> pl.Expr:
    """Return how long after it was accepted each is fulfilled."""
    return (2 * FULFILLED_MS * drawn * pl.when(late < LATE).then(5).otherwise(1)).cast(pl.Int64)


def _after(drawn: pl.Series) -> pl.Expr:
    """Return how long after delivery an answer comes: in the first hours of many rather than in the last ones."""
    return ((pl.col("valid_until") - pl.col("delivered_at")) * drawn**4).cast(pl.Int64)


def _signals(signal: str, rows: pl.DataFrame, what: str, end: int) -> pl.DataFrame:
    """Return rows as signals, those before the end, in the order of time."""
    named = rows.filter(pl.col("time") < end).with_columns(
        id=pl.format("sim-{}-{}-{}", pl.lit(signal), "decision_id", what), source=pl.lit(SOURCE), subject="recipient"
    )
    return named.sort("time", "id")
