"""Draws by hash: the same customers in every run, whatever else is drawn, and more of them where the share grows."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.arrays.arrow_columns import Bools, Ints
from transforms.arrays.hashing import Hashes, finalise, fnv1a64
from transforms.compiler.offer_definitions import OfferPlan

_ALL = 2**64


def hash_of(*parts: str | pa.Array) -> Hashes:
    """Return a hash of texts joined by zero bytes, a row each; some part is a column."""
    texts = pc.binary_join_element_wise(*(pa.scalar(one) if isinstance(one, str) else one for one in parts), "\0")
    return finalise(fnv1a64(texts))


def is_below(hashes: Hashes, share: float) -> Bools:
    """Tell which hashes are in a share of all."""
    least = math.ceil(share * _ALL)
    return np.ones(len(hashes), np.bool_) if least >= _ALL else hashes < np.uint64(least)


def in_share(plan: OfferPlan, offer: int, triggers: pa.Table) -> Bools:
    """Tell to the roots of which triggers an offer is open at their tick.

    Args:
        plan: The offers.
        offer: The index of one that has a share.
        triggers: Columns root_kind, root, tick.
    """
    drawn = plan.offers[offer]
    assert drawn.share is not None, "only asked of what has a share"
    share, period = drawn.share
    number = pa.array((triggers["tick"].to_numpy() // period).astype(np.int64)).cast(pa.string())
    kind, root = (triggers[name].combine_chunks() for name in ("root_kind", "root"))
    return is_below(hash_of("share", plan.playbook, drawn.name, kind, root, number), share)


def held_out(plan: OfferPlan, triggers: pa.Table) -> dict[str, Bools]:
    """Tell by holdout which triggers have a contact root in it.

    Args:
        plan: The holdouts.
        triggers: Columns root_kind, root.
    """
    kind, root = (triggers[name].combine_chunks() for name in ("root_kind", "root"))
    return {one.name: is_below(hash_of("holdout", one.name, kind, root), one.share) for one in plan.holdouts}


def arm_of(hashes: Hashes, arms: Ints) -> Ints:
    """Return floor(hash / 2^64 * arms), from 0 to `arms` - 1, in whole numbers; there are less than 2^32 arms."""
    high, low, many = hashes >> np.uint64(32), hashes & np.uint64(2**32 - 1), arms.astype(np.uint64)
    return ((high * many + (low * many >> np.uint64(32))) >> np.uint64(32)).astype(np.int64)
