"""Exploration: now and then another offer goes out than the best, drawn by hash, with a probability that is told."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from transforms.arrays.arrow_columns import Bools, Ints, changes
from transforms.arrays.hashing import Hashes
from transforms.compiler.offer_definitions import OfferPlan
from transforms.decision.draws import arm_of, hash_of, is_below

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exploration:
    """What decides which of the passing candidates of a turn is sent.

    Attributes:
        turn: Of each candidate the turn.
        kind: Of each a number, the same for those of one family and tier, all on own channels or none.
        share: Of each how often its family explores, of 1.
        draws: Whether the turn of each explores, if it is the best.
        arms: Of each turn the hash that draws the arm.
        propensity: Of each turn the probability of what it sent; NaN where it sent nothing.
    """

    turn: Ints
    kind: Ints
    share: Floats
    draws: Bools
    arms: Hashes
    propensity: Floats

    def choose(self, passing: Ints, best: Ints) -> Ints:
        """Return the candidate that each turn sends, and note its probability.

        The arms are those of the family and the tier of the best, in their rank; each is as likely as the others.
        Where the best is for own channels they are, too: to explore does not push sooner.

        Args:
            passing: The candidates that pass, of all turns, in their rank.
            best: The first of each turn.
        """
        firsts = np.cumsum(changes(self.turn[passing])) - 1
        arms = np.flatnonzero(self.kind[passing] == self.kind[best][firsts])
        sizes = np.bincount(firsts[arms], minlength=len(best))
        number = np.cumsum(sizes) - sizes + arm_of(self.arms[self.turn[best]], sizes)
        sent = np.where(self.draws[best], passing[arms[number]], best)
        share = self.share[best]
        self.propensity[self.turn[best]] = np.where(sent == best, 1 - share + share / sizes, share / sizes)
        return cast(Ints, sent)


def exploration_of(plan: OfferPlan, ids: pl.Series, turn: Ints, candidates: pl.DataFrame) -> Exploration:
    """Return how turns explore, in their order.

    Args:
        plan: The policy; some family of it explores.
        ids: The decision id of each turn.
        turn: Of each candidate the turn.
        candidates: Columns contact and priority.
    """
    texts = cast(pa.Array, ids.to_arrow()).cast(pa.string())
    contact = candidates["contact"].to_numpy()
    families = sorted({one.family for one in plan.contacts} | plan.explore.keys())
    family = np.array([families.index(one.family) for one in plan.contacts], np.int64)[contact]
    drawn, draws = hash_of("explore", texts), np.zeros(len(turn), np.bool_)
    for name, share in plan.explore.items():
        draws |= (family == families.index(name)) & is_below(drawn, share)[turn]
    return Exploration(
        turn,
        (candidates["priority"].to_numpy() * len(families) + family) * 2 + plan.is_inbound[contact],
        np.array([plan.explore.get(name, 0.0) for name in families])[family],
        draws,
        hash_of("explore", texts, "arm"),
        np.full(len(ids), np.nan),
    )
