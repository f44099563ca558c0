"""What a changed policy would have chosen at logged decisions, and how likely that was under the one that decided."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.off_policy import Floats
from schemas.playbook_offers import INBOUND
from transforms.arrays.exact_arithmetic import quotient
from transforms.arrays.plain_arrow import framed
from transforms.compiler.dotted import columns_of
from transforms.compiler.offer_definitions import Offer, OfferPlan
from transforms.compiler.sql.dates import TICK
from transforms.compiler.steps import MADE
from transforms.decision.candidates import rank_candidates

CONTACT = ("offer", "channel")
_KEY = ("row", *CONTACT)
_ASKED = ("trigger", "decision_id", "root_kind", "root", "recipient", "tick")


def recorded_scope(plan: OfferPlan, decisions: pa.Table) -> pl.DataFrame:
    """Return what expressions see of decisions, as far as these record it: memberships of other levels are NULL.

    Args:
        plan: The offers; `segments` says what they read.
        decisions: Columns subject_kind, tick (ms), evidence, segments, context.
    """
    context, evidence = (
        columns_of(framed(pa.Table.from_struct_array(decisions[name].combine_chunks())))
        for name in ("context", "evidence")
    )
    made = evidence.select(name for name in evidence.columns if name.startswith(MADE))
    who = framed(decisions.select(["subject_kind", "tick", "segments"]))
    members = []
    for name in plan.segments:
        level, _, segment = name.rpartition(".")
        own = pl.lit(not level) | (pl.col("subject_kind") == level)
        members.append(pl.when(own).then(pl.col("segments").list.contains(segment)).alias(name))
    return context.hstack(made).hstack(who.select(pl.col("tick").alias(TICK), *members))


def unrecorded(old: OfferPlan, new: OfferPlan) -> Iterator[tuple[str, str]]:
    """Yield offers with the memberships that their new expressions read, and decisions do not record."""
    before = {offer.name: offer for offer in old.offers}
    for offer in new.offers:
        levels = {trigger.partition(".")[0] for trigger in offer.triggers}
        asked = [offer.value, offer.cost, offer.p_accept, *([] if _same(offer, before) else [offer.eligible])]
        read = {name for expr in asked for name in expr.meta.root_names()} & {*new.segments}
        yield from ((offer.name, name) for name in sorted(read) if "." in name and levels != {name.partition(".")[0]})


def choices(old: OfferPlan, new: OfferPlan, decisions: pa.Table) -> pl.DataFrame:
    """Return what the new policy would have chosen among the candidates of each decision.

    It ranks them anew by its own `eligible`, `value`, `cost`, `p_accept`, `priority`, `share` and `at_a_loss`; all
    other gates are as recorded. Its own exploration is left out: it chooses the best.

    Args:
        old: The policy that decided.
        new: The other; its offers are some of the old ones.
        decisions: As `decision_schema`, tick in ms.

    Returns:
        A row for each decision: offer and channel, null where it would send nothing, and `chance`: how likely it was
        that the old policy chose that; null where nothing is sent.
    """
    logged = candidates_of(decisions)
    scope = recorded_scope(new, decisions).hstack(_eligibility(new, logged, len(decisions)))
    before = {offer.name: offer for offer in old.offers}
    offers = tuple(replace(one, eligible=pl.col(_known(one))) if _same(one, before) else one for one in new.offers)
    asked = decisions.select(_ASKED).combine_chunks()
    first = np.isin(np.arange(len(decisions)), logged.filter(pl.col("channel") == INBOUND)["row"].to_numpy())
    asked = asked.append_column("inbound", pc.if_else(pa.array(first), None, asked["decision_id"]))
    ranked = rank_candidates(replace(new, offers=offers), asked, scope, {})
    contacts = pl.DataFrame([one[::2] for one in new.contacts], dict.fromkeys(CONTACT, pl.String), orient="row")
    open_ = ranked.filter(pl.col("ineligible").is_null())
    mine = open_.select(row="trigger").hstack(contacts[open_["contact"].to_numpy()])
    mine = mine.join(logged.select(*_KEY, "others"), on=_KEY, how="left", maintain_order="left")
    best = mine.filter(pl.col("others").fill_null(True)).unique("row", keep="first", maintain_order=True)
    told = best.join(_chances(old, logged), on=_KEY, how="left").select(*_KEY, pl.col("chance").fill_null(0.0))
    rows = pl.DataFrame({"row": np.arange(len(decisions))})
    return rows.join(told, on="row", how="left", maintain_order="left").drop("row")


def candidates_of(decisions: pa.Table) -> pl.DataFrame:
    """Return the candidates of decisions in their rank.

    Columns: row (of the decision), offer, channel, priority, passed (all gates), others (all but eligibility, and no
    goal was reached), eligible (`eligible` was true).
    """
    rows = framed(decisions.select(["candidates"])).with_columns(row=np.arange(len(decisions)))
    each = rows.explode("candidates").drop_nulls("candidates").select("row", pl.col("candidates").struct.unnest())
    gate, result, reason = (pl.element().struct.field(name) for name in ("gate", "result", "reason"))
    gates, is_own = pl.col("gates"), (gate == "eligibility") & (reason != "goal_reached")
    return each.select(
        *_KEY,
        "priority",
        passed=gates.list.eval(result == "passed").list.all(),
        others=gates.list.eval(is_own.fill_null(False) | (result == "passed")).list.all(),
        eligible=~gates.list.eval((reason == "not_eligible").fill_null(False)).list.any(),
    )


def earned(plan: OfferPlan, sent: Sequence[str], accepted: pl.Series, scope: pl.DataFrame) -> Floats:
    """Return what each offer earned: its value if it was accepted, without its cost.

    Args:
        plan: The policy that says what offers are worth.
        sent: The offer of each decision.
        accepted: Whether each was.
        scope: What expressions see of each.
    """
    found, names = np.zeros(len(sent)), np.array(sent, np.object_)
    for offer in plan.offers:
        rows = np.flatnonzero(names == offer.name)
        if len(rows):
            worth = scope[rows].select(value=offer.value, cost=offer.cost)
            found[rows] = np.where(accepted.to_numpy()[rows], worth["value"].to_numpy(), 0.0) - worth["cost"].to_numpy()
    return found


def _known(offer: Offer) -> str:
    return f"{offer.name}: eligible as recorded"


def _same(offer: Offer, before: dict[str, Offer]) -> bool:
    return offer.name in before and offer.eligible.meta.eq(before[offer.name].eligible)


def _eligibility(plan: OfferPlan, logged: pl.DataFrame, size: int) -> pl.DataFrame:
    """Return of each offer whether its old `eligible` held at each decision, as recorded."""
    shut = logged.filter(~pl.col("eligible"))
    columns = {}
    for offer in plan.offers:
        holds = np.ones(size, np.bool_)
        holds[shut.filter(offer=offer.name)["row"].to_numpy()] = False
        columns[_known(offer)] = holds
    return pl.DataFrame(columns)


def _chances(plan: OfferPlan, logged: pl.DataFrame) -> pl.DataFrame:
    """Return how likely each candidate was that the policy may choose: row, offer, channel, chance."""
    families = pl.DataFrame(
        [(offer.name, offer.family, plan.explore.get(offer.family, 0.0)) for offer in plan.offers],
        {"offer": pl.String, "family": pl.String, "share": pl.Float64},
        orient="row",
    )
    passing = logged.filter("passed").join(families, on="offer", maintain_order="left")
    kind = (pl.col("family"), pl.col("priority"), pl.col("channel") == INBOUND)
    arms = passing.filter(*(one == one.first().over("row") for one in kind))
    each, is_best = quotient(pl.col("share"), pl.len().over("row")), pl.int_range(pl.len()).over("row") == 0
    chance = pl.when(is_best).then(1 - pl.col("share") + each).otherwise(each)
    return arms.select(*_KEY, chance=chance).filter(pl.col("chance") > 0)
